//! Files to documents and objects, each by itself: nothing in here looks at two of them.

use super::CUTOVER_API;
use super::envelope::{self, Document};
use super::node::Node;
use super::objects::{self, Objects};
use super::problems::Problems;
use super::registered::child_of;
use super::validate::Validator;
use super::yaml::{self, Budget};
use crate::model::{Application, Kind, ObjectKey, PlatformKind, SourceFile};
use std::collections::BTreeMap;

/// True for files that hold documents: `.yaml`, `.yml` and `.json`, and not in a folder or file whose name begins with
/// a dot (`.github/…`). `path` is seen from the application's folder.
pub fn is_document_file(path: &str) -> bool {
    let hidden = path.split('/').any(|part| part.starts_with('.') && part != "." && part != "..");
    let ending = path.rsplit('/').next().and_then(|name| name.rsplit_once('.'));
    let known = ending
        .is_some_and(|(_, e)| ["yaml", "yml", "json"].iter().any(|known| e.eq_ignore_ascii_case(known)));
    known && !hidden
}

/// How many bytes of the paths are the folder that all files are in, so that an application may live in `.deploy`.
fn common_folder(files: &[SourceFile]) -> usize {
    let folder = |path: &str| path.rfind('/').map_or(0, |slash| slash + 1);
    let Some(first) = files.first() else { return 0 };
    let mut common = &first.path[..folder(&first.path)];
    for file in files {
        while !file.path.starts_with(common) {
            common = &common[..folder(&common[..common.len() - 1])];
        }
    }
    common.len()
}

/// What was read of all files.
pub struct Read {
    pub platform: PlatformKind,
    /// The program's own kinds and those of ECS.
    pub documents: Vec<Document>,
    pub objects: Objects,
    /// What the Applications among the objects say.
    pub children: BTreeMap<ObjectKey, Application>,
    /// True if it is known where the documents go: an Application among them is going to be applied.
    pub is_destined: bool,
}

/// Reads all files, as far as they can be read.
pub fn read_documents(files: &[SourceFile], platform: Option<PlatformKind>, problems: &mut Problems) -> Read {
    let is_destined = platform.is_some();
    let folder = common_folder(files);
    let mut files: Vec<&SourceFile> =
        files.iter().filter(|file| is_document_file(&file.path[folder..])).collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    if platform != Some(PlatformKind::Ecs) {
        pass_over_charts(&mut files, problems);
    }
    let mut budget = Budget::default();
    let mut roots = vec![];
    for file in files {
        roots.extend(yaml::parse(file, &mut budget, problems).into_iter().map(|root| (file, root)));
    }
    let platform = platform.unwrap_or_else(|| objects::platform_of(roots.iter().map(|(_, root)| root)));
    let mut read = Read {
        platform,
        is_destined,
        documents: vec![],
        objects: Objects::default(),
        children: BTreeMap::new(),
    };
    for (file, root) in roots {
        match platform {
            PlatformKind::Ecs => {
                read.documents.extend(read_document(&file.path, root, Some(platform), problems));
            }
            PlatformKind::Kubernetes => read.take(&file.path, root, problems),
        }
    }
    read
}

/// Takes files in Helm charts out, with one problem for each chart.
fn pass_over_charts(files: &mut Vec<&SourceFile>, problems: &mut Problems) {
    let charts = objects::chart_folders(files);
    files.retain(|file| !charts.iter().any(|(folder, _)| file.path.starts_with(folder)));
    charts.into_iter().for_each(|(_, file)| problems.file(file, 1, objects::CHART));
}

impl Read {
    /// A document for Kubernetes: ours, an object, or a list of them.
    fn take(&mut self, file: &str, root: Node, problems: &mut Problems) {
        if let Some(message) = objects::needs_rendering(file, &root) {
            return problems.file(file, root.line, message);
        }
        for root in objects::unfold(root) {
            match objects::is_ours(&root) {
                true if self.is_destined && is_application(&root) => self.child(file, root, problems),
                true => self.documents.extend(read_document(file, root, Some(self.platform), problems)),
                false => objects::read(file, root, &mut self.objects, problems),
            }
        }
    }

    /// An Application that is applied like any object.
    fn child(&mut self, file: &str, root: Node, problems: &mut Problems) {
        let application = child_of(file, &root, problems);
        let text = |field: &str| root.get("metadata")?.get(field)?.text().map(ToOwned::to_owned);
        let key = ObjectKey {
            group: objects::group_of(CUTOVER_API),
            kind: Kind::Application.name().to_owned(),
            namespace: text("namespace").filter(|namespace| !namespace.is_empty()),
            name: text("name").unwrap_or_default(),
        };
        objects::read(file, root, &mut self.objects, problems);
        // One that is left out is not to be asked about, and neither is the double of another one.
        if let Some(application) = application.filter(|_| self.objects.objects.contains_key(&key)) {
            self.children.entry(key).or_insert(application);
        }
    }
}

fn is_application(root: &Node) -> bool {
    let text = |field: &str| root.get(field).and_then(Node::text);
    (text("apiVersion"), text("kind")) == (Some(CUTOVER_API), Some(Kind::Application.name()))
}

/// Reads one document of the program's own kinds or of ECS, and checks its fields.
pub fn read_document(
    file: &str,
    root: Node,
    platform: Option<PlatformKind>,
    problems: &mut Problems,
) -> Option<Document> {
    let mut document = envelope::open(file, root, platform, problems)?;
    if let Some(spec) = &document.spec {
        let before = problems.count();
        let mut validator = Validator {
            file,
            document: &document.label(),
            kind: document.kind,
            unchecked: &document.unchecked,
            problems: &mut *problems,
        };
        validator.validate(spec, document.spec_line);
        document.is_valid &= problems.count() == before;
    }
    Some(document)
}

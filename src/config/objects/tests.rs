use crate::config::{check_namespace, load, masked, render};
use crate::model::{HookPhase, Manifests, PlatformKind, Problem, SourceFile};
use std::collections::BTreeMap;

fn file(path: &str, text: impl Into<Vec<u8>>) -> SourceFile {
    SourceFile { path: path.into(), bytes: text.into() }
}

fn load_text(text: &str) -> Result<Manifests, Vec<Problem>> {
    load(&[file("a.yaml", text)], Some(PlatformKind::Kubernetes))
}

/// All problems of this text, without the file's name.
fn problems(text: &str) -> Vec<String> {
    let problems = load_text(text).expect_err("no problem found");
    problems.iter().map(|problem| problem.to_string().replace("a.yaml:", "")).collect()
}

fn keys(manifests: &Manifests) -> Vec<String> {
    manifests.objects.keys().map(ToString::to_string).collect()
}

const MAP: &str = "\
apiVersion: v1
kind: ConfigMap
metadata:
  name: c
data: {a: \"1\"}
";

#[test]
fn any_object_is_taken_with_its_key_its_turn_and_its_lines() {
    let text = "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
  annotations:
    cutover.dev/wave: \"-2\"
spec:
  mode: 0644
  list:
    - x: yes
status: {replicas: 1}
";
    let manifests = load_text(text).expect("valid");
    let object = manifests.objects.values().next().expect("one");
    assert_eq!(object.key.to_string(), "Deployment.apps/shop/web");
    assert_eq!((object.turn.phase, object.turn.wave, object.turn.rank), (HookPhase::Sync, -2, 3));
    let want = serde_json::json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "annotations": {"cutover.dev/wave": "-2"}},
        "spec": {"mode": 420, "list": [{"x": true}]}, "status": {"replicas": 1}});
    assert_eq!(object.body, want);
    for (field, line) in [("spec.mode", 9), ("spec.list[0].x", 11), ("spec.list[4]", 10), ("nothing", 1)] {
        assert_eq!(object.origin_of(field).line, line, "{field}");
    }
}

#[test]
fn lists_are_unfolded_and_what_is_ours_is_read_as_ours() {
    let text = "\
apiVersion: v1
kind: List
items:
  - {apiVersion: v1, kind: Secret, metadata: {name: s}}
  - apiVersion: v1
    kind: ConfigMapList
    items:
      - metadata: {name: a}
      - metadata: {name: b}
---
{apiVersion: v1, kind: ConfigMapList, items: []}
---
apiVersion: e.dev/v1
kind: AllowList
metadata: {name: x}
spec: {items: []}
---
apiVersion: cutover.dev/v1alpha1
kind: Application
metadata: {name: shop}
spec: {source: {repoURL: ./}, destination: {kubernetes: {}}}
";
    let manifests = load(&[file("a.yaml", text)], None).expect("valid");
    assert_eq!(keys(&manifests), ["ConfigMap/a", "ConfigMap/b", "Secret/s", "AllowList.e.dev/x"]);
    assert_eq!(manifests.applications.len(), 1);
    let lines = |name: &str| manifests.objects.values().find(|o| o.key.name == name).map(|o| o.origin.line);
    assert_eq!((lines("s"), lines("a"), lines("b")), (Some(4), Some(8), Some(9)));
}

#[test]
fn what_is_no_object_is_explained() {
    for (text, want) in [
        ("- a\n", "1: a document is a map with apiVersion, kind and metadata; this is a list"),
        ("kind: Pod\n", "1: the field \"apiVersion\" is missing"),
        ("apiVersion: v1\n", "1: the field \"kind\" is missing"),
        ("apiVersion: 1\nkind: Pod\n", "1: apiVersion: expected text, found the number 1"),
        ("apiVersion: a/b/c\nkind: Pod\n", "1: apiVersion: \"a/b/c\" is not an API version or kind"),
        (
            "apiVersion: v1\nkind: Pod\n",
            "1: Pod: the field \"metadata\" is missing; write `metadata: {name: …}`",
        ),
        ("apiVersion: v1\nkind: Pod\nmetadata: x\n", "3: Pod: metadata: expected a map, found text"),
        ("apiVersion: v1\nkind: Pod\nmetadata: {}\n", "3: Pod: metadata: the field \"name\" is missing"),
        (
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: 1\n",
            "4: Pod: metadata.name: expected text, found the number 1; write it in quotes",
        ),
        (
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: A_b}\n",
            "3: ConfigMap: metadata.name: \"A_b\" is not a name for this kind: lower-case letters, digits, \"-\" and \".\" in between, at most 253 characters",
        ),
        (
            "apiVersion: e.dev/v1\nkind: Thing\nmetadata: {name: ../x}\n",
            "3: Thing: metadata.name: \"../x\" is not a name: at most 253 characters, without \"/\" and \"%\"",
        ),
        (
            "apiVersion: v1\nkind: Pod\nmetadata:\n  generateName: x-\n",
            "4: Pod: metadata.generateName: an object without a fixed name can't be compared with what runs; give it metadata.name (only a Job that is a hook may go without)",
        ),
        (
            "apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: A}\n",
            "3: Pod/A/p: metadata.namespace: \"A\" is not the name of a namespace",
        ),
        (
            "apiVersion: ecs.cutover.dev/v1alpha1\nkind: Service\n",
            "2: kind: Service of \"ecs.cutover.dev/v1alpha1\" goes to ECS, and this application goes to Kubernetes; move it to an application with destination.ecs",
        ),
        (
            "apiVersion: cutover.dev/v1alpha1\nkind: BlueGren\n",
            "2: kind: \"BlueGren\" of \"cutover.dev/v1alpha1\" is not known, did you mean \"BlueGreen\"?; known are Application (cutover.dev/v1alpha1), BlueGreen (cutover.dev/v1alpha1), TaskDefinition (ecs.cutover.dev/v1alpha1), Service (ecs.cutover.dev/v1alpha1)",
        ),
    ] {
        assert_eq!(problems(text), [want], "{text}");
    }
}

#[test]
fn labels_and_annotations_are_texts_and_ours_are_known() {
    for (metadata, want) in [
        ("labels: {a: true}", "labels.a: expected text, found a boolean; write it in quotes"),
        ("labels: {a: }", "labels.a: expected text, found nothing; write it in quotes"),
        ("labels: [a]", "labels: expected a map, found a list"),
        (
            "annotations: {a: [1]}",
            "annotations.a: expected text, found a list; a label or annotation is one text",
        ),
        (
            "annotations: {argocd.argoproj.io/sync-wave: -1}",
            "annotations.argocd.argoproj.io/sync-wave: expected text, found the number -1; write \"-1\" in quotes",
        ),
        (
            "annotations: {cutover.dev/wafe: \"1\"}",
            "annotations.cutover.dev/wafe: is not known, did you mean \"cutover.dev/wave\"?; of cutover.dev/ only cutover.dev/wave, cutover.dev/hook, cutover.dev/prune, cutover.dev/wait, cutover.dev/in-place, cutover.dev/release, cutover.dev/adopt are",
        ),
        (
            "annotations: {cutover.dev/prune: no way}",
            "annotations.cutover.dev/prune: is none of disabled, enabled, allowed, false, true",
        ),
        (
            "annotations: {cutover.dev/hook: pre-sync}",
            "annotations.cutover.dev/hook: only a Job is run as a hook; what has to be there before the rest gets a low wave, cutover.dev/wave: \"-1\"",
        ),
        (
            "labels: {cutover.dev/slot: blue}",
            "labels.cutover.dev/slot: labels that begin with cutover.dev/ are set by the program; remove it",
        ),
    ] {
        let text = MAP.replace("  name: c\n", &format!("  name: c\n  {metadata}\n"));
        assert_eq!(problems(&text), [format!("5: ConfigMap/c: metadata.{want}")], "{metadata}");
    }
    let selector =
        "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec:\n  selector: {cutover.dev/slot: blue}\n";
    assert_eq!(
        problems(selector),
        [
            "5: Service/s: spec.selector.cutover.dev/slot: is set by the program on the pods of its slots; remove it"
        ]
    );
    for metadata in [
        "labels:",
        "annotations: {cutover.dev/prune: allowed}",
        "annotations: {cutover.dev/prune: disabled, team: a, argocd.argoproj.io/sync-options: Prune=false}",
    ] {
        let text = MAP.replace("  name: c\n", &format!("  name: c\n  {metadata}\n"));
        assert!(load_text(&text).is_ok(), "{metadata}");
    }
}

fn texts(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(ToString::to_string).collect()
}

#[test]
fn one_key_is_one_document() {
    let changed = MAP.replace("\"1\"", "\"2\"");
    let other = changed.replace("name: c", "name: c\n  namespace: shop");
    let files = [file("b.yaml", changed), file("a.yaml", format!("{MAP}---\n{other}"))];
    let problems = load(&files, Some(PlatformKind::Kubernetes)).expect_err("twice");
    let want = "is already at a.yaml:1, with another content; only one of the two can be meant";
    assert_eq!(texts(&problems), [format!("b.yaml:1: ConfigMap/c: {want}")]);
    // Where objects without a namespace go is the application's to say.
    let mut manifests = load(&files[1..], Some(PlatformKind::Kubernetes)).expect("two namespaces");
    assert_eq!(check_namespace(&mut manifests, "other"), Ok(()));
    let twice = check_namespace(&mut manifests, "shop").expect_err("twice");
    let want = "is already at a.yaml:7, with another content; only one of the two can be meant";
    assert_eq!(
        texts(&twice),
        [format!("a.yaml:1: ConfigMap/c: without a namespace it goes to shop, and {want}")]
    );
}

#[test]
fn one_that_says_the_same_is_left_out_with_both_places() {
    let same = "{kind: ConfigMap, apiVersion: v1, data: {a: '1'}, metadata: {name: c}}";
    let placed = MAP.replace("name: c", "name: c\n  namespace: shop");
    let files = [file("a.yaml", MAP), file("b.yaml", same), file("c.yaml", placed)];
    let mut manifests = load(&files, Some(PlatformKind::Kubernetes)).expect("a warning");
    let says = |at: &str| {
        format!("says the same as the one at {at}, which is the one that counts; remove one of the two")
    };
    assert_eq!(texts(&manifests.left_out), [format!("b.yaml:1: ConfigMap/c: {}", says("a.yaml:1"))]);
    assert_eq!(check_namespace(&mut manifests, "shop"), Ok(()));
    let want =
        format!("a.yaml:1: ConfigMap/c: without a namespace it goes to shop, and {}", says("c.yaml:1"));
    assert_eq!(texts(&manifests.left_out)[1..], [want]);
    assert_eq!(keys(&manifests), ["ConfigMap/shop/c"]);
}

#[test]
fn the_hooks_of_an_argo_repository_get_names_that_stay() {
    let job = |metadata: &str, phase: &str| {
        format!(
            "apiVersion: batch/v1\nkind: Job\nmetadata: {{{metadata}, annotations: {{argocd.argoproj.io/hook: \"{phase}\", \
             argocd.argoproj.io/hook-delete-policy: BeforeHookCreation}}}}\n---\n"
        )
    };
    let text = [
        job("generateName: migrate-", "PreSync"),
        job("generateName: migrate-", "PostSync"),
        job("name: tell", "PostSync,SyncFail"),
        job("name: plain", "Sync"),
        job("name: never", "Skip"),
    ]
    .concat();
    let manifests = load_text(&text).expect("valid");
    let turns: BTreeMap<&str, HookPhase> =
        manifests.objects.values().map(|o| (o.key.name.as_str(), o.turn.phase)).collect();
    let want = [
        ("migrate-pre-sync", HookPhase::PreSync),
        ("migrate-post-sync", HookPhase::PostSync),
        ("tell-post-sync", HookPhase::PostSync),
        ("tell-sync-fail", HookPhase::SyncFail),
        ("plain", HookPhase::Sync),
    ];
    assert_eq!(turns, want.into());
    let left_out: Vec<String> = manifests.left_out.iter().map(ToString::to_string).collect();
    let never = "a.yaml:19: Job/never: metadata.annotations.argocd.argoproj.io/hook: Skip: it is not applied";
    assert_eq!(left_out, [never]);
    let again = load_text(&render(&manifests)).expect("valid");
    assert_eq!(keys(&again), keys(&manifests));
    for object in again.objects.values() {
        assert_eq!(Some(object.turn), manifests.objects.get(&object.key).map(|first| first.turn));
        assert_eq!(object.body["metadata"].get("generateName"), None);
    }
}

#[test]
fn what_another_program_has_to_render_first_is_said_once() {
    let files = [
        file("kustomization.yaml", "resources: [a.yaml]\n"),
        file("k/kustomization.yaml", "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"),
        file("chart/Chart.yaml", "apiVersion: v2\nname: x\n"),
        file("chart/values.yaml", "a: 1\n"),
        file("chart/templates/a.yaml", "{{ .Values.a }}: {{\n"),
        file("values-prod.yaml", "a: 1\n"),
        file("c.yaml", MAP),
    ];
    for platform in [Some(PlatformKind::Kubernetes), None] {
        let problems = load(&files, platform).expect_err("none of it is a document");
        let texts: Vec<String> =
            problems.iter().map(|problem| problem.to_string().chars().take(60).collect()).collect();
        assert_eq!(
            texts,
            [
                "chart/Chart.yaml:1: this folder is a Helm chart, and nothing",
                "k/kustomization.yaml:1: this is a file for Kustomize, and do",
                "kustomization.yaml:1: this is a file for Kustomize, and docu",
                "values-prod.yaml:1: this is no object (it has neither apiVer",
            ]
        );
    }
    // Flux's kind of that name is an object.
    let flux = "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: x}\n";
    assert!(load_text(flux).is_ok());
}

#[test]
fn documents_tell_their_platform_themselves() {
    let task = "apiVersion: ecs.cutover.dev/v1alpha1\nkind: TaskDefinition\nmetadata: {name: t}\nspec: {containerDefinitions: [{name: a, image: b}]}\n";
    let kinds =
        |text: &str| load(&[file("a.yaml", text)], None).map(|m| (m.task_definitions.len(), m.objects.len()));
    assert_eq!(kinds(task), Ok((1, 0)));
    assert_eq!(kinds(MAP), Ok((0, 1)));
    let mixed = kinds(&format!("{task}---\n{MAP}")).expect_err("both");
    assert!(
        mixed[0].to_string().ends_with("Kubernetes objects go to an application with destination.kubernetes"),
        "{mixed:?}"
    );
}

#[test]
fn no_message_and_no_rendering_tells_a_secret() {
    let text = "\
apiVersion: v1
kind: Secret
metadata:
  name: s
  labels: {a: 4242}
  annotations: {kubectl.kubernetes.io/last-applied-configuration: '{\"stringData\":{\"a\":\"4242\"}}', cutover.dev/x: \"4242\"}
type: [4242]
data: {a: 4242}
stringData: {b: \"4242\"}
";
    let told = problems(text);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told.iter().all(|text| !text.contains("4242")), "{told:?}");
    let good = text
        .replace("  labels: {a: 4242}\n", "")
        .replace(", cutover.dev/x: \"4242\"", "")
        .replace("type: [4242]", "type: Opaque");
    let manifests = load_text(&good).expect("valid");
    let rendered = render(&manifests);
    assert!(!rendered.contains("4242") && rendered.contains("‹masked›"), "{rendered}");
    let json = serde_json::to_string(&masked(&manifests)).expect("JSON");
    assert!(!json.contains("4242"), "{json}");
    let refused = problems(&rendered);
    assert_eq!(refused.len(), 2, "the mask is not applied as a value: {refused:?}");
}

#[test]
fn ten_thousand_objects_are_no_trouble() {
    let deployment = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: NAME, labels: {app: NAME}}
spec:
  replicas: 2
  selector: {matchLabels: {app: NAME}}
  template:
    metadata: {labels: {app: NAME}}
    spec:
      containers:
        - name: app
          image: a:1
          ports: [{containerPort: 80}]
          env:
            - {name: A, value: b}
            - {name: C, value: d}
          resources:
            requests: {cpu: 100m, memory: 64Mi}
";
    let text: String =
        (0..10_000).map(|i| format!("---\n{}", deployment.replace("NAME", &format!("d-{i}")))).collect();
    let files: Vec<SourceFile> = (0..10)
        .map(|part| {
            let documents: Vec<&str> = text.split("---\n").skip(1 + part * 1_000).take(1_000).collect();
            file(&format!("{part}.yaml"), documents.join("---\n"))
        })
        .collect();
    let manifests = load(&files, None).expect("valid");
    assert_eq!(manifests.len(), 10_000);
    let last = manifests.objects.values().next_back().expect("many");
    assert_eq!(last.origin_of("spec.template.spec.containers[0].env[1].value").line - last.origin.line, 15);
}

#[test]
fn hostile_objects_end_in_a_message() {
    let deep = format!("apiVersion: v1\nkind: List\nitems: {}{}\n", "[".repeat(80), "]".repeat(80));
    let mut nested = String::from("{apiVersion: v1, kind: ConfigMap, metadata: {name: c}}");
    for _ in 0..20 {
        nested = format!("{{apiVersion: v1, kind: List, items: [{nested}]}}");
    }
    assert_eq!(load_text(&nested).map(|manifests| manifests.len()), Ok(1));
    let mut bomb = String::from("apiVersion: v1\nkind: List\nx: &a0 [1,1,1,1,1,1,1,1,1,1]\n");
    for i in 1..12 {
        bomb.push_str(&format!("x{i}: &a{i} [{}]\n", format!("*a{},", i - 1).repeat(10)));
    }
    bomb.push_str("items: [*a11]\n");
    let long = format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {}}}\n", "x".repeat(1 << 20));
    let shapes = "apiVersion: v1\nkind: Pod\nmetadata: {name: p, labels: {a: {b: c}}, annotations: 3, namespace: [x]}\nspec: 7\n";
    let odd_list = "apiVersion: v1\nkind: List\nitems: [1, [2], null, {kind: Pod}]\n";
    for text in [deep.as_str(), &bomb, &long, shapes, odd_list] {
        let problems = load_text(text).expect_err("hostile");
        assert!(problems.iter().all(|problem| problem.to_string().len() < 600), "{problems:?}");
    }
}

const CHILD: &str = "\
apiVersion: cutover.dev/v1alpha1
kind: Application
metadata:
  name: shop
  namespace: team-a
  annotations: {cutover.dev/wave: \"2\"}
spec:
  source: {repoURL: https://git.example/shop.git}
  destination: {kubernetes: {namespace: team-a}}
";

#[test]
fn an_application_among_documents_is_an_object_like_any_other() {
    let manifests = load_text(CHILD).expect("valid");
    let object = manifests.objects.values().next().expect("one");
    assert_eq!(
        (object.key.to_string().as_str(), object.turn.wave),
        ("Application.cutover.dev/team-a/shop", 2)
    );
    let child = &manifests.children[&object.key];
    assert_eq!((child.name.as_str(), child.origin.to_string().as_str()), ("shop", "a.yaml:1"));
    assert!(manifests.applications.is_empty());
    // Where nothing is going to be applied it is looked at, and may be one for the command line.
    let local = CHILD
        .replace("https://git.example/shop.git", "./")
        .replace("  namespace: team-a\n  annotations: {cutover.dev/wave: \"2\"}\n", "");
    let looked_at = load(&[file("a.yaml", local), file("b.yaml", MAP)], None).expect("valid");
    assert_eq!((looked_at.applications.len(), looked_at.objects.len()), (1, 1));
}

#[test]
fn what_is_wrong_with_an_application_among_documents_is_told_with_its_line() {
    for (from, to, want) in [
        (
            "https://git.example/shop.git",
            "./",
            "8: Application/shop: source.repoURL: is no repository that the controller can reach",
        ),
        ("repoURL:", "repoUrl:", "8: Application/shop: source.repoUrl: unknown field"),
        (
            "{namespace: team-a}}",
            "{context: prod}}",
            "9: Application/shop: destination.kubernetes.context: is for the command line",
        ),
        ("name: shop", "name: shop.web", "1: Application/shop.web: has lower-case letters"),
        (
            "cutover.dev/wave",
            "cutover.dev/parent",
            "6: Application/team-a/shop: metadata.annotations.cutover.dev/parent: is not known",
        ),
        (
            "git}",
            "git, directory: {exclude: '{a'}}",
            "8: Application/shop: source.directory.exclude: the glob has a `{` without its `}`",
        ),
    ] {
        let problems = problems(&CHILD.replacen(from, to, 1));
        assert!(problems.iter().any(|problem| problem.starts_with(want)), "{want}: {problems:?}");
    }
    let ecs = load(
        &[file(
            "a.yaml",
            CHILD.replace("  namespace: team-a\n  annotations: {cutover.dev/wave: \"2\"}\n", ""),
        )],
        Some(PlatformKind::Ecs),
    );
    let ecs = texts(&ecs.expect_err("nobody serves it"));
    assert!(ecs[0].contains("Give this file to `cutover controller --applications FOLDER`"), "{ecs:?}");
}

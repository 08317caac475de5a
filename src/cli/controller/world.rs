//! The world that a controller works in, joined from the concrete adapters.

use super::{ControllerArgs, GitRepositories, OperatorSecret, Trust, read_from};
use crate::cli::error::{CliError, ErrorKind};
use crate::cli::source_flags::located;
use crate::controller::{Applications, Crew, Permits, Seats, Tally, Voice, World};
use crate::engine::Clock;
use crate::kubernetes::Cluster;
use crate::model::{ControllerConfiguration, permits_within};
use crate::registry::{ClusterApplications, FolderApplications, KubernetesEvents};
use crate::seats::{Alone, LeasedSeats};
use crate::sites::Destinations;
use crate::voices::{LogVoice, Notifier};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Threads that run syncs: what they compute is little, and each processor can hold one.
const HANDS: usize = 4;

/// A world, and who counts what is asked of it.
pub struct Built {
    pub world: World,
    pub tallies: Vec<Arc<dyn Tally>>,
    /// Who has to be given time for the last notifications.
    pub notifier: Option<Arc<Notifier>>,
    /// What it works for, for the log.
    pub about: String,
}

/// Where Applications are registered, and what comes along with that.
struct Home {
    applications: Arc<dyn Applications>,
    seats: Arc<dyn Seats>,
    voices: Vec<Arc<dyn Voice>>,
    trust: Trust,
    namespace: String,
    about: String,
    /// What it asks of its own cluster for itself.
    tallies: Vec<Arc<dyn Tally>>,
}

/// The requests for Applications, their statuses and Events, and for Leases.
struct OwnCalls(Vec<Cluster>);

impl Tally for OwnCalls {
    fn tally(&self) -> Vec<(&'static str, String, u64)> {
        let mut sums: BTreeMap<String, u64> = BTreeMap::new();
        for (verb, by_resource) in self.0.iter().flat_map(|cluster| cluster.call_counts().by_verb) {
            *sums.entry(verb.to_string()).or_default() += by_resource.values().sum::<u64>();
        }
        sums.into_iter().map(|(verb, sent)| ("registry", verb, sent)).collect()
    }
}

/// Connects everything.
///
/// # Errors
/// If the cluster can't be reached, or a file can't be read.
pub async fn build(
    args: &ControllerArgs,
    configuration: &ControllerConfiguration,
) -> Result<Built, CliError> {
    let home = match &args.applications {
        Some(folder) => in_folder(folder)?,
        None => in_cluster(args, configuration).await?,
    };
    let repositories = Arc::new(GitRepositories::new(args.git.options()?, home.trust));
    let sites = Arc::new(Destinations::new(args.cluster.options(None), args.aws.options(None)?));
    let mut tallies: Vec<Arc<dyn Tally>> = vec![repositories.clone(), sites.clone()];
    tallies.extend(home.tallies);
    let mut voices: Vec<Arc<dyn Voice>> = vec![Arc::new(LogVoice)];
    voices.extend(home.voices);
    let mut notifier = None;
    if !configuration.notifications.is_empty() {
        let started = Notifier::start(&configuration.notifications)
            .map_err(|sentence| CliError::new(ErrorKind::Local, sentence))?;
        let started = Arc::new(started);
        tallies.push(started.clone());
        voices.push(started.clone());
        notifier = Some(started);
    }
    let (allowed, namespace) = (configuration.clone(), home.namespace);
    let permits: Permits = Arc::new(move |lineage, key, application| {
        permits_within(&allowed, &namespace, lineage, key, application)
    });
    let crew = Crew::start(HANDS).map_err(|error| {
        CliError::new(ErrorKind::Local, format!("the program can't start its threads: {error}"))
    })?;
    let world = World {
        applications: home.applications,
        repositories,
        sites,
        seats: home.seats,
        voices,
        permits,
        crew,
        clock: Clock::system,
        grace: Duration::from_secs(args.grace),
    };
    Ok(Built { world, tallies, notifier, about: home.about })
}

fn in_folder(folder: &Path) -> Result<Home, CliError> {
    if !folder.is_dir() {
        return Err(CliError::usage(format!("--applications {} is no folder", folder.display())));
    }
    let locate = |repo: &str, folder: &Path| located(repo, folder).map_err(|error| error.message);
    Ok(Home {
        applications: Arc::new(FolderApplications::new(folder.to_owned(), Arc::new(locate))),
        seats: Arc::new(Alone::default()),
        voices: vec![],
        trust: Trust::Owner,
        namespace: String::new(),
        tallies: vec![],
        about: format!("the Application files in {}", folder.display()),
    })
}

async fn in_cluster(
    args: &ControllerArgs,
    configuration: &ControllerConfiguration,
) -> Result<Home, CliError> {
    let cluster = args.cluster.connect(None).await?;
    // Renewals never wait behind other requests.
    let for_seats = args.cluster.connect(None).await?;
    let namespace = args.own_namespace.clone().unwrap_or_else(|| cluster.default_namespace().to_owned());
    let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "cutover".into());
    let calls = OwnCalls(vec![cluster.clone(), for_seats.clone()]);
    let seats = LeasedSeats::keep(for_seats, &namespace, &host, args.shards);
    let credentials = configuration.repositories.iter();
    let own = credentials.map(|credential| OperatorSecret {
        repositories: credential.url.clone(),
        secret: credential.secret_ref.name.clone(),
    });
    let trust = Trust::Cluster {
        own: own.collect(),
        namespace: namespace.clone(),
        read_secret: read_from(Arc::new(cluster.clone()), tokio::runtime::Handle::current()),
    };
    let watched = match args.watch_namespace.as_slice() {
        [] => "all namespaces".to_owned(),
        some => format!("namespace {}", some.join(", ")),
    };
    Ok(Home {
        voices: vec![Arc::new(KubernetesEvents::new(&cluster, &seats.identity()))],
        seats: Arc::new(seats),
        tallies: vec![Arc::new(calls)],
        trust,
        about: format!("the Applications of {watched} at {}, as {namespace}", cluster.server()),
        applications: Arc::new(ClusterApplications::new(&cluster, args.watch_namespace.clone())),
        namespace,
    })
}

//! What people ask of a rollout: promote, abort, retry. Which workload they can mean, and why it can't be done.

use super::deployment::Deployment;
use super::ports::{Guard, Platform, Rollout, Signal, Signalling, Trouble, TroubleKind};
use super::run::Adapter;
use super::standing::{Standing, Subject};
use super::sync::former_rollouts;
use crate::model::Slot;
use std::fmt;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestVerb {
    Promote,
    Abort,
    /// Lets a failed revision be tried again; for an application without rollouts: look and sync now.
    Retry,
}

impl RequestVerb {
    /// `promote`, `abort` or `retry`.
    pub fn name(self) -> &'static str {
        match self {
            RequestVerb::Promote => "promote",
            RequestVerb::Abort => "abort",
            RequestVerb::Retry => "retry",
        }
    }
}

/// The workload that a request means, with what is to be done to it. Nothing is written yet.
pub struct Chosen {
    rollout: Rollout,
    /// Where the workload stands, for people.
    pub state: String,
    /// `BlueGreen/web`
    pub document: String,
    /// The rollout that a promote or abort speaks of.
    pub subject: Option<Subject>,
    /// The services whose notes a retry removes.
    pub services: Vec<String>,
    signals: Vec<(Slot, Signal)>,
}

/// Why a request can't be carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// There is no such workload (`None`: none at all); these are there.
    NoWorkload { asked: Option<String>, there_are: Vec<String> },
    /// Several could be meant.
    Several(RequestVerb, Vec<String>),
    /// None can take it, for these reasons.
    Nothing(RequestVerb, Vec<String>),
    /// A read or write failed, or another run is at work.
    Trouble(Trouble),
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unfit::NoWorkload { asked: Some(name), .. } => {
                write!(f, "there is no BlueGreen/{name} among the documents")
            }
            Unfit::NoWorkload { asked: None, .. } => f.write_str("there is no BlueGreen among the documents"),
            Unfit::Several(_, names) => write!(f, "several workloads could be meant: {}", names.join(", ")),
            Unfit::Nothing(verb, reasons) => {
                write!(f, "there is nothing to {}: {}", verb.name(), reasons.join("; "))
            }
            Unfit::Trouble(trouble) => trouble.fmt(f),
        }
    }
}

impl std::error::Error for Unfit {}

impl From<Trouble> for Unfit {
    fn from(trouble: Trouble) -> Unfit {
        Unfit::Trouble(trouble)
    }
}

/// The one workload that the request can mean: `workload`, or the only one that it fits. What the documents do not declare
/// any more while its rollout is not over comes after what they do.
///
/// # Errors
/// If there is none, or several.
pub async fn choose<A: Adapter + Platform>(
    adapter: &A,
    deployment: &Deployment,
    verb: RequestVerb,
    workload: Option<&str>,
) -> Result<Chosen, Unfit> {
    let rollouts = deployment.rollouts();
    let there_are: Vec<String> = rollouts.iter().map(|rollout| rollout.blue_green.name.clone()).collect();
    let is_meant = |rollout: &Rollout| workload.is_none_or(|name| name == rollout.blue_green.name);
    let mut reasons = vec![];
    let mut fitting = vec![];
    fit(adapter, verb, rollouts.into_iter().filter(is_meant), &mut fitting, &mut reasons).await?;
    if fitting.is_empty() && verb != RequestVerb::Retry {
        match adapter.read_slots(&deployment.application).await {
            Ok(slots) => {
                let (former, unwatched) = former_rollouts(adapter, deployment, &slots).await;
                fit(adapter, verb, former.into_iter().filter(is_meant), &mut fitting, &mut reasons).await?;
                reasons.extend(unwatched.into_iter().map(|one| format!("{}: {}", one.document, one.message)));
            }
            Err(trouble) => reasons.push(format!(
                "whether a rollout is under way that no document declares can't be read: {trouble}"
            )),
        }
    }
    if fitting.len() > 1 {
        let names = fitting.into_iter().map(|chosen| chosen.rollout.blue_green.name).collect();
        return Err(Unfit::Several(verb, names));
    }
    match fitting.pop() {
        Some(chosen) => Ok(chosen),
        None if reasons.is_empty() => {
            Err(Unfit::NoWorkload { asked: workload.map(ToOwned::to_owned), there_are })
        }
        None => Err(Unfit::Nothing(verb, reasons)),
    }
}

/// Sorts `rollouts` by whether the request fits them.
async fn fit<A: Adapter>(
    adapter: &A,
    verb: RequestVerb,
    rollouts: impl Iterator<Item = Rollout>,
    fitting: &mut Vec<Chosen>,
    reasons: &mut Vec<String>,
) -> Result<(), Unfit> {
    for rollout in rollouts {
        let standing = Standing::read(adapter, rollout).await?;
        match Chosen::new(&standing, verb) {
            Ok(chosen) => fitting.push(chosen),
            Err(reason) => reasons.push(format!("{}: {reason}", standing.document())),
        }
    }
    Ok(())
}

impl Chosen {
    fn new(standing: &Standing, verb: RequestVerb) -> Result<Chosen, String> {
        let (subject, signals) = match verb {
            RequestVerb::Promote => {
                let subject = standing.to_promote()?;
                let signals = vec![(subject.slot, Signal::Promote(subject.rollout))];
                (Some(subject), signals)
            }
            RequestVerb::Abort => {
                let subject = standing.to_abort()?;
                let signals = vec![(subject.slot, Signal::Abort(subject.rollout))];
                (Some(subject), signals)
            }
            RequestVerb::Retry => {
                let slots = standing.to_forget()?;
                (None, slots.into_iter().map(|slot| (slot, Signal::Forget)).collect())
            }
        };
        Ok(Chosen {
            rollout: standing.rollout.clone(),
            state: standing.state(),
            document: standing.document(),
            subject,
            services: signals.iter().map(|(slot, _)| standing.rollout.slot_name(*slot)).collect(),
            signals,
        })
    }

    /// Leaves the signals where the next look finds them. A retry needs the application's lock for this, and to have been
    /// chosen under it.
    ///
    /// # Errors
    /// Those of the writes.
    pub async fn leave<A: Signalling>(&self, adapter: &A) -> Result<(), Trouble> {
        for (slot, signal) in &self.signals {
            adapter.apply_signal(&self.rollout, *slot, *signal).await?;
        }
        Ok(())
    }
}

/// Takes the application's lock for something that is written outside of a sync; `waits` is told of another run that has
/// it. What was observed before is old by then.
///
/// # Errors
/// If another run has it.
pub async fn lock<A: Guard>(adapter: &A, waits: impl Fn(String)) -> Result<(), Trouble> {
    let locked = async {
        loop {
            match adapter.check_lease().await {
                Err(trouble) if trouble.kind == TroubleKind::LookAgain => {}
                other => return other,
            }
        }
    };
    telling_lock(adapter, waits, locked).await
}

/// Does `work`, and tells meanwhile which lock it waits for.
pub(super) async fn telling_lock<A: Guard, T>(
    adapter: &A,
    waits: impl Fn(String),
    work: impl Future<Output = T>,
) -> T {
    tokio::pin!(work);
    loop {
        tokio::select! {
            biased;
            done = &mut work => return done,
            text = adapter.lock_waited_for() => waits(text),
        }
    }
}

/// Carries out a request and says in a sentence what was done. The lock is the caller's to free.
///
/// # Errors
/// If it can't be done.
pub async fn handle<A: Adapter + Platform + Signalling>(
    adapter: &A,
    deployment: &Deployment,
    verb: RequestVerb,
    workload: Option<&str>,
) -> Result<String, Unfit> {
    let lifted = match (verb, workload) {
        (RequestVerb::Retry, None) => adapter.forget_refused(deployment).await?,
        _ => vec![],
    };
    let mut chosen = match choose(adapter, deployment, verb, workload).await {
        // A retry of everything is worth a sync, whatever failed.
        Err(Unfit::NoWorkload { asked: None, .. } | Unfit::Nothing(RequestVerb::Retry, _))
            if verb == RequestVerb::Retry && workload.is_none() =>
        {
            return Ok(match lifted.as_slice() {
                [] => "no note keeps anything from being synced; it is synced now".into(),
                services => format!("what was given up of {} is sent again now", services.join(" and ")),
            });
        }
        other => other?,
    };
    if verb == RequestVerb::Retry {
        // Refused before the lock was taken, which takes some seconds; decided under it.
        lock(adapter, drop).await?;
        chosen = choose(adapter, deployment, verb, workload).await?;
    }
    chosen.leave(adapter).await?;
    Ok(match (verb, &chosen.subject) {
        (RequestVerb::Promote, Some(on)) => {
            format!("promoted {}: revision {} on {} ({})", on.document, on.revision, on.slot, on.service)
        }
        (RequestVerb::Abort, Some(on)) => format!(
            "aborted {}: revision {} on {} ({}), which was {}",
            on.document, on.revision, on.slot, on.service, on.progress
        ),
        _ => format!(
            "removed the notes of {} on {}; it was {}",
            chosen.document,
            chosen.services.join(" and "),
            chosen.state
        ),
    })
}

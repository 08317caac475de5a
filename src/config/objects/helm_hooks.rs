//! Helm's hooks in rendered output, as Argo CD reads them: it can't tell an install from an upgrade, both are a sync.

use crate::config::problems::{clip, guess};
use crate::model::HookPhase;

/// A list of the events at which Helm runs a hook.
pub const HELM_HOOK: &str = "helm.sh/hook";
/// The order of hooks at one event: a wave.
pub const HELM_WEIGHT: &str = "helm.sh/hook-weight";

const KNOWN: [&str; 12] = [
    "crd-install",
    "pre-install",
    "pre-upgrade",
    "post-install",
    "post-upgrade",
    "pre-delete",
    "post-delete",
    "pre-rollback",
    "post-rollback",
    "test",
    "test-success",
    "test-failure",
];

/// The phases of Helm's list, or why the object is never applied. What helm 2 called `crd-install` is an object like any
/// other.
pub fn helm_phases(
    text: &str,
    wrong: &mut impl FnMut(&'static str, String),
) -> Result<Vec<HookPhase>, String> {
    let mut phases = vec![];
    let mut others = vec![];
    for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        match word {
            "pre-install" | "pre-upgrade" => phases.push(HookPhase::PreSync),
            "post-install" | "post-upgrade" => phases.push(HookPhase::PostSync),
            "crd-install" => phases.push(HookPhase::Sync),
            other if KNOWN.contains(&other) => others.push(other),
            other => {
                let known = KNOWN.join(", ");
                let message = format!("\"{}\" is not one of {known}{}", clip(other), guess(other, KNOWN));
                wrong(HELM_HOOK, message);
            }
        }
    }
    match others.first().filter(|_| phases.is_empty()) {
        Some(word) => Err(format!("{word}: {}", why_never(word))),
        None => Ok(phases),
    }
}

fn why_never(word: &str) -> &'static str {
    match word {
        "pre-delete" | "post-delete" => "it is for the end of an application, which is not a sync",
        "pre-rollback" | "post-rollback" => {
            "it is for `helm rollback`; here a way back is a sync of another commit"
        }
        _ => "it is a test, which only `helm test` runs",
    }
}

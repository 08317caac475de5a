//! An object's turn: waves and hooks by annotation, ours, Argo CD's or Helm's, and the rank of its kind.

use super::helm_hooks::{HELM_HOOK, HELM_WEIGHT, helm_phases};
use crate::config::problems::{clip, guess};
use crate::model::{HookPhase, Turn, rank};

/// The wave: a whole number of 32 bits, lower ones first.
pub const WAVE: &str = "cutover.dev/wave";
/// The phase in which a Job is run as a hook.
pub const HOOK: &str = "cutover.dev/hook";
/// Argo CD's name for [`WAVE`].
pub const ARGO_WAVE: &str = "argocd.argoproj.io/sync-wave";
/// Argo CD's name for [`HOOK`], a list.
pub const ARGO_HOOK: &str = "argocd.argoproj.io/hook";

/// What the annotations say of an object's turn.
#[derive(Debug, PartialEq, Eq)]
pub enum Timing {
    /// Once, or as a hook of several phases.
    Turns(Vec<Turn>),
    /// Not at all, with the annotation that says so.
    LeftOut(&'static str, String),
}

/// Reads the turn of an object of this kind. `annotation` gives an annotation's value, `wrong` takes the annotation and
/// what is wrong with it.
pub fn timing<'a>(
    group: &str,
    kind: &str,
    annotation: impl Fn(&str) -> Option<&'a str>,
    mut wrong: impl FnMut(&'static str, String),
) -> Timing {
    let mut wave = 0;
    let written = [WAVE, ARGO_WAVE, HELM_WEIGHT].into_iter().find_map(|key| Some((key, annotation(key)?)));
    if let Some((key, text)) = written {
        match text.trim().parse() {
            Ok(number) => wave = number,
            Err(_) => {
                wrong(key, format!("\"{}\" is not a wave; it is a whole number like \"-1\"", clip(text)))
            }
        }
    }
    let is_job = (group, kind) == ("batch", "Job");
    let read = match (annotation(HOOK), annotation(ARGO_HOOK), annotation(HELM_HOOK)) {
        (Some(text), ..) => Ok(vec![our_phase(text, is_job, &mut wrong)]),
        (None, Some(text), _) => argo_phases(text, &mut wrong).map_err(|why| (ARGO_HOOK, why)),
        (None, None, Some(text)) => helm_phases(text, &mut wrong).map_err(|why| (HELM_HOOK, why)),
        (None, None, None) => Ok(vec![]),
    };
    let phases = match read {
        Ok(phases) => settled(phases, is_job),
        Err((key, why)) => return Timing::LeftOut(key, why),
    };
    let rank = rank(group, kind);
    Timing::Turns(phases.into_iter().map(|phase| Turn { phase, wave, rank }).collect())
}

/// The phase as names of our hooks have it.
pub fn phase_name(phase: HookPhase) -> &'static str {
    match phase {
        HookPhase::PreSync => "pre-sync",
        HookPhase::Sync => "sync",
        HookPhase::PostSync => "post-sync",
        HookPhase::SyncFail => "sync-fail",
    }
}

/// The phase in Argo CD's words.
pub fn argo_name(phase: HookPhase) -> &'static str {
    match phase {
        HookPhase::PreSync => "PreSync",
        HookPhase::Sync => "Sync",
        HookPhase::PostSync => "PostSync",
        HookPhase::SyncFail => "SyncFail",
    }
}

fn our_phase(text: &str, is_job: bool, wrong: &mut impl FnMut(&'static str, String)) -> HookPhase {
    let known = [HookPhase::PreSync, HookPhase::PostSync, HookPhase::SyncFail];
    let phase = known.into_iter().find(|phase| phase_name(*phase) == text);
    if phase.is_none() {
        let names = known.map(phase_name);
        let hint = guess(text, names);
        wrong(HOOK, format!("\"{}\" is not one of {}{hint}", clip(text), names.join(", ")));
    } else if !is_job {
        let message = format!(
            "only a Job is run as a hook; what has to be there before the rest gets a low wave, {WAVE}: \"-1\""
        );
        wrong(HOOK, message);
    }
    phase.unwrap_or_default()
}

/// The phases of Argo CD's list, or why the object is never applied.
fn argo_phases(text: &str, wrong: &mut impl FnMut(&'static str, String)) -> Result<Vec<HookPhase>, String> {
    let known = ["PreSync", "Sync", "PostSync", "SyncFail", "Skip", "PreDelete", "PostDelete"];
    let mut phases = vec![];
    let mut others = vec![];
    for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        match word {
            "PreSync" => phases.push(HookPhase::PreSync),
            "Sync" => phases.push(HookPhase::Sync),
            "PostSync" => phases.push(HookPhase::PostSync),
            "SyncFail" => phases.push(HookPhase::SyncFail),
            "Skip" => return Err("Skip: it is not applied".into()),
            "PreDelete" | "PostDelete" => others.push(word),
            other => {
                let hint = guess(other, known);
                wrong(ARGO_HOOK, format!("\"{}\" is not one of {}{hint}", clip(other), known.join(", ")));
            }
        }
    }
    if let (true, Some(word)) = (phases.is_empty(), others.first()) {
        return Err(format!("{word}: it is for the end of an application, which is not a sync"));
    }
    Ok(phases)
}

/// Each phase once, in their order. What is no Job is not run but kept: repositories mark the ConfigMap of a hook as a
/// hook, too. It comes in its phase; what is for a failed sync has to be there before, so it comes with all others.
fn settled(mut phases: Vec<HookPhase>, is_job: bool) -> Vec<HookPhase> {
    phases.sort_unstable();
    phases.dedup();
    if !is_job {
        phases.truncate(1);
        phases.retain(|phase| *phase != HookPhase::SyncFail);
    }
    if phases.is_empty() {
        phases.push(HookPhase::Sync);
    }
    phases
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The turns, or what is wrong.
    fn read(group: &str, kind: &str, annotations: &[(&str, &'static str)]) -> Result<Timing, Vec<String>> {
        let mut wrong = vec![];
        let annotation = |key: &str| annotations.iter().find(|(k, _)| *k == key).map(|(_, value)| *value);
        let found = timing(group, kind, annotation, |key, message| wrong.push(format!("{key}: {message}")));
        if wrong.is_empty() { Ok(found) } else { Err(wrong) }
    }

    fn turns(phases: &[HookPhase], wave: i32, rank: u8) -> Result<Timing, Vec<String>> {
        Ok(Timing::Turns(phases.iter().map(|phase| Turn { phase: *phase, wave, rank }).collect()))
    }

    #[test]
    fn an_argo_repository_keeps_its_order() {
        use HookPhase::{PostSync, PreSync, Sync, SyncFail};
        let job = |annotations: &[(&str, &'static str)]| read("batch", "Job", annotations);
        let map = |annotations: &[(&str, &'static str)]| read("", "ConfigMap", annotations);
        assert_eq!(job(&[]), turns(&[Sync], 0, 3));
        assert_eq!(job(&[(ARGO_WAVE, "-5"), (ARGO_HOOK, "PreSync")]), turns(&[PreSync], -5, 3));
        assert_eq!(job(&[(ARGO_WAVE, "7"), (WAVE, "2")]), turns(&[Sync], 2, 3));
        assert_eq!(job(&[(ARGO_HOOK, "SyncFail, PostSync,PostSync")]), turns(&[PostSync, SyncFail], 0, 3));
        assert_eq!(job(&[(ARGO_HOOK, "PreSync"), (HOOK, "sync-fail")]), turns(&[SyncFail], 0, 3));
        assert_eq!(map(&[(ARGO_HOOK, "PreSync,PostSync")]), turns(&[PreSync], 0, 2));
        assert_eq!(map(&[(ARGO_HOOK, "SyncFail")]), turns(&[Sync], 0, 2));
        assert_eq!(map(&[(ARGO_HOOK, "")]), turns(&[Sync], 0, 2));
        assert_eq!(job(&[(ARGO_HOOK, "Sync,PostDelete")]), turns(&[Sync], 0, 3));
        for never in ["Skip", "PreSync,Skip", "PostDelete"] {
            assert!(matches!(map(&[(ARGO_HOOK, never)]), Ok(Timing::LeftOut(ARGO_HOOK, _))), "{never}");
        }
    }

    #[test]
    fn hooks_of_helm_are_those_that_argo_makes_of_them() {
        use HookPhase::{PostSync, PreSync, Sync};
        let job = |annotations: &[(&str, &'static str)]| read("batch", "Job", annotations);
        for (text, phases) in [
            ("pre-install", &[PreSync][..]),
            ("pre-install,pre-upgrade", &[PreSync]),
            ("post-install, post-upgrade", &[PostSync]),
            ("post-upgrade,pre-install", &[PreSync, PostSync]),
            ("pre-upgrade,test", &[PreSync]),
            ("crd-install", &[Sync]),
        ] {
            assert_eq!(job(&[(HELM_HOOK, text), (HELM_WEIGHT, "-5")]), turns(phases, -5, 3), "{text}");
        }
        let account = [(HELM_HOOK, "post-install,pre-install")];
        assert_eq!(read("", "ServiceAccount", &account), turns(&[PreSync], 0, 2));
        // Argo CD's own words win, and a weight is a wave also without a hook.
        assert_eq!(job(&[(HELM_HOOK, "pre-install"), (ARGO_HOOK, "PostSync")]), turns(&[PostSync], 0, 3));
        assert_eq!(job(&[(HELM_WEIGHT, "5")]), turns(&[Sync], 5, 3));
        assert_eq!(job(&[(HELM_WEIGHT, "5"), (ARGO_WAVE, "1")]), turns(&[Sync], 1, 3));
        for (text, want) in [
            ("test", "test: it is a test, which only `helm test` runs"),
            ("test-success", "test-success: it is a test, which only `helm test` runs"),
            ("test-failure", "test-failure: it is a test, which only `helm test` runs"),
            ("pre-delete", "pre-delete: it is for the end of an application, which is not a sync"),
            (
                "post-delete,post-rollback",
                "post-delete: it is for the end of an application, which is not a sync",
            ),
            (
                "pre-rollback",
                "pre-rollback: it is for `helm rollback`; here a way back is a sync of another commit",
            ),
        ] {
            let left_out = Ok(Timing::LeftOut(HELM_HOOK, want.into()));
            assert_eq!(read("", "Pod", &[(HELM_HOOK, text)]), left_out, "{text}");
        }
        let wrong = job(&[(HELM_HOOK, "preinstall"), (HELM_WEIGHT, "heavy")]).expect_err("both");
        assert!(wrong[0].starts_with("helm.sh/hook-weight: \"heavy\" is not a wave"), "{wrong:?}");
        assert!(wrong[1].starts_with("helm.sh/hook: \"preinstall\" is not one of crd-install"), "{wrong:?}");
        assert!(wrong[1].ends_with("did you mean \"pre-install\"?"), "{wrong:?}");
    }

    #[test]
    fn wrong_annotations_are_explained() {
        for (kind, key, value, want) in [
            (
                "Job",
                WAVE,
                "first",
                "cutover.dev/wave: \"first\" is not a wave; it is a whole number like \"-1\"",
            ),
            ("Job", WAVE, "3000000000", "cutover.dev/wave: \"3000000000\" is not a wave"),
            ("Job", ARGO_WAVE, "1.5", "argocd.argoproj.io/sync-wave: \"1.5\" is not a wave"),
            (
                "Job",
                HOOK,
                "presync",
                "cutover.dev/hook: \"presync\" is not one of pre-sync, post-sync, sync-fail, did you mean \"pre-sync\"?",
            ),
            ("CronJob", HOOK, "pre-sync", "cutover.dev/hook: only a Job is run as a hook"),
            (
                "Job",
                ARGO_HOOK,
                "Presync",
                "argocd.argoproj.io/hook: \"Presync\" is not one of PreSync, Sync, PostSync, SyncFail, Skip, PreDelete, PostDelete, did you mean \"PreSync\"?",
            ),
        ] {
            let wrong = read("batch", kind, &[(key, value)]).expect_err(value);
            assert_eq!(wrong.len(), 1, "{wrong:?}");
            assert!(wrong[0].starts_with(want), "{wrong:?}");
        }
    }

    #[test]
    fn kinds_come_after_what_they_need() {
        let order = [
            ("", "Namespace"),
            ("apiextensions.k8s.io", "CustomResourceDefinition"),
            ("rbac.authorization.k8s.io", "RoleBinding"),
            ("policy", "PodDisruptionBudget"),
            ("e.dev", "Thing"),
            ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"),
        ];
        assert_eq!(order.map(|(group, kind)| rank(group, kind)), [0, 1, 2, 3, 4, 5]);
    }
}

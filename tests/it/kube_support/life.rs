//! What a container does over its life, as a function of its age: no clock, no client.
//!
//! The tag of its image, or the environment variable `SIM_BEHAVIOUR`, is split at `-`. The words of the simulator are
//! understood ([`Behaviour`]: `slowN`, `unhealthy`, `flakyN`, `crashN`, `errorsN`, `missing`), and:
//!
//! | word | the container … |
//! |---|---|
//! | `okN`, `ok` | ends with code 0 after N (1) seconds |
//! | `failN`, `fail` | ends with code 1 after N (1) seconds |
//! | `lingerN`, `linger` | takes N (5) seconds to end when its pod is deleted, at most the grace period |
//! | `unschedulable` | has no node to run on |
//!
//! As in Kubernetes, a container without a readiness or startup probe is ready as soon as it runs, also if it is
//! `unhealthy` or still refuses connections; with one it is ready while it would answer its load balancer with 200. In
//! a pod that does not restart always (that is, a Job's), a container without any of `ok`, `fail` and `crash` ends
//! well after a second.

use cutover::simulator::Behaviour;
use k8s_openapi::api::core::v1::{Container, PodSpec};

/// Milliseconds of a tag's time.
pub type Ms = u64;

/// From the binding to a node until the containers run.
const STARTS_AT: Ms = 1_000;
/// A first attempt to pull what is missing.
const PULL: Ms = 1_000;
/// How long a container that ended waits before it is started for the n-th time again; then the last one.
const BACK_OFF: [Ms; 7] = [0, 10_000, 20_000, 40_000, 80_000, 160_000, 300_000];

/// When a container that ended is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    Always,
    OnFailure,
    Never,
}

/// What a container is going to do.
#[derive(Clone, Debug)]
pub struct Life {
    pub name: String,
    pub image: String,
    pub behaviour: Behaviour,
    pub probed: bool,
    pub lingers: Ms,
    pub unschedulable: bool,
    restart: Restart,
    /// After how long, and with which code.
    ends: Option<(Ms, i32)>,
}

/// The end of a container, with its times since the binding of the pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    pub code: i32,
    pub started: Ms,
    pub ended: Ms,
}

/// What a container is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doing {
    Waiting { reason: &'static str, message: String },
    Running { since: Ms },
    Ended(Ended),
}

/// A container at one time of its life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    pub doing: Doing,
    pub last: Option<Ended>,
    pub restarts: u32,
    pub ready: bool,
    /// Takes connections; `Some(since)` the container's start.
    pub serves: Option<Ms>,
    /// The age at which something may change.
    pub next: Option<Ms>,
}

impl Life {
    /// Of every container of a pod.
    pub fn of(spec: &PodSpec) -> Vec<Life> {
        let restart = match spec.restart_policy.as_deref() {
            Some("Never") => Restart::Never,
            Some("OnFailure") => Restart::OnFailure,
            _ => Restart::Always,
        };
        spec.containers.iter().map(|container| Life::of_container(container, restart)).collect()
    }

    fn of_container(container: &Container, restart: Restart) -> Life {
        let image = container.image.clone().unwrap_or_default();
        let words = container.env.iter().flatten().find(|variable| variable.name == "SIM_BEHAVIOUR");
        let words = words.and_then(|variable| variable.value.clone());
        let words = words.unwrap_or_else(|| cutover::simulator::release(&image)).to_ascii_lowercase();
        let mut behaviour = Behaviour::parse(&words);
        let mut life = Life {
            name: container.name.clone(),
            image,
            probed: container.readiness_probe.is_some() || container.startup_probe.is_some(),
            lingers: 0,
            unschedulable: false,
            restart,
            // What crashes is over, so it must not answer with the age of a later life.
            ends: behaviour.crash_after_ms.take().map(|after| (after, 1)),
            behaviour,
        };
        for word in words.split(['-', ',', ' ', '_']) {
            let (name, number) = word.split_at(word.find(|c: char| c.is_ascii_digit()).unwrap_or(word.len()));
            let ms = |default: Ms| number.parse().unwrap_or(default).min(1_000_000) * 1_000;
            match name {
                "ok" => life.ends = Some((ms(1), 0)),
                "fail" => life.ends = Some((ms(1), 1)),
                "linger" => life.lingers = ms(5),
                "unschedulable" => life.unschedulable = true,
                _ => {}
            }
        }
        if restart != Restart::Always && life.ends.is_none() {
            life.ends = Some((life.behaviour.slow_start_ms + 1_000, 0));
        }
        life
    }

    /// What it does at an age, counted from the binding of its pod.
    pub fn at(&self, age: Ms) -> Moment {
        let waiting = |reason, message: String, next| Moment {
            doing: Doing::Waiting { reason, message },
            last: None,
            restarts: 0,
            ready: false,
            serves: None,
            next,
        };
        if age < STARTS_AT {
            return waiting("ContainerCreating", String::new(), Some(STARTS_AT));
        }
        if self.behaviour.image_missing {
            let what = format!("\"{}\": not found", self.image);
            return match age < STARTS_AT + PULL {
                true => waiting("ErrImagePull", what, Some(STARTS_AT + PULL)),
                false => waiting("ImagePullBackOff", format!("Back-off pulling image {what}"), None),
            };
        }
        let (mut started, mut restarts, mut last) = (STARTS_AT, 0, None);
        while let Some((after, code)) = self.ends
            && age >= started + after
        {
            let end = Ended { code, started, ended: started + after };
            let again = match self.restart {
                Restart::Always => true,
                Restart::OnFailure => code != 0,
                Restart::Never => false,
            };
            let over = |doing, last, next| Moment { doing, last, restarts, ready: false, serves: None, next };
            if !again {
                return over(Doing::Ended(end), last, None);
            }
            let resumes = end.ended + BACK_OFF[(restarts as usize).min(BACK_OFF.len() - 1)];
            if age < resumes {
                let message = format!("back-off restarting failed container {}", self.name);
                let doing = Doing::Waiting { reason: "CrashLoopBackOff", message };
                return over(doing, Some(end), Some(resumes));
            }
            (started, restarts, last) = (resumes, restarts + 1, Some(end));
        }
        let run = age - started;
        let answers = self.behaviour.answer(run, true);
        let changes = self.behaviour.next_change(run).map(|change| started + change);
        let ends = self.ends.map(|(after, _)| started + after);
        Moment {
            doing: Doing::Running { since: started },
            last,
            restarts,
            ready: !self.probed || answers == Some(200),
            serves: answers.map(|_| started),
            next: changes.into_iter().chain(ends).min(),
        }
    }
}

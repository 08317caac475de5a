//! The HTTP gate: requests through the test listener, before any production request reaches the candidate.

use super::Gates;
use crate::aws::{LoadBalancerKind, listener_of_rule};
use crate::engine::{Rollout, Trouble, TroubleKind};
use crate::model::HttpGate;
use crate::rollout::{HttpAnswer, HttpVerdict};
use futures_util::future::{BoxFuture, join_all};
use std::collections::BTreeMap;

/// One GET request. Redirects are not followed: the gate names the status it expects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpQuestion {
    /// Where to connect to: the load balancer's DNS name.
    pub connect_to: String,
    pub port: u16,
    /// Whether the listener speaks TLS. The certificate must be valid for `host`, not for the load balancer's name.
    pub tls: bool,
    /// The `Host` header and the TLS server name.
    pub host: String,
    /// Path and query.
    pub path: String,
    /// More headers, by name.
    pub headers: BTreeMap<String, String>,
}

/// Why there is no status; each with a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoAnswer {
    /// The request was not sent: the name was not found, nobody was reached, the certificates could not be checked.
    NotSent(String),
    /// The connection was refused.
    Refused(String),
    /// It was sent, and nothing that can be read came back in time.
    Broken(String),
}

/// Sends a question and tells the answer's status.
pub trait Asker: Send + Sync {
    /// The status, or why there was none. Ends within seconds.
    fn ask(&self, question: HttpQuestion) -> BoxFuture<'_, Result<u16, NoAnswer>>;
}

impl Gates {
    pub(super) async fn ask_all(&self, rollout: &Rollout) -> Result<Vec<HttpAnswer>, Trouble> {
        let blue_green = &rollout.blue_green;
        if blue_green.gates.http.is_empty() {
            return Ok(vec![]);
        }
        let alb = &blue_green.alb;
        let test = alb.test_listener_rule.as_ref().or(alb.test_listener.as_ref());
        let test = test.ok_or_else(|| Trouble {
            kind: TroubleKind::Rejected,
            doing: format!("asking the HTTP gate of {}", blue_green.name),
            message: "gates.http needs alb.testListenerRule or alb.testListener".into(),
        })?;
        let listener = listener_of_rule(test).unwrap_or_else(|| test.clone());
        let kind = LoadBalancerKind::of_arn(&listener);
        let facts = self.aws.listener_facts(&listener).await?;
        let gates = &blue_green.gates.http;
        let strays = self.aws.stray_requests(test, gates).await?;
        let answers = gates.iter().zip(strays).map(|(gate, stray)| async {
            // Whatever came back would be somebody else's answer.
            if let Some(stray) = stray {
                return HttpAnswer::unasked(gate, &stray.why);
            }
            let question = HttpQuestion {
                connect_to: facts.dns_name.clone(),
                port: facts.port,
                tls: facts.tls,
                host: gate.host.clone().unwrap_or_else(|| facts.dns_name.clone()),
                path: gate.path.clone(),
                headers: gate.headers.clone(),
            };
            judge(gate, kind, self.asker.ask(question).await)
        });
        Ok(join_all(answers).await)
    }
}

/// A request that was sent and not answered did not pass: the gate stays closed, and the deadline decides. One that was
/// never sent says nothing about the candidate, but of this machine, the way from it, or the load balancer itself. An
/// Application Load Balancer takes every connection by itself, whatever its targets do; a Network Load Balancer hands it to
/// a target, which may refuse it.
fn judge(gate: &HttpGate, kind: LoadBalancerKind, status: Result<u16, NoAnswer>) -> HttpAnswer {
    let path = gate.path.clone();
    let answer = |verdict, detail: String| HttpAnswer { detail, path: path.clone(), verdict };
    match status {
        Ok(status) if status == gate.expect_status => {
            answer(HttpVerdict::Passed, format!("GET {path}: {status}"))
        }
        Ok(status) => {
            answer(HttpVerdict::Failed, format!("GET {path}: {status}, expected {}", gate.expect_status))
        }
        Err(NoAnswer::Refused(why)) if kind == LoadBalancerKind::Network => {
            answer(HttpVerdict::Failed, format!("GET {path}: {why}"))
        }
        Err(NoAnswer::Broken(why)) => answer(HttpVerdict::Failed, format!("GET {path}: {why}")),
        Err(NoAnswer::NotSent(why) | NoAnswer::Refused(why)) => HttpAnswer::unasked(gate, &why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use LoadBalancerKind::{Application, Network};

    #[test]
    fn only_the_expected_status_passes() {
        let gate = HttpGate::get("/healthz");
        assert!(judge(&gate, Application, Ok(200)).verdict == HttpVerdict::Passed);
        for status in [204, 302, 503] {
            assert!(judge(&gate, Application, Ok(status)).verdict == HttpVerdict::Failed, "{status:?}");
        }
        assert_eq!(judge(&gate, Application, Ok(503)).detail, "GET /healthz: 503, expected 200");
    }

    #[test]
    fn a_request_that_never_reached_the_candidate_is_no_verdict_on_it() {
        let gate = HttpGate::get("/healthz");
        let why = || "x".to_owned();
        for (kind, none, expected) in [
            (Application, NoAnswer::NotSent(why()), HttpVerdict::Unknown),
            (Network, NoAnswer::NotSent(why()), HttpVerdict::Unknown),
            (Application, NoAnswer::Refused(why()), HttpVerdict::Unknown),
            (Network, NoAnswer::Refused(why()), HttpVerdict::Failed),
            (Application, NoAnswer::Broken(why()), HttpVerdict::Failed),
            (Network, NoAnswer::Broken(why()), HttpVerdict::Failed),
        ] {
            assert_eq!(judge(&gate, kind, Err(none.clone())).verdict, expected, "{kind:?} {none:?}");
        }
    }
}

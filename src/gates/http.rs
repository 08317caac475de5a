//! The HTTP gate: requests through the test listener, before any production request reaches the candidate.

use super::Gates;
use crate::aws::listener_of_rule;
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

/// Sends a question and tells the answer's status.
pub trait Asker: Send + Sync {
    /// The status, or a sentence that says why there was none. Ends within seconds.
    fn ask(&self, question: HttpQuestion) -> BoxFuture<'_, Result<u16, String>>;
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
            judge(gate, self.asker.ask(question).await)
        });
        Ok(join_all(answers).await)
    }
}

/// A request without an answer is one that did not pass: the gate stays closed, and the deadline decides.
fn judge(gate: &HttpGate, status: Result<u16, String>) -> HttpAnswer {
    let path = gate.path.clone();
    match status {
        Ok(status) if status == gate.expect_status => {
            HttpAnswer { detail: format!("GET {path}: {status}"), path, verdict: HttpVerdict::Passed }
        }
        Ok(status) => {
            let detail = format!("GET {path}: {status}, expected {}", gate.expect_status);
            HttpAnswer { detail, path, verdict: HttpVerdict::Failed }
        }
        Err(why) => HttpAnswer { detail: format!("GET {path}: {why}"), path, verdict: HttpVerdict::Failed },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_expected_status_passes() {
        let gate = HttpGate::get("/healthz");
        assert!(judge(&gate, Ok(200)).verdict == HttpVerdict::Passed);
        for status in [Ok(204), Ok(302), Ok(503), Err("no answer".to_owned())] {
            assert!(judge(&gate, status.clone()).verdict == HttpVerdict::Failed, "{status:?}");
        }
        assert_eq!(judge(&gate, Ok(503)).detail, "GET /healthz: 503, expected 200");
    }
}

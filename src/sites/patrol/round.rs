//! One round: what it asks for, and what it has found.

use crate::aws::{Aws, Conduct, EcsOperation};
use crate::engine::{Trouble, TroubleKind};
use crate::sites::looked::{mark_of_rule, mark_of_service};
use crate::traffic::alb::Alb;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// DescribeServices takes no more.
const SERVICES_A_CALL: usize = 10;
/// Of rules; other lists of ELBv2 take no more than that.
const RULES_A_CALL: usize = 20;

/// What one call asks for.
pub(super) enum Look {
    /// Services of a cluster, by name.
    Services(String, Vec<String>),
    /// Rules and listeners, by ARN.
    Rules(Vec<String>),
}

/// The calls of a round; `services` are by cluster.
pub(super) fn looks(services: BTreeMap<String, BTreeSet<String>>, rules: BTreeSet<String>) -> Vec<Look> {
    let mut looks = vec![];
    for (cluster, names) in services {
        let names: Vec<String> = names.into_iter().collect();
        let chunks = names.chunks(SERVICES_A_CALL);
        looks.extend(chunks.map(|names| Look::Services(cluster.clone(), names.to_vec())));
    }
    let rules: Vec<String> = rules.into_iter().collect();
    looks.extend(rules.chunks(RULES_A_CALL).map(|arns| Look::Rules(arns.to_vec())));
    looks
}

/// What a round has found: services by cluster and name, rules by ARN; `None`: not there.
#[derive(Default)]
pub(super) struct Round {
    pub services: BTreeMap<(String, String), Option<u64>>,
    pub rules: BTreeMap<String, Option<u64>>,
}

impl Round {
    /// Asks.
    pub async fn take(&mut self, aws: &Aws, alb: &Alb, look: &Look) {
        match look {
            Look::Services(cluster, names) => self.services(aws, cluster, names).await,
            Look::Rules(arns) => self.rules(alb, arns).await,
        }
    }

    /// What can't be read now is left out. What is refused for good counts as absent, so that the application is looked at
    /// and says why.
    async fn services(&mut self, aws: &Aws, cluster: &str, names: &[String]) {
        let mut note = |name: &str, mark| {
            self.services.insert((cluster.to_owned(), name.to_owned()), mark);
        };
        let body = json!({"cluster": cluster, "services": names, "include": ["TAGS"]});
        let about = names.join(", ");
        match aws.ecs(EcsOperation::DescribeServices, Conduct::Read, &about, &body).await {
            Ok(answer) => {
                let items = |field: &str| answer.get(field).and_then(Value::as_array).into_iter().flatten();
                for service in items("services") {
                    if let Some(name) = service.get("serviceName").and_then(Value::as_str) {
                        note(name, mark_of_service(service));
                    }
                }
                for failure in items("failures") {
                    let text = |field: &str| failure.get(field).and_then(Value::as_str).unwrap_or_default();
                    let name = text("arn").rsplit('/').next().unwrap_or_default();
                    if text("reason") == "MISSING" && names.iter().any(|asked| asked == name) {
                        note(name, None);
                    }
                }
            }
            Err(trouble) if is_passing(&trouble) => {}
            Err(_) => names.iter().for_each(|name| note(name, None)),
        }
    }

    /// One rule that is not there makes AWS refuse the whole list: it is looked for by halves.
    async fn rules(&mut self, alb: &Alb, arns: &[String]) {
        let mut left = vec![arns];
        while let Some(arns) = left.pop() {
            match alb.fingerprints(arns).await {
                Ok(fingerprints) => {
                    let marks = fingerprints.into_iter().map(|(arn, print)| (arn, mark_of_rule(&print)));
                    self.rules.extend(marks);
                }
                Err(trouble) if is_passing(&trouble) => {}
                Err(trouble) if trouble.kind != TroubleKind::Denied && arns.len() > 1 => {
                    let (first, second) = arns.split_at(arns.len() / 2);
                    left.extend([first, second]);
                }
                Err(_) => self.rules.extend(arns.iter().map(|arn| (arn.clone(), None))),
            }
        }
    }
}

fn is_passing(trouble: &Trouble) -> bool {
    matches!(trouble.kind, TroubleKind::Transient | TroubleKind::LookAgain)
}

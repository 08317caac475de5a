//! Whether live resources fit the documents and each other. Pure.

use crate::config::{Finding, Severity};
use crate::model::{Origin, Problem};
use aws_sdk_elasticloadbalancingv2::types::TargetGroup;

/// The facts of a target group that have to fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    pub name: String,
    /// `ip`, `instance`, `lambda` or `alb`.
    pub target_type: String,
    pub protocol: String,
    pub vpc: String,
    /// What the health check asks, in words.
    pub health_check: String,
    pub health_check_enabled: bool,
    /// ARNs of the load balancers that send to it; empty if no rule names it.
    pub load_balancers: Vec<String>,
}

impl From<TargetGroup> for Group {
    fn from(group: TargetGroup) -> Group {
        let number = |number: Option<i32>| number.map_or_else(|| "?".into(), |number| number.to_string());
        let health_check = format!(
            "{} {} on port {}, every {} s, {} to be healthy, {} to be unhealthy, codes {}",
            group.health_check_protocol.as_ref().map_or("?", |protocol| protocol.as_str()),
            group.health_check_path.as_deref().unwrap_or("(no path)"),
            group.health_check_port.as_deref().unwrap_or("?"),
            number(group.health_check_interval_seconds),
            number(group.healthy_threshold_count),
            number(group.unhealthy_threshold_count),
            group.matcher.as_ref().and_then(|m| m.http_code.as_deref()).unwrap_or("(any)"),
        );
        Group {
            name: group.target_group_name.unwrap_or_default(),
            target_type: group.target_type.map_or_else(String::new, |kind| kind.as_str().to_owned()),
            protocol: group.protocol.map_or_else(String::new, |protocol| protocol.as_str().to_owned()),
            vpc: group.vpc_id.unwrap_or_default(),
            health_check,
            health_check_enabled: group.health_check_enabled.unwrap_or(true),
            load_balancers: group.load_balancer_arns.unwrap_or_default(),
        }
    }
}

/// Collects what is found in one document.
pub struct Notes<'a> {
    origin: &'a Origin,
    document: String,
    findings: &'a mut Vec<Finding>,
}

impl<'a> Notes<'a> {
    /// For the document `document` (`Kind/name`).
    pub fn new(origin: &'a Origin, document: String, findings: &'a mut Vec<Finding>) -> Notes<'a> {
        Notes { origin, document, findings }
    }

    /// A deploy would fail.
    pub fn error(&mut self, field: &str, message: impl Into<String>) {
        self.push(Severity::Error, field, message.into());
    }

    /// It works, but may not do what is wanted.
    pub fn warning(&mut self, field: &str, message: impl Into<String>) {
        self.push(Severity::Warning, field, message.into());
    }

    fn push(&mut self, severity: Severity, field: &str, message: String) {
        let problem = Problem {
            origin: self.origin.clone(),
            document: self.document.clone(),
            field: field.to_owned(),
            message,
        };
        let said = |known: &Finding| {
            known.problem.document == problem.document && known.problem.message == problem.message
        };
        if !self.findings.iter().any(said) {
            self.findings.push(Finding { problem, severity });
        }
    }
}

/// Tasks with a network interface of their own are targets by address, all others by instance.
pub fn judge_network(group: &Group, mode: Option<&str>, field: &str, notes: &mut Notes<'_>) {
    let Some(mode) = mode else { return };
    let wanted = if mode == "awsvpc" { "ip" } else { "instance" };
    if group.target_type != wanted {
        let message = format!(
            "target group {} has targets of type {}, but tasks with networkMode {mode} are targets of type {wanted}",
            group.name, group.target_type
        );
        notes.error(field, message);
    }
}

/// Requests are moved between the two groups, so they have to be alike.
pub fn judge_groups(blue: &Group, green: &Group, notes: &mut Notes<'_>) {
    let field = "alb.targetGroups";
    if blue.name == green.name {
        notes.error(field, format!("both slots have the same target group {}", blue.name));
        return;
    }
    for (what, blue, green) in [("VPC", &blue.vpc, &green.vpc), ("protocol", &blue.protocol, &green.protocol)]
    {
        if blue != green {
            notes.error(field, format!("the groups differ in {what}: blue {blue}, green {green}"));
        }
    }
    if blue.health_check != green.health_check {
        let message = format!(
            "the groups check health differently: blue {}; green {}",
            blue.health_check, green.health_check
        );
        notes.warning(field, message);
    }
    for group in [blue, green] {
        if !group.health_check_enabled {
            let message =
                format!("target group {} checks no health, so no target is ever healthy", group.name);
            notes.error(field, message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(name: &str) -> Group {
        Group {
            name: name.into(),
            target_type: "ip".into(),
            protocol: "HTTP".into(),
            vpc: "vpc-1".into(),
            health_check: "HTTP /".into(),
            health_check_enabled: true,
            load_balancers: vec![],
        }
    }

    fn judged(judge: impl FnOnce(&mut Notes<'_>)) -> Vec<(Severity, String)> {
        let (origin, mut findings) = (Origin::default(), vec![]);
        judge(&mut Notes::new(&origin, "BlueGreen/web".into(), &mut findings));
        findings.into_iter().map(|finding| (finding.severity, finding.problem.message)).collect()
    }

    #[test]
    fn groups_that_are_alike_pass() {
        assert_eq!(judged(|notes| judge_groups(&group("a"), &group("b"), notes)), []);
        assert_eq!(judged(|notes| judge_network(&group("a"), Some("awsvpc"), "x", notes)), []);
    }

    #[test]
    fn every_difference_that_matters_is_named() {
        let other = Group { vpc: "vpc-2".into(), protocol: "HTTPS".into(), ..group("b") };
        let found = judged(|notes| judge_groups(&group("a"), &other, notes));
        assert_eq!(found.len(), 2, "{found:?}");
        let other = Group { health_check: "HTTP /ready".into(), ..group("b") };
        let found = judged(|notes| judge_groups(&group("a"), &other, notes));
        assert!(matches!(&found[..], [(Severity::Warning, text)] if text.contains("/ready")), "{found:?}");
        let found = judged(|notes| judge_groups(&group("a"), &group("a"), notes));
        assert!(found[0].1.contains("same target group"), "{found:?}");
        let found = judged(|notes| judge_network(&group("a"), Some("bridge"), "x", notes));
        assert!(found[0].1.contains("type instance"), "{found:?}");
    }
}

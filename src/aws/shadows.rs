//! Rules that no request reaches, since a rule before them takes all of theirs.
//!
//! Told is only what is certain: a single rule whose every condition is met by whatever meets the conditions of the
//! other one. Several rules that cover another one together, or a regular expression that happens to, are not.

use super::conditions::takes_all_of;
use super::requests::{can_answer_by_target, is_rule, name, priority};
use super::{Aws, LoadBalancerKind, Node, listener_of_rule};
use crate::engine::{Trouble, TroubleKind};
use std::collections::BTreeSet;

/// A rule, or the default action of a listener, that no request reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shadow {
    /// The rule or listener as it was asked for.
    pub rule: String,
    /// The ARN of the rule that takes its requests.
    pub by: String,
    /// The same for people, with its priority.
    pub by_name: String,
    /// True if targets answer there; otherwise the load balancer does (a maintenance page, a redirect).
    pub by_targets: bool,
}

impl Aws {
    /// Those of `rules` (rules or listeners) of which another rule takes all requests before them. One of `rules` itself
    /// is no such rule. Costs a reading of all rules of each listener; a network load balancer has none.
    ///
    /// # Errors
    /// Those of [`Aws::send`]; a listener that does not exist is passed over.
    pub async fn shadows(&self, rules: &[String]) -> Result<Vec<Shadow>, Trouble> {
        let listener_of = |rule: &String| listener_of_rule(rule).unwrap_or_else(|| rule.clone());
        let listeners: BTreeSet<String> = rules.iter().map(listener_of).collect();
        let mut found = vec![];
        for listener in listeners {
            if LoadBalancerKind::of_arn(&listener) == LoadBalancerKind::Network {
                continue;
            }
            let all = match self.elb_rules_of(&listener).await {
                Ok(all) => all,
                Err(trouble) if trouble.kind == TroubleKind::Missing => continue,
                Err(trouble) => return Err(trouble),
            };
            let here = rules.iter().filter(|rule| listener_of(rule) == listener);
            found.extend(here.filter_map(|rule| shadow(&all, rule, rules)));
        }
        Ok(found)
    }
}

fn shadow(all: &[Node], asked: &str, ours: &[String]) -> Option<Shadow> {
    let rule = all.iter().find(|rule| is_rule(rule, asked))?;
    let takes = |other: &&Node| {
        priority(other) < priority(rule)
            && !ours.iter().any(|ours| is_rule(other, ours))
            && takes_all_of(other, rule)
    };
    let by = all.iter().filter(takes).min_by_key(|other| priority(other))?;
    Some(Shadow {
        rule: asked.to_owned(),
        by: by.text_of("RuleArn")?.to_owned(),
        by_name: name(by),
        by_targets: can_answer_by_target(by),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTENER: &str = "arn:aws:elasticloadbalancing:r:1:listener/app/lb/1/2";
    const OURS: &str = "arn:aws:elasticloadbalancing:r:1:listener-rule/app/lb/1/2/ours";
    const FORWARD: &str = "<Type>forward</Type><TargetGroupArn>arn:x</TargetGroupArn>";
    const PAGE: &str =
        "<Type>fixed-response</Type><FixedResponseConfig><StatusCode>503</StatusCode></FixedResponseConfig>";

    /// Conditions as field and values.
    type Conditions<'a> = &'a [(&'a str, &'a [&'a str])];

    fn rule(arn: &str, priority: &str, conditions: Conditions<'_>, action: &str) -> Node {
        let conditions: String = conditions
            .iter()
            .map(|(field, values)| {
                let values: String = values.iter().map(|value| format!("<member>{value}</member>")).collect();
                format!("<member><Field>{field}</Field><Values>{values}</Values></member>")
            })
            .collect();
        let xml = format!(
            "<member><RuleArn>{arn}</RuleArn><Priority>{priority}</Priority><Conditions>{conditions}</Conditions>\
             <Actions><member>{action}</member></Actions></member>"
        );
        Node::parse(xml.as_bytes()).unwrap()
    }

    fn found(others: &[(&str, Conditions<'_>)], asked: &str) -> Option<String> {
        let host: (&str, &[&str]) = ("host-header", &["shop.example"]);
        let path: (&str, &[&str]) = ("path-pattern", &["/api/*"]);
        let mut all = vec![rule(OURS, "10", &[host, path], FORWARD), rule("arn:rest", "default", &[], PAGE)];
        let others = others.iter().enumerate();
        all.extend(others.map(|(at, (priority, has))| rule(&format!("arn:{at}"), priority, has, FORWARD)));
        shadow(&all, asked, &[asked.to_owned()]).map(|shadow| shadow.by)
    }

    #[test]
    fn only_a_rule_before_it_that_surely_takes_every_request_is_a_shadow() {
        let cases: [(&str, Conditions<'_>, bool); 12] = [
            ("5", &[("host-header", &["shop.example"]), ("path-pattern", &["/api/*"])], true),
            ("5", &[("host-header", &["SHOP.example", "x.example"])], true),
            ("5", &[("host-header", &["*.example"])], true),
            ("5", &[("path-pattern", &["/*"])], true),
            ("5", &[("path-pattern", &["/a?i/*"])], true),
            ("15", &[("path-pattern", &["/*"])], false),
            ("5", &[("path-pattern", &["/API/*"])], false),
            ("5", &[("path-pattern", &["/api/?"])], false),
            ("5", &[("path-pattern", &["/api/v1/*"])], false),
            ("5", &[("path-pattern", &["/*"]), ("source-ip", &["10.0.0.0/8"])], false),
            ("5", &[("host-header", &["shop.example"]), ("http-request-method", &["GET"])], false),
            ("5", &[("of-next-year", &["x"])], false),
        ];
        for (priority, conditions, expected) in cases {
            assert_eq!(
                found(&[(priority, conditions)], OURS).is_some(),
                expected,
                "{priority} {conditions:?}"
            );
        }
    }

    #[test]
    fn the_default_action_is_shadowed_by_a_rule_for_everything_only() {
        assert_eq!(found(&[("5", &[("host-header", &["*"])])], LISTENER), Some("arn:0".into()));
        assert_eq!(found(&[("5", &[("host-header", &["*.example"])])], LISTENER), None);
    }

    #[test]
    fn one_of_our_own_rules_is_no_shadow_and_a_page_of_the_load_balancers_own_is_told_as_such() {
        let everything: (&str, &[&str]) = ("path-pattern", &["*"]);
        let all = [rule("arn:first", "1", &[everything], PAGE), rule(OURS, "10", &[], FORWARD)];
        let ours = [OURS.to_owned(), "arn:first".to_owned()];
        assert_eq!(shadow(&all, OURS, &ours), None);
        let found = shadow(&all, OURS, &ours[..1]).expect("a maintenance page");
        assert!(!found.by_targets);
        assert_eq!(found.by_name, "arn:first (priority 1)");
    }
}

//! Finds the rule of a listener that would answer a request: asked of the HTTP gate's requests, whose answers are proof only if the
//! test rule gives them.

use super::conditions::{Asked, Fit, Want, fit};
use super::{Aws, LoadBalancerKind, Node, listener_of_rule};
use crate::engine::{Trouble, TroubleKind};
use crate::model::HttpGate;
use std::collections::BTreeMap;

/// A request of the HTTP gate that somebody else than the test rule would answer, or might.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stray {
    /// A sentence without a full stop.
    pub why: String,
    /// The gate's request as it has to be, in YAML, or in words where it can't be named.
    pub ask_instead: String,
}

impl Aws {
    /// For each of the gate's requests: why it would not be answered by the test rule (or listener) `test`, if so.
    ///
    /// # Errors
    /// [`TroubleKind::Missing`] if the rule or listener does not exist; otherwise those of [`Aws::send`].
    pub async fn stray_requests(
        &self,
        test: &str,
        gates: &[HttpGate],
    ) -> Result<Vec<Option<Stray>>, Trouble> {
        let listener = listener_of_rule(test).unwrap_or_else(|| test.to_owned());
        if LoadBalancerKind::of_arn(&listener) == LoadBalancerKind::Network {
            return Ok(vec![None; gates.len()]);
        }
        let facts = self.listener_facts(&listener).await?;
        let rules = self.elb_rules_of(&listener).await?;
        if !rules.iter().any(|rule| is_rule(rule, test)) {
            return Err(Trouble {
                kind: TroubleKind::Missing,
                doing: format!("DescribeRules {listener}"),
                message: format!("{test} is not among its rules"),
            });
        }
        Ok(gates.iter().map(|gate| stray(&rules, test, gate, &facts.dns_name)).collect())
    }
}

/// True if `rule` is the one of this ARN or, for the ARN of its listener, its default rule.
pub(super) fn is_rule(rule: &Node, arn: &str) -> bool {
    rule.text_of("RuleArn") == Some(arn) || (arn.contains(":listener/") && is_default(rule))
}

fn is_default(rule: &Node) -> bool {
    rule.text_of("IsDefault") == Some("true") || rule.text_of("Priority") == Some("default")
}

/// Rules are tried in the order of their priorities; the default one comes last.
pub(super) fn priority(rule: &Node) -> u64 {
    rule.text_of("Priority").and_then(|priority| priority.parse().ok()).unwrap_or(u64::MAX)
}

fn stray(rules: &[Node], test: &str, gate: &HttpGate, dns_name: &str) -> Option<Stray> {
    let mut rules: Vec<&Node> = rules.iter().collect();
    rules.sort_by_key(|rule| priority(rule));
    let asked = Asked::of(gate, dns_name);
    let at = rules.iter().position(|rule| is_rule(rule, test))?;
    let get = format!("GET {}", gate.path);
    let matches = |rule: &&&Node| fit(rule, &asked).may_match();
    // What answers something else than is expected can't pass for the candidate.
    let mistaken = |rule: &&&Node| matches(rule) && can_answer(rule, gate.expect_status);
    if let Fit::Not(wants) = fit(rules[at], &asked) {
        let answers = rules
            .iter()
            .find(|rule| matches(rule))
            .map_or_else(String::new, |rule| format!("; {} would answer it", name(rule)));
        let words: Vec<String> = wants.iter().map(Want::in_words).collect();
        return Some(Stray {
            why: format!(
                "{get} does not match the test rule {test}, which wants {}{answers}",
                words.join(" and ")
            ),
            ask_instead: ask_instead(gate, &wants),
        });
    }
    if let Some(first) = rules[..at].iter().find(mistaken) {
        return Some(Stray {
            why: format!(
                "{get} would be answered by {}, which comes before the test rule {test}",
                name(first)
            ),
            ask_instead: format!("a request that {} does not match", name(first)),
        });
    }
    if fit(rules[at], &asked) == Fit::Maybe
        && let Some(next) = rules[at + 1..].iter().find(mistaken)
    {
        return Some(Stray {
            why: format!(
                "nobody can tell whether {get} matches the test rule {test}, which looks at source addresses or has \
                 regular expressions; if not, {} answers it",
                name(next)
            ),
            ask_instead: "a request for a test rule with other conditions, a header for example".into(),
        });
    }
    None
}

/// A rule for people.
pub(super) fn name(rule: &Node) -> String {
    let arn = rule.text_of("RuleArn").unwrap_or("a rule");
    if is_default(rule) {
        return "the listener's default action".into();
    }
    format!("{arn} (priority {})", rule.text_of("Priority").unwrap_or("?"))
}

/// True unless all that the rule does is to answer by itself.
pub(super) fn can_answer_by_target(rule: &Node) -> bool {
    let actions = rule.child("Actions").map(|actions| actions.children.as_slice()).unwrap_or_default();
    let is_own = |action: &Node| matches!(action.text_of("Type"), Some("fixed-response" | "redirect"));
    !matches!(actions, [only] if is_own(only))
}

/// True unless all that the rule does is to answer with another status by itself.
fn can_answer(rule: &Node, status: u16) -> bool {
    let actions = rule.child("Actions").map(|actions| actions.children.as_slice()).unwrap_or_default();
    let own = |action: &Node| -> Option<u16> {
        let code = match action.text_of("Type")? {
            "fixed-response" => action.find("StatusCode")?.text.as_str(),
            "redirect" => action.find("StatusCode")?.text.strip_prefix("HTTP_")?,
            _ => return None,
        };
        code.parse().ok()
    };
    let [only] = actions else { return true };
    own(only).is_none_or(|code| code == status)
}

/// The gate's entry with everything that the rule wants, in YAML.
fn ask_instead(gate: &HttpGate, wants: &[Want]) -> String {
    let (mut path, mut host, mut headers) =
        (gate.path.clone(), gate.host.clone(), gate.headers.clone().into_iter().collect::<BTreeMap<_, _>>());
    for want in wants {
        match want {
            Want::Host(value) => host = Some(value.clone()),
            Want::Path(value) => {
                let query = path.split_once('?').map(|(_, query)| format!("?{query}")).unwrap_or_default();
                path = format!("{value}{query}");
            }
            Want::Header(name, value) => {
                headers.retain(|known, _| !known.eq_ignore_ascii_case(name));
                headers.insert(name.clone(), value.clone());
            }
            Want::Query(pair) => {
                let sign = if path.contains('?') { '&' } else { '?' };
                path = format!("{path}{sign}{pair}");
            }
            Want::Other(what) => return format!("a request for a test rule without the condition {what}"),
        }
    }
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let mut parts = vec![format!("path: {}", quoted(&path))];
    if gate.expect_status != 200 {
        parts.push(format!("expectStatus: {}", gate.expect_status));
    }
    parts.extend(host.map(|host| format!("host: {}", quoted(&host))));
    if !headers.is_empty() {
        let headers: Vec<String> =
            headers.iter().map(|(name, value)| format!("{name}: {}", quoted(value))).collect();
        parts.push(format!("headers: {{{}}}", headers.join(", ")));
    }
    format!("{{{}}}", parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEST: &str = "arn:aws:elasticloadbalancing:r:1:listener-rule/app/lb/1/2/test";

    fn rule(arn: &str, priority: &str, conditions: &str, actions: &str) -> Node {
        let xml = format!(
            "<member><RuleArn>{arn}</RuleArn><Priority>{priority}</Priority><Conditions>{conditions}</Conditions>\
             <Actions><member>{actions}</member></Actions></member>"
        );
        Node::parse(xml.as_bytes()).unwrap()
    }

    fn header(name: &str, value: &str) -> String {
        format!(
            "<member><Field>http-header</Field><HttpHeaderConfig><HttpHeaderName>{name}</HttpHeaderName><Values>\
             <member>{value}</member></Values></HttpHeaderConfig></member>"
        )
    }

    const FORWARD: &str = "<Type>forward</Type><TargetGroupArn>arn:x</TargetGroupArn>";
    const NOT_FOUND: &str =
        "<Type>fixed-response</Type><FixedResponseConfig><StatusCode>404</StatusCode></FixedResponseConfig>";
    const SOURCE: &str = "<member><Field>source-ip</Field><SourceIpConfig><Values><member>10.0.0.0/8</member>\
        </Values></SourceIpConfig></member>";

    fn gate(headers: &[(&str, &str)]) -> HttpGate {
        HttpGate {
            headers: headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
            ..HttpGate::get("/healthz")
        }
    }

    fn asked(rules: &[Node], gate: &HttpGate) -> Option<Stray> {
        stray(rules, TEST, gate, "lb.example")
    }

    #[test]
    fn a_request_without_the_test_rules_header_is_told_what_to_add_and_then_matches() {
        let rules = [
            rule("arn:default", "default", "", FORWARD),
            rule(TEST, "10", &header("X-Stage", "green*"), FORWARD),
        ];
        let stray = asked(&rules, &gate(&[])).expect("the default action answers");
        assert!(stray.why.contains("wants the header X-Stage: green;"), "{}", stray.why);
        assert!(stray.why.contains("the listener's default action would answer it"), "{}", stray.why);
        assert_eq!(stray.ask_instead, r#"{path: "/healthz", headers: {X-Stage: "green"}}"#);
        assert_eq!(asked(&rules, &gate(&[("x-stage", "GREEN")])), None);
        assert!(asked(&rules, &gate(&[("x-stage", "blue")])).is_some());
    }

    #[test]
    fn a_rule_before_the_test_rule_answers_in_its_place_unless_it_cannot_pass_for_it() {
        let by_path =
            "<member><Field>path-pattern</Field><Values><member>/health*</member></Values></member>";
        let test = || rule(TEST, "10", "", FORWARD);
        let before = |priority, actions| [test(), rule("arn:other", priority, by_path, actions)];
        let why = asked(&before("5", FORWARD), &gate(&[])).expect("answered first").why;
        assert!(why.contains("arn:other (priority 5), which comes before"), "{why}");
        assert_eq!(asked(&before("15", FORWARD), &gate(&[])), None);
        assert_eq!(asked(&before("5", NOT_FOUND), &gate(&[])), None, "404 is no 200");
        let not_found = HttpGate { expect_status: 404, ..gate(&[]) };
        assert!(asked(&before("5", NOT_FOUND), &not_found).is_some());
    }

    #[test]
    fn a_source_address_proves_nothing_where_somebody_else_could_answer() {
        let rules =
            |default| [rule("arn:default", "default", "", default), rule(TEST, "10", SOURCE, FORWARD)];
        assert!(asked(&rules(FORWARD), &gate(&[])).is_some());
        assert_eq!(asked(&rules(NOT_FOUND), &gate(&[])), None);
        let first = [rule("arn:other", "1", SOURCE, FORWARD), rule(TEST, "10", "", FORWARD)];
        assert!(asked(&first, &gate(&[])).is_some());
    }

    #[test]
    fn the_default_action_of_a_test_listener_is_asked_by_what_no_rule_matches() {
        let listener = "arn:aws:elasticloadbalancing:r:1:listener/app/lb/1/2";
        let rules =
            [rule("arn:default", "default", "", FORWARD), rule("arn:other", "1", &header("a", "b"), FORWARD)];
        assert_eq!(stray(&rules, listener, &gate(&[]), "lb"), None);
        assert!(stray(&rules, listener, &gate(&[("a", "b")]), "lb").is_some());
    }
}

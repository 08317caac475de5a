//! Rules and listeners of ELBv2 as trees, and where a listener can be reached.

use super::ecs::{RawAnswer, with_body};
use super::query::encode_form;
use super::{Aws, Call, Conduct, Node, ServiceName};
use crate::engine::{Trouble, TroubleKind};

const API_VERSION: &str = "2015-12-01";
/// A listener has 100 rules unless its quota was raised; a page holds up to 400.
const PAGE_LIMIT: usize = 50;

/// The kinds of load balancer, as their ARNs tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadBalancerKind {
    Application,
    Network,
}

impl LoadBalancerKind {
    /// From a listener's or a rule's ARN (`…:listener/net/…`, `…:listener-rule/app/…`).
    pub fn of_arn(arn: &str) -> LoadBalancerKind {
        match arn.split('/').nth(1) {
            Some("net") => LoadBalancerKind::Network,
            _ => LoadBalancerKind::Application,
        }
    }
}

/// The listener that a rule belongs to: `…:listener/app/lb/1/2` of `…:listener-rule/app/lb/1/2/3`.
pub fn listener_of_rule(rule: &str) -> Option<String> {
    let (listener, _) = rule.rsplit_once('/')?;
    rule.contains(":listener-rule/").then(|| listener.replacen(":listener-rule/", ":listener/", 1))
}

/// Where a listener can be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerFacts {
    pub load_balancer_arn: String,
    pub dns_name: String,
    pub port: u16,
    /// True for HTTPS and TLS.
    pub tls: bool,
}

macro_rules! raw_elb {
    ($aws:expr, $call:expr, $conduct:expr, $parameters:expr, $method:ident) => {{
        let parameters: Vec<(String, String)> = $parameters;
        let mut all = vec![
            ("Action".to_owned(), $call.operation.to_owned()),
            ("Version".to_owned(), API_VERSION.to_owned()),
        ];
        all.extend(parameters);
        let form = encode_form(&all);
        let raw = $aws
            .send($call, $conduct, || {
                let answer = RawAnswer::default();
                let request = $aws
                    .elb()
                    .$method()
                    .customize()
                    .mutate_request(with_body(form.clone()))
                    .interceptor(answer.clone());
                async move {
                    request.send().await?;
                    Ok(answer.take())
                }
            })
            .await?;
        Node::parse(&raw).map_err(|message| Trouble {
            kind: TroubleKind::Transient,
            doing: $call.doing(),
            message,
        })
    }};
}

impl Aws {
    /// Reads rules by ARN, in no particular order.
    ///
    /// # Errors
    /// [`TroubleKind::Missing`] if one of them does not exist; otherwise those of [`Aws::send`].
    pub async fn elb_rules(&self, arns: &[String]) -> Result<Vec<Node>, Trouble> {
        let call = Call::new(ServiceName::Elb, "DescribeRules", arns.join(", "));
        self.elb_rule_pages(&call, list("RuleArns", arns)).await
    }

    /// Reads all rules of a listener, the default one included.
    ///
    /// # Errors
    /// Those of [`Aws::send`].
    pub async fn elb_rules_of(&self, listener: &str) -> Result<Vec<Node>, Trouble> {
        let call = Call::new(ServiceName::Elb, "DescribeRules", listener);
        self.elb_rule_pages(&call, vec![("ListenerArn".into(), listener.into())]).await
    }

    async fn elb_rule_pages(&self, call: &Call, select: Vec<(String, String)>) -> Result<Vec<Node>, Trouble> {
        let mut found = vec![];
        let mut marker: Option<String> = None;
        for _ in 0..PAGE_LIMIT {
            let mut parameters = select.clone();
            parameters.extend(marker.take().map(|m| ("Marker".to_owned(), m)));
            let answer: Node = raw_elb!(self, call, Conduct::Read, parameters, describe_rules)?;
            found.extend(members(&answer, "Rules", call)?);
            marker = next_marker(&answer);
            if marker.is_none() {
                return Ok(found);
            }
        }
        Err(endless(call))
    }

    /// Reads listeners by ARN, in no particular order.
    ///
    /// # Errors
    /// [`TroubleKind::Missing`] if one of them does not exist; otherwise those of [`Aws::send`].
    pub async fn elb_listeners(&self, arns: &[String]) -> Result<Vec<Node>, Trouble> {
        let call = Call::new(ServiceName::Elb, "DescribeListeners", arns.join(", "));
        self.elb_listener_pages(&call, list("ListenerArns", arns)).await
    }

    /// Reads all listeners of a load balancer.
    ///
    /// # Errors
    /// Those of [`Aws::send`].
    pub async fn elb_listeners_of(&self, load_balancer: &str) -> Result<Vec<Node>, Trouble> {
        let call = Call::new(ServiceName::Elb, "DescribeListeners", load_balancer);
        self.elb_listener_pages(&call, vec![("LoadBalancerArn".into(), load_balancer.into())]).await
    }

    async fn elb_listener_pages(
        &self,
        call: &Call,
        select: Vec<(String, String)>,
    ) -> Result<Vec<Node>, Trouble> {
        let mut found = vec![];
        let mut marker: Option<String> = None;
        for _ in 0..PAGE_LIMIT {
            let mut parameters = select.clone();
            parameters.extend(marker.take().map(|m| ("Marker".to_owned(), m)));
            let answer: Node = raw_elb!(self, call, Conduct::Read, parameters, describe_listeners)?;
            found.extend(members(&answer, "Listeners", call)?);
            marker = next_marker(&answer);
            if marker.is_none() {
                return Ok(found);
            }
        }
        Err(endless(call))
    }

    /// Replaces a rule's action list (`actions` is a node called `Actions`); conditions and priority stay. Sent once
    /// and at once: see [`Conduct::WriteNow`].
    ///
    /// # Errors
    /// Those of [`Aws::send`].
    pub async fn elb_modify_rule(&self, arn: &str, actions: &Node) -> Result<(), Trouble> {
        let call = modify_rule_call(arn);
        let mut parameters = vec![("RuleArn".to_owned(), arn.to_owned())];
        parameters.extend(actions.parameters());
        let _: Node = raw_elb!(self, &call, Conduct::WriteNow, parameters, modify_rule)?;
        Ok(())
    }

    /// Replaces a listener's default action list (`actions` is a node called `DefaultActions`); everything else stays.
    ///
    /// # Errors
    /// Those of [`Aws::send`].
    pub async fn elb_modify_listener(&self, arn: &str, actions: &Node) -> Result<(), Trouble> {
        let call = modify_rule_call(arn);
        let mut parameters = vec![("ListenerArn".to_owned(), arn.to_owned())];
        parameters.extend(actions.parameters());
        let _: Node = raw_elb!(self, &call, Conduct::WriteNow, parameters, modify_listener)?;
        Ok(())
    }

    /// Where a listener can be reached; read once a minute.
    ///
    /// # Errors
    /// Those of [`Aws::send`]; an answer without these facts is [`TroubleKind::Transient`].
    pub async fn listener_facts(&self, arn: &str) -> Result<ListenerFacts, Trouble> {
        if let Some(facts) = self.shared.names.listener(arn) {
            return Ok(facts);
        }
        let listeners = self.elb_listeners(&[arn.to_owned()]).await?;
        let incomplete = |what: &str| Trouble {
            kind: TroubleKind::Transient,
            doing: format!("DescribeListeners {arn}"),
            message: format!("the answer lacks {what}"),
        };
        let listener = listeners
            .iter()
            .find(|l| l.text_of("ListenerArn") == Some(arn))
            .ok_or_else(|| incomplete("the listener"))?;
        let load_balancer_arn =
            listener.text_of("LoadBalancerArn").ok_or_else(|| incomplete("LoadBalancerArn"))?.to_owned();
        let port = listener
            .text_of("Port")
            .and_then(|p| p.parse().ok())
            .ok_or_else(|| incomplete("the listener's port"))?;
        let tls = matches!(listener.text_of("Protocol"), Some("HTTPS" | "TLS"));
        let call = Call::new(ServiceName::Elb, "DescribeLoadBalancers", load_balancer_arn.clone());
        let answer = self
            .send(&call, Conduct::Read, || {
                self.elb().describe_load_balancers().load_balancer_arns(&load_balancer_arn).send()
            })
            .await?;
        let dns_name = answer
            .load_balancers
            .unwrap_or_default()
            .into_iter()
            .find(|l| l.load_balancer_arn.as_deref() == Some(&load_balancer_arn))
            .and_then(|l| l.dns_name)
            .ok_or_else(|| incomplete("the load balancer's DNS name"))?;
        let facts = ListenerFacts { load_balancer_arn, dns_name, port, tls };
        self.shared.names.keep_listener(arn, facts.clone());
        Ok(facts)
    }
}

/// The call that changes the rule or listener `arn`, for [`Aws::make_room`].
pub(super) fn modify_rule_call(arn: &str) -> Call {
    let operation = if arn.contains(":listener/") { "ModifyListener" } else { "ModifyRule" };
    Call::new(ServiceName::Elb, operation, arn)
}

impl Aws {
    /// Waits until the account's rate allows another Modify of rules and listeners, and until the write guard passes,
    /// so that neither stands between a re-check and its write.
    ///
    /// # Errors
    /// The write guard's.
    pub async fn make_room_for_modify(&self, arn: &str) -> Result<(), Trouble> {
        self.make_room(&modify_rule_call(arn)).await;
        self.check_guard().await
    }
}

fn list(name: &str, items: &[String]) -> Vec<(String, String)> {
    items.iter().enumerate().map(|(i, item)| (format!("{name}.member.{}", i + 1), item.clone())).collect()
}

fn members(answer: &Node, name: &str, call: &Call) -> Result<Vec<Node>, Trouble> {
    // An answer without the list is no empty list: a failed read is never "absent".
    let found = answer.find(name).ok_or_else(|| Trouble {
        kind: TroubleKind::Transient,
        doing: call.doing(),
        message: format!("the answer has no {name}"),
    })?;
    Ok(found.children.iter().filter(|c| c.name == "member").cloned().collect())
}

fn next_marker(answer: &Node) -> Option<String> {
    answer.find("NextMarker").map(|m| m.text.clone()).filter(|m| !m.is_empty())
}

fn endless(call: &Call) -> Trouble {
    Trouble {
        kind: TroubleKind::Transient,
        doing: call.doing(),
        message: format!("still not complete after {PAGE_LIMIT} pages"),
    }
}

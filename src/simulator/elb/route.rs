//! The data plane: where a request goes by the rules that the load balancer follows at present.

use super::action::forward_weights;
use super::check::container_port;
use super::condition::all_match;
use super::external::{Behind, behind, reach};
use super::health::TargetState;
use super::listener::Listener;
use super::sticky::{self, Bond};
use super::target_group::TargetGroup;
use crate::simulator::random::Random;
use crate::simulator::state::State;
use crate::simulator::{Behaviour, Probes, RouteRequest, Routed, TargetFault, TargetRoute};
use serde_json::Value;

/// Chooses a rule by priority, a group by weight and a target at random. A chosen group without targets answers 503,
/// whatever the other groups have; a group without a healthy target gets its requests all the same.
pub(in crate::simulator) fn route(
    state: &State,
    random: &mut Random,
    listener_arn: &str,
    request: &RouteRequest,
) -> Routed {
    let Some(listener) = state.listeners.get(listener_arn) else {
        return unavailable(503, "no such listener");
    };
    let lb = state.load_balancers.get(&listener.load_balancer);
    if !lb.is_some_and(|lb| lb.is_active(state)) {
        return unavailable(503, "the load balancer is being provisioned");
    }
    let Some(rule) = listener.live.iter().find(|rule| all_match(&rule.conditions, request)) else {
        return unavailable(404, "no rule matches");
    };
    let last = rule
        .actions
        .iter()
        .find(|a| matches!(a["Type"].as_str(), Some("forward" | "redirect" | "fixed-response")));
    match last.and_then(|action| Some((action["Type"].as_str()?, action))) {
        Some(("fixed-response", action)) => fixed(&action["FixedResponseConfig"]),
        Some(("redirect", action)) => redirect(&action["RedirectConfig"], listener, request),
        Some(("forward", _)) => forward(state, random, &rule.actions, Bond::of(request)),
        _ => unavailable(500, "the rule has no action that answers"),
    }
}

fn unavailable(status: u16, reason: &'static str) -> Routed {
    Routed::Unavailable { status, reason }
}

fn forward(state: &State, random: &mut Random, actions: &[Value], bond: Option<Bond>) -> Routed {
    let groups = forward_weights(actions);
    let duration = sticky::duration(actions);
    let holds = |bond: &Bond| {
        let named = groups.iter().any(|(arn, _)| *arn == bond.group);
        named && duration.is_some_and(|duration| state.now.saturating_sub(bond.since) < duration)
    };
    let bond = bond.filter(holds);
    let arn = match &bond {
        Some(bond) => Some(bond.group.as_str()),
        None => by_weight(random, &groups),
    };
    let Some(group) = arn.and_then(|arn| state.target_groups.get(arn)) else {
        return unavailable(503, "all target groups have weight 0");
    };
    let routed = to_group(state, random, group);
    let (Routed::Target(route), true) = (&routed, duration.is_some()) else { return routed };
    let since = bond.filter(|_| !state.settings.sticky_cookies_renew).map_or(state.now, |bond| bond.since);
    let bond = Bond { group: group.arn.clone(), since };
    Routed::Target(TargetRoute { set_cookie: Some(bond.set_cookie(state.now)), ..route.clone() })
}

/// Draws a group by weight; `None`: all weights are 0.
fn by_weight<'a>(random: &mut Random, groups: &[(&'a str, u32)]) -> Option<&'a str> {
    let sum: u64 = groups.iter().map(|(_, weight)| u64::from(*weight)).sum();
    let mut ticket = random.below(sum);
    let chosen = groups.iter().find(|(_, weight)| {
        let hit = ticket < u64::from(*weight);
        ticket = ticket.saturating_sub(u64::from(*weight));
        hit
    });
    chosen.map(|(arn, _)| *arn)
}

/// Chooses a target of a group.
fn to_group(state: &State, random: &mut Random, group: &TargetGroup) -> Routed {
    let open = |target: &TargetState| !matches!(target, TargetState::Draining | TargetState::Unused);
    let mut targets: Vec<_> = group.targets.iter().filter(|(_, t)| t.state == TargetState::Healthy).collect();
    if targets.is_empty() {
        targets = group.targets.iter().filter(|(_, t)| open(&t.state)).collect();
    }
    if targets.is_empty() {
        return unavailable(503, "the chosen target group has no targets");
    }
    let (key, target) = targets[random.below(targets.len() as u64) as usize];
    let real = state.settings.probes == Probes::External && target.task.is_none();
    let mut route = TargetRoute {
        task: None,
        address: reach(state, key).filter(|_| real),
        port: container_port(state, target, key.1),
        target_group: group.arn.clone(),
        image: String::new(),
        release: format!("{}:{}", key.0, key.1),
        behaviour: Behaviour::default(),
        status: 200,
        set_cookie: None,
    };
    match behind(state, key, target) {
        Behind::Program { id, image, release, behaviour, started_at } => {
            route.task = Some(id);
            route.image = image.to_string();
            route.release = release.to_string();
            route.behaviour = behaviour.clone();
            route.status = behaviour.answer(state.now.saturating_sub(started_at), false).unwrap_or(502);
        }
        Behind::Unknown => {}
        Behind::Nobody if route.address.is_some() => {}
        Behind::Nobody => return unavailable(502, "the target does not answer"),
    }
    if group.fault == TargetFault::Unhealthy {
        route.status = 503;
    }
    Routed::Target(route)
}

fn fixed(config: &Value) -> Routed {
    let text = |name: &str| config[name].as_str().unwrap_or_default().to_string();
    let content_type = config["ContentType"].as_str().unwrap_or("text/plain").to_string();
    Routed::Fixed {
        status: text("StatusCode").parse().unwrap_or(503),
        body: text("MessageBody"),
        content_type,
    }
}

fn redirect(config: &Value, listener: &Listener, request: &RouteRequest) -> Routed {
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let host = request.host.split(':').next().unwrap_or_default();
    let (protocol, port) = (listener.protocol.to_ascii_lowercase(), listener.port.to_string());
    let fill = |name: &str| {
        let template = config[name].as_str().unwrap_or_default();
        let keywords = [
            ("protocol", protocol.as_str()),
            ("port", &port),
            ("host", host),
            ("path", path.trim_start_matches('/')),
            ("query", query),
        ];
        keywords
            .iter()
            .fold(template.to_string(), |text, (word, value)| text.replace(&format!("#{{{word}}}"), value))
    };
    let (protocol, port, query) = (fill("Protocol").to_ascii_lowercase(), fill("Port"), fill("Query"));
    let mut location = format!("{protocol}://{}", fill("Host"));
    if !matches!((protocol.as_str(), port.as_str()), ("http", "80") | ("https", "443")) {
        location.push_str(&format!(":{port}"));
    }
    location.push_str(&fill("Path"));
    if !query.is_empty() {
        location.push_str(&format!("?{query}"));
    }
    let status = if config["StatusCode"] == "HTTP_301" { 301 } else { 302 };
    Routed::Redirect { status, location }
}

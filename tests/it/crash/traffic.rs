//! Steady requests through the simulated load balancer, while processes come and go.

use crate::account::LISTENER;
use cutover::simulator::{Connector, Millis, Routed};
use std::time::Duration;

/// How often the rules are looked at.
const TICK: Duration = Duration::from_millis(200);
/// How long after a change of weights every tick sends.
const CLOSE_LOOK_MS: Millis = 4_000;
/// How many requests a tick sends then to each host.
const BURST: usize = 4;
/// Ticks between two requests otherwise: one a second.
const PACE: u64 = 5;

/// What the clients of the shop see.
pub struct Clients {
    connector: Connector,
    hosts: Vec<Host>,
    forbidden: &'static [&'static str],
    rings: Option<&'static str>,
    calls_seen: usize,
    close_look_until: Millis,
    pub requests: u64,
    pub wrong: Vec<String>,
}

/// One host name, and when a request to it was first answered.
struct Host {
    name: &'static str,
    served_since: Option<Millis>,
}

impl Clients {
    /// Clients of `hosts`. With `served`, no request may ever fail; without, none after the first that did not.
    /// None may ever reach a `forbidden` release; the alarm goes off when one reaches `rings`.
    pub fn new(
        connector: Connector,
        hosts: &[&'static str],
        served: bool,
        forbidden: &'static [&'static str],
        rings: Option<&'static str>,
    ) -> Clients {
        Clients {
            connector,
            hosts: hosts.iter().map(|name| Host { name, served_since: served.then_some(0) }).collect(),
            forbidden,
            rings,
            calls_seen: 0,
            close_look_until: 0,
            requests: 0,
            wrong: vec![],
        }
    }

    /// When all hosts had been answered once; `None` if not yet.
    pub fn served_since(&self) -> Option<Millis> {
        self.hosts.iter().map(|host| host.served_since).collect::<Option<Vec<_>>>()?.into_iter().max()
    }

    /// Sends for ever: once a second to each host, and a lot around changes of weights.
    pub async fn send(&mut self) {
        for tick in 0u64.. {
            self.tick(tick);
            tokio::time::sleep(TICK).await;
        }
    }

    fn tick(&mut self, tick: u64) {
        let now = self.connector.now();
        let mut world = self.connector.world();
        let calls = world.calls().all();
        let new = calls.get(self.calls_seen..).unwrap_or_default();
        if new.iter().any(|call| call.is_write && call.service == "elbv2") {
            self.close_look_until = now + CLOSE_LOOK_MS;
        }
        self.calls_seen = calls.len();
        let count = match now < self.close_look_until {
            true => BURST,
            false => usize::from(tick.is_multiple_of(PACE)),
        };
        for host in &mut self.hosts {
            for _ in 0..count {
                let routed = world.route(now, LISTENER, host.name, "/");
                self.requests += 1;
                if routed.status() == 200 {
                    host.served_since.get_or_insert(now);
                }
                if self.rings.is_some() && routed.release() == self.rings {
                    world.set_alarm_state("web-5xx", "ALARM");
                }
                if let Some(complaint) = complaint(&routed, host.served_since.is_some(), self.forbidden) {
                    let at = now as f64 / 1_000.0 % 100_000.0;
                    self.wrong.push(format!("{at:.1}s {}: {complaint}", host.name));
                }
            }
        }
    }
}

/// What a client has to complain of.
fn complaint(routed: &Routed, served: bool, forbidden: &[&str]) -> Option<String> {
    if let Some(release) = routed.release().filter(|release| forbidden.contains(release)) {
        return Some(format!("a request reached {release}, which failed its gate"));
    }
    match (routed.status(), routed) {
        (200, _) => None,
        _ if !served => None,
        (status, Routed::Unavailable { reason, .. }) => {
            Some(format!("a request failed with {status}: {reason}"))
        }
        (status, _) => {
            Some(format!("a request failed with {status} of {}", routed.release().unwrap_or("no task")))
        }
    }
}

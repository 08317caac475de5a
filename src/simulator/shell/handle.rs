//! A world that someone else lets time pass for.

use super::Shared;
use super::events::Event;
use crate::simulator::{Connector, Millis, World};
use std::sync::Arc;
use std::time::Duration;

/// A way into the world of a [`Simulator`](super::Simulator) or of a [`Connector`].
#[derive(Clone, Debug)]
pub struct WorldHandle(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Sockets(Arc<Shared>),
    InProcess(Connector),
}

impl From<Connector> for WorldHandle {
    fn from(connector: Connector) -> WorldHandle {
        WorldHandle(Kind::InProcess(connector))
    }
}

impl WorldHandle {
    pub(super) fn of_simulator(shared: &Arc<Shared>) -> WorldHandle {
        WorldHandle(Kind::Sockets(Arc::clone(shared)))
    }

    /// Reads or changes the world, brought to now.
    pub(super) fn with_world<T>(&self, act: impl FnOnce(&mut World) -> T) -> T {
        match &self.0 {
            Kind::Sockets(shared) => shared.with_world(act),
            Kind::InProcess(connector) => act(&mut connector.world()),
        }
    }

    /// How long it is in real time until it is `then`.
    pub(super) fn until(&self, then: Millis) -> Duration {
        match &self.0 {
            Kind::Sockets(shared) => shared.clock.until(then),
            Kind::InProcess(connector) => Duration::from_millis(then.saturating_sub(connector.now())),
        }
    }

    /// Tells whoever watches the simulator.
    pub(super) fn tell(&self, event: Event) {
        if let Kind::Sockets(shared) = &self.0 {
            shared.events.send(event);
        }
    }
}

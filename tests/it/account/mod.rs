//! A simulated account behind the real adapters and the real SDK clients, without sockets, on tokio's paused clock.

mod documents;
mod process;
mod target;
mod wire;

pub use documents::{Shop, Worker, seed};
pub use process::Process;
pub use target::Target;
pub use wire::{Disturbance, Fork, Mode, Wire};

use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use cutover::simulator::{Connector, Millis, World};
use std::sync::{Arc, Mutex};

/// A day in 2027.
pub const START: Millis = 1_800_000_000_000;
pub const LISTENER: &str = "arn:aws:elasticloadbalancing:eu-central-1:000000000000:listener/app/shop/00000000000000f0/00000000000000f1";
pub const RULE: &str = "arn:aws:elasticloadbalancing:eu-central-1:000000000000:listener-rule/app/shop/00000000000000f0/00000000000000f1/00000000000000a1";
/// A second production rule, for another host.
pub const RULE_2: &str = "arn:aws:elasticloadbalancing:eu-central-1:000000000000:listener-rule/app/shop/00000000000000f0/00000000000000f1/00000000000000a2";
pub const TEST_LISTENER: &str = "arn:aws:elasticloadbalancing:eu-central-1:000000000000:listener/app/shop/00000000000000f0/00000000000000f2";

/// Runs a future to its end on a clock that stands still until everyone waits.
pub fn paused<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(future)
}

/// A connector to `world`, which goes on from its own time. Must be called inside a runtime.
pub fn connect(world: World) -> Connector {
    let now = world.now();
    Connector::new(Arc::new(Mutex::new(world)), now)
}

/// The operation that a request calls, in any of the services' protocols.
pub fn operation_of(request: &HttpRequest) -> String {
    if let Some(target) = request.headers().get("x-amz-target") {
        return target.rsplit('.').next().unwrap_or(target).to_owned();
    }
    if let Some((_, operation)) = request.uri().split_once("/operation/") {
        return operation.to_owned();
    }
    let body = request.body().bytes().map(String::from_utf8_lossy).unwrap_or_default();
    let action = body.split('&').find_map(|part| part.strip_prefix("Action="));
    action.unwrap_or_else(|| panic!("a request without an operation: {body}")).to_owned()
}

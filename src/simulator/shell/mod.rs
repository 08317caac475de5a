//! The simulated world on real sockets: the AWS APIs on one HTTP endpoint, load balancers that listen and forward,
//! tasks that answer HTTP, health checks that are really sent. All of it on loopback addresses, in this process, and
//! gone when the [`Simulator`] is dropped.
//!
//! Each load balancer's `DNSName` is a loopback address of its own (127.0.0.1 where the system has no other), so
//! `http://DNSName:port` can be opened as it stands. Where a declared port can't be bound (below 1024 without the
//! right to it, or taken), another one is, and [`Event::Listening`] says so. HTTPS listeners speak plain HTTP and TLS
//! listeners plain TCP: there is no certificate to show. UDP is not forwarded.

mod addresses;
mod api;
mod balancer;
mod chart;
mod clock;
mod driver;
mod events;
mod handle;
mod kubeconfig;
mod kubernetes;
mod probe;
mod report;
mod server;
mod site;
mod task;
mod traffic;

pub use chart::render_chart;
pub use events::Event;
pub use handle::WorldHandle;
pub use kubeconfig::client_of;
pub use kubernetes::{ClusterFollower, follow_cluster};
pub use report::{Bucket, TrafficReport};
pub use traffic::{Traffic, TrafficGenerator};

use super::load_balancer_controller::ControllerSettings;
use super::{Fault, Millis, Probes, Settings, World};
use addresses::Addresses;
use clock::ScaledClock;
use server::Server;
use site::Site;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

/// What to simulate, and where.
#[derive(Clone, Debug)]
pub struct StartOptions {
    /// The API's address; port 0 picks one.
    pub listen: SocketAddr,
    /// `probes` and `dns_names` are set by the simulator itself.
    pub settings: Settings,
    /// How many times faster than real time the world runs, 1 or more.
    pub time_scale: u32,
    pub faults: Vec<Fault>,
    /// What there is from the start, as YAML; see [`World::load_seed`].
    pub seed: Option<String>,
}

impl Default for StartOptions {
    fn default() -> Self {
        StartOptions {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            settings: Settings::default(),
            time_scale: 1,
            faults: vec![],
            seed: None,
        }
    }
}

/// Why a simulator could not start. The sentence says what to do.
#[derive(Debug)]
pub struct StartError(String);

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StartError {}

/// A running simulator. Everything it started ends when it is dropped.
#[derive(Debug)]
pub struct Simulator {
    shared: Arc<Shared>,
    /// `None` only while it is being shut down.
    api: Option<Server>,
    endpoint: String,
    driver: JoinHandle<()>,
}

/// What all parts of a simulator have in common. Where both locks are taken, `site` is first.
#[derive(Debug)]
struct Shared {
    world: Mutex<World>,
    site: Mutex<Site>,
    clock: ScaledClock,
    targets: balancer::Targets,
    events: events::Events,
    /// Something has changed that the driver should look at.
    wake: Notify,
}

impl Shared {
    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn site(&self) -> MutexGuard<'_, Site> {
        self.site.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads or changes the world, brought to now.
    fn with_world<T>(self: &Arc<Self>, act: impl FnOnce(&mut World) -> T) -> T {
        let result = {
            let mut world = self.world();
            world.advance(self.clock.now());
            act(&mut world)
        };
        self.reconcile_listeners();
        self.wake.notify_one();
        result
    }

    fn reconcile_listeners(self: &Arc<Self>) {
        let mut site = self.site();
        let wanted = self.world().listeners();
        site.reconcile_listeners(self, wanted);
    }
}

impl Simulator {
    /// Starts an account as `options` say. Must be called in a tokio runtime.
    ///
    /// # Errors
    /// If the API's address can't be bound, or the seed is refused.
    pub fn start(options: StartOptions) -> Result<Simulator, StartError> {
        let StartOptions { listen, mut settings, time_scale, faults, seed } = options;
        let refuse = |error: std::io::Error| {
            StartError(format!(
                "the simulator can't listen on {listen}: {error}; give another --listen address"
            ))
        };
        let socket = TcpListener::bind(listen).map_err(refuse)?;
        let addresses = Addresses::claim(std::process::id());
        settings.probes = Probes::External;
        settings.dns_names = addresses.dns_names();
        let clock = ScaledClock::start(time_scale);
        let mut world = World::new(settings, clock.now());
        if let Some(seed) = seed {
            world.load_seed(&seed).map_err(StartError)?;
        }
        for fault in faults {
            world.inject(fault);
        }
        let shared = Arc::new(Shared {
            world: Mutex::new(world),
            site: Mutex::new(Site::new(addresses)),
            clock,
            targets: balancer::targets(),
            events: events::Events::default(),
            wake: Notify::new(),
        });
        let answering = Arc::clone(&shared);
        let api = Server::http(socket, move |request, _| api::respond(Arc::clone(&answering), request));
        let api = api.map_err(refuse)?;
        shared.reconcile_listeners();
        let driver = tokio::spawn(driver::drive(Arc::clone(&shared)));
        let endpoint = format!("http://{}", api.address());
        Ok(Simulator { shared, api: Some(api), endpoint, driver })
    }

    /// The API's URL, for `AWS_ENDPOINT_URL`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The simulated time.
    pub fn now(&self) -> Millis {
        self.shared.clock.now()
    }

    /// Reads or changes the world, brought to now. No API call can happen meanwhile, so be short.
    pub fn with_world<T>(&self, act: impl FnOnce(&mut World) -> T) -> T {
        self.shared.with_world(act)
    }

    /// Lets a load balancer controller of the simulator's own follow a namespace of a Kubernetes cluster, or all of
    /// them; see [`follow_cluster`].
    pub fn follow_cluster(
        &self,
        client: kube::Client,
        namespace: Option<&str>,
        settings: ControllerSettings,
    ) -> ClusterFollower {
        follow_cluster(client, WorldHandle::of_simulator(&self.shared), namespace, settings)
    }

    /// Where a listener really listens: `DNSName` and its declared port, unless that port could not be bound.
    pub fn listener_address(&self, arn: &str) -> Option<SocketAddr> {
        self.shared.site().listener_address(arn)
    }

    /// What happens from now on, after the listeners there are already. There is one watcher at a time.
    pub fn watch(&self) -> mpsc::Receiver<Event> {
        let site = self.shared.site();
        let events = self.shared.events.watch();
        site.listening().for_each(|event| self.shared.events.send(event));
        events
    }

    /// Stops at once; every port is closed when this returns.
    pub async fn shutdown(mut self) {
        self.driver.abort();
        let _ = (&mut self.driver).await;
        let servers = self.shared.site().stop();
        for server in servers {
            server.close().await;
        }
        if let Some(api) = self.api.take() {
            api.close().await;
        }
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.driver.abort();
        drop(self.shared.site().stop());
    }
}

//! What a simulated world is like: who it belongs to, how slow it is, how hard it makes life.

/// Simulated time in milliseconds since 1970-01-01T00:00:00Z.
pub type Millis = u64;

/// Whether the API's token buckets are enforced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Buckets {
    /// Every call is let through.
    #[default]
    Off,
    /// Calls beyond AWS's own burst and rate are answered with a throttling error.
    Real,
}

/// Who decides whether a target passes its health check, and when a task crashes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Probes {
    /// The world itself, from the task's [`Behaviour`](super::Behaviour).
    #[default]
    Model,
    /// The caller: [`World::due_probes`](super::World::due_probes) says what to ask, and
    /// [`World::probe_result`](super::World::probe_result) and [`World::task_exited`](super::World::task_exited)
    /// bring the answers.
    External,
}

/// Everything that a world's history depends on besides the calls made to it. All delays are in milliseconds of
/// simulated time; those of tasks are lengthened by a random part of `jitter_percent`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Twelve digits.
    pub account: String,
    pub region: String,
    pub seed: u64,
    pub buckets: Buckets,
    pub probes: Probes,
    /// Describe and List calls may answer the state of up to this long ago. 0: always the newest state.
    pub stale_reads_ms: Millis,
    /// How far back [`Failure::Stale`](super::Failure::Stale) can look whenever it is injected: each call then keeps a
    /// copy of the account for so long.
    pub history_ms: Millis,
    /// From a change to the scheduler's reaction.
    pub scheduler_delay_ms: Millis,
    /// PROVISIONING.
    pub provision_delay_ms: Millis,
    /// PENDING: the image is pulled.
    pub start_delay_ms: Millis,
    /// ACTIVATING.
    pub activate_delay_ms: Millis,
    /// From RUNNING to the registration of the target, and from a task's end to its deregistration.
    pub register_delay_ms: Millis,
    /// From a target's registration to its first health check; afterwards the group's own interval counts.
    pub first_probe_delay_ms: Millis,
    /// STOPPING.
    pub stop_delay_ms: Millis,
    /// DEPROVISIONING.
    pub deprovision_delay_ms: Millis,
    /// How long a stopped task can still be described.
    pub forget_stopped_ms: Millis,
    /// From a successful change of a listener or rule to the application load balancer following it.
    pub alb_propagation_ms: Millis,
    /// The same for a network load balancer.
    pub nlb_propagation_ms: Millis,
    /// Each answer binds a client with a sticky cookie for the whole duration again, as application cookies are
    /// documented to; without, the duration counts from the first answer.
    pub sticky_cookies_renew: bool,
    /// While a new load balancer is `provisioning`.
    pub load_balancer_delay_ms: Millis,
    /// The wait before a failed start or placement is tried again; doubled each time, to 32 times at most.
    pub retry_delay_ms: Millis,
    pub jitter_percent: u64,
    /// How many EC2 machines a cluster has for tasks that are no Fargate tasks; more are added where fixed host ports
    /// need them.
    pub container_instances: usize,
    /// The most tasks all clusters together have room for.
    pub task_capacity: usize,
    /// How many items one page of an ELBv2 Describe call holds if the call does not say.
    pub elb_page_size: usize,
    /// DNS names for load balancers, used in turn; those after the last are called `<name>.elb.localhost`.
    pub dns_names: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            account: "000000000000".into(),
            region: "eu-central-1".into(),
            seed: 1,
            buckets: Buckets::Off,
            probes: Probes::Model,
            stale_reads_ms: 0,
            history_ms: 0,
            scheduler_delay_ms: 500,
            provision_delay_ms: 2_000,
            start_delay_ms: 4_000,
            activate_delay_ms: 1_000,
            register_delay_ms: 1_000,
            first_probe_delay_ms: 1_000,
            stop_delay_ms: 2_000,
            deprovision_delay_ms: 1_000,
            forget_stopped_ms: 3_600_000,
            alb_propagation_ms: 1_500,
            nlb_propagation_ms: 120_000,
            sticky_cookies_renew: true,
            load_balancer_delay_ms: 1_000,
            retry_delay_ms: 10_000,
            jitter_percent: 20,
            container_instances: 2,
            task_capacity: usize::MAX,
            elb_page_size: 400,
            dns_names: vec![],
        }
    }
}

//! Applications that could be somebody's.

use cutover::controller::{Board, Entry, Line};
use cutover::model::{
    AppKey, BySlot, Changes, HealthState, HistoryEntry, LastError, SlotSummary, SyncState, Timestamp,
    WorkloadSummary,
};

pub const NAMES: [&str; 20] = [
    "checkout",
    "catalog",
    "cart",
    "payments",
    "search",
    "identity",
    "gateway",
    "ledger",
    "pricing",
    "invoices",
    "shipping",
    "reviews",
    "media",
    "mailer",
    "scheduler",
    "reports",
    "fraud",
    "inventory",
    "loyalty",
    "audit",
];

const SUMMARIES: [&str; 6] = [
    "web 2.14.0",
    "Raise the memory of the worker to 1 GiB",
    "Give checkout two more tasks",
    "Add alarm web-5xx to the gates",
    "Lower the log level",
    "web 2.13.3: fix of the cart's total",
];

pub fn key(namespace: &str, name: &str) -> AppKey {
    AppKey { namespace: namespace.into(), name: name.into() }
}

/// A commit's id, always the same for a number.
fn commit(number: usize) -> String {
    let mixed = (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!("{mixed:016x}{:016x}{:08x}", mixed.rotate_left(29), number + 0x1a2b)
}

pub fn slot(role: &str, revision: &str, weight: u32, healthy: u32, unhealthy: u32) -> SlotSummary {
    let count = healthy + unhealthy;
    SlotSummary {
        role: role.into(),
        revision: revision.into(),
        weight,
        running: count,
        desired: count,
        healthy_targets: healthy,
        unhealthy_targets: unhealthy,
    }
}

pub fn workload(phase: &str, waiting_for: &str, blue: SlotSummary, green: SlotSummary) -> WorkloadSummary {
    WorkloadSummary {
        name: "web".into(),
        phase: phase.into(),
        waiting_for: waiting_for.into(),
        slots: Some(BySlot { blue, green }),
    }
}

/// An application in which all is well.
pub fn well(board: &Board, number: usize, namespace: &str, name: &str, now: Timestamp) {
    board.change(&key(namespace, name), |entry| {
        entry.repository = "https://git.example/platform/deploy.git".into();
        entry.target_revision = "main".into();
        entry.path = format!("apps/{name}");
        let places = ["ecs prod (eu-central-1)".to_owned(), format!("kubernetes {namespace}")];
        entry.destination = places[number % 2].clone();
        entry.mode = "enforce".into();
        let status = &mut entry.status;
        status.sync = SyncState::Synced;
        status.health = HealthState::Healthy;
        status.revision = commit(number);
        status.history = (0..3)
            .map(|age| HistoryEntry {
                revision: commit(number + age * 1000),
                summary: SUMMARIES[(number + age) % 6].into(),
                result: "Synced".into(),
                message: String::new(),
                started: Timestamp(now.0 - 9000 * (age as u64 + 1) - 140),
                ended: Timestamp(now.0 - 9000 * (age as u64 + 1)),
            })
            .collect();
        if number % 3 != 2 {
            let (one, other) = (format!("web:{}", 40 + number % 9), format!("web:{}", 39 + number % 9));
            let (live, previous) = (slot("live", &one, 100, 3, 0), slot("previous", &other, 0, 3, 0));
            let (blue, green) = if number.is_multiple_of(2) { (live, previous) } else { (previous, live) };
            status.workloads = vec![workload("live", "", blue, green)];
        }
    });
}

/// One of each state that people have to look at, among many in which all is well; twenty at least.
pub fn many(board: &Board, count: usize, now: Timestamp) {
    for number in 0..count {
        let name = NAMES[number % 20];
        let (namespace, name) = match number / 20 {
            0 => ("shop".to_owned(), name.to_owned()),
            of => (format!("team-{of:02}"), name.to_owned()),
        };
        well(board, number, &namespace, &name, now);
    }
    board.change(&key("shop", "checkout"), |entry| rolling_out(entry, now));
    board.change(&key("shop", "payments"), |entry| {
        entry.status.health = HealthState::Degraded;
        entry.status.sync = SyncState::OutOfSync;
        let why = "2 of 3 targets failed their health check with 502 for 30s";
        let message = format!("BlueGreen/web: {why}; traffic is back on blue (web:41)");
        entry.status.last_error =
            Some(LastError { reason: "RolloutFailed".into(), message, time: Timestamp(now.0 - 340) });
        let waiting = format!("another commit or `cutover retry`; this revision failed: {why}");
        let (blue, green) = (slot("live", "web:41", 100, 3, 0), slot("idle", "web:42", 0, 1, 2));
        entry.status.workloads = vec![workload("quarantined", &waiting, blue, green)];
        entry.status.history[0].result = "RolloutFailed".into();
        entry.status.history[0].message = why.into();
    });
    board.change(&key("shop", "identity"), |entry| {
        entry.status.health = HealthState::Progressing;
        entry.status.sync = SyncState::OutOfSync;
        let (blue, green) = (slot("live", "web:12", 100, 4, 0), slot("candidate", "web:13", 0, 4, 0));
        entry.status.workloads =
            vec![workload("awaiting approval", "approval: `cutover promote`", blue, green)];
    });
    board.change(&key("shop", "pricing"), |entry| {
        entry.suspended = true;
        entry.status.health = HealthState::Suspended;
    });
    board.change(&key("shop", "reviews"), |entry| {
        entry.mode = "observe".into();
        entry.status.sync = SyncState::OutOfSync;
        entry.status.changes.update = 1;
        entry.status.differing = vec!["Deployment/reviews".into()];
    });
    board.change(&key("shop", "scheduler"), |entry| {
        entry.status.sync = SyncState::Unknown;
        let message = "https://git.example/platform/deploy.git: the server did not answer within 30s";
        entry.status.last_error = Some(LastError {
            reason: "SourceFailed".into(),
            message: message.into(),
            time: Timestamp(now.0 - 65),
        });
    });
}

fn rolling_out(entry: &mut Entry, now: Timestamp) {
    entry.is_busy = true;
    let status = &mut entry.status;
    status.sync = SyncState::OutOfSync;
    status.health = HealthState::Progressing;
    status.revision = commit(77);
    status.waiting_for = "web: 80s more at 25%".into();
    status.changes = Changes { create: 1, update: 2, prune: 0, blocked: 0 };
    status.differing = ["TaskDefinition/web", "Service/worker", "BlueGreen/web"].map(String::from).to_vec();
    let (blue, green) = (slot("live", "web:41", 75, 6, 0), slot("candidate", "web:42", 25, 6, 0));
    status.workloads = vec![workload("shifting", "80s more at 25%", blue, green)];
    let (blue, green) = (slot("live", "api:17", 100, 4, 0), slot("candidate", "api:18", 0, 2, 2));
    let api = workload("gating", "green targets: 2 of 4 healthy", blue, green);
    status.workloads.push(WorkloadSummary { name: "api".into(), ..api });
    status.history[1].result = "RolloutFailed".into();
    status.history[1].message =
        "2 of 6 targets became unhealthy in the bake; traffic went back to blue".into();
    status.history[2].result = "Superseded".into();
    entry.diff = DIFF.into();
    let lines = [
        "looked at main: web 2.14.0",
        "registered task definition web:42",
        "created service web-green with 6 tasks",
        "web: gating, green targets: 0 of 6 healthy",
        "web: gating, gates to hold for another 30s",
        "web: set rule 1 to blue 90 / green 10",
        "web: shifting, 120s more at 10%",
        "web: set rule 1 to blue 75 / green 25",
    ];
    let times = (0..8).map(|line| Timestamp(now.0 - 400 + 45 * line));
    entry.activity = times.zip(lines).map(|(time, text)| Line { time, text: text.into() }).collect();
}

const DIFF: &str = "\
checkout at 4f1bbcdcbfa53e0a4f1bbcdcbfa53e0a00001a78

~ update TaskDefinition/web (web:42): registers a revision of family web
    --- live web:41
    +++ git apps/checkout/web.yaml:3
    @@ -6,9 +6,9 @@
     containerDefinitions:
       - name: app
    -    image: registry.example/shop/web:2.13.3
    +    image: registry.example/shop/web:2.14.0
         portMappings:
           - containerPort: 8080
         environment:
           - name: LOG_LEVEL
    -        value: debug
    +        value: info

+ create Service/worker (worker): with 2 tasks
    --- live (none)
    +++ git apps/checkout/worker.yaml:25
    @@ -0,0 +1,3 @@
    +taskDefinition: worker:new
    +launchType: FARGATE
    +desiredCount: 2

Traffic
  BlueGreen/web arn:aws:elasticloadbalancing:eu-central-1:123456789012:listener-rule/app/shop/5a0c1d2e/71a2b3c4
    blue 100% / green 0% → green 10%, then green 25%, then green 100%

Plan: 1 to create, 2 to update, 0 to replace, 0 to prune, 4 unchanged; traffic moves on 1 rule.
";

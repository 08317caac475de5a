//! The table of a controller on Kubernetes.

use super::figures::Figures;
use super::process::Controller;
use super::world::{INTERVAL, World};
use crate::kube_support::Space;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

pub const SYSTEM: &str = "kubernetes";

pub fn heading() {
    let build = if cfg!(debug_assertions) { "a debug build" } else { "a release build" };
    println!(
        "A controller of N Applications of ten objects each, {build}. Requests are its own by verb; `locks` are writes \
         other than\napplies (locks and inventories). `status`, `events`, `leases` are writes that the API server \
         counted. Interval {INTERVAL} s."
    );
    println!(
        "{:>5} {:<22} {:>8} {:>7} {:>6} {:>8} {:>6} {:>6} {:>7} {:>6} {:>6} {:>6} {:>4} {:>5} {:>7} {:>7} {:>4}",
        "N",
        "what",
        "seconds",
        "applies",
        "locks",
        "dry runs",
        "lists",
        "gets",
        "watches",
        "status",
        "events",
        "leases",
        "ls",
        "fetch",
        "CPU s",
        "RSS MB",
        "fds"
    );
}

/// How everything stood at a moment.
struct Mark {
    own: Figures,
    server: Figures,
    cpu: f64,
}

impl Mark {
    async fn now(space: &Space, controller: &Controller) -> Mark {
        Mark { own: controller.figures(), server: server(space).await, cpu: controller.cpu() }
    }
}

async fn server(space: &Space) -> Figures {
    let request = http::Request::get("/metrics").body(vec![]).expect("a request");
    Figures::read(&space.client.request_text(request).await.expect("the API server's metrics"))
}

/// Prints what a phase cost, once everything is quiet.
async fn row(world: &World, controller: &Controller, what: &str, took: Duration, before: &Mark) {
    controller.until_quiet(SYSTEM).await;
    line(world, controller, what, took, before).await;
}

async fn line(world: &World, controller: &Controller, what: &str, took: Duration, before: &Mark) {
    let now = Mark::now(&world.space, controller).await;
    let (own, server) = (now.own.since(&before.own), now.server.since(&before.server));
    let requests: BTreeMap<String, u64> = own.requests(SYSTEM);
    let git = own.requests("git");
    let of = |verb: &str| requests.get(verb).copied().unwrap_or(0);
    let locks = of("patch") + of("create") + of("replace") + of("delete");
    let written = |resource: &str| -> f64 {
        let verbs = ["PUT", "PATCH", "APPLY", "POST"].into_iter();
        let resource = format!("resource=\"{resource}\"");
        verbs
            .map(|verb| server.sum("apiserver_request_total", &[&resource, &format!("verb=\"{verb}\"")]))
            .sum()
    };
    println!(
        "{:>5} {what:<22} {:>8.2} {:>7} {locks:>6} {:>8} {:>6} {:>6} {:>7} {:>6} {:>6} {:>6} {:>4} {:>5} {:>7.2} {:>7.1} {:>4}",
        world.count,
        took.as_secs_f64(),
        of("apply"),
        of("dry-run"),
        of("list"),
        of("get"),
        of("watch"),
        written("applications"),
        written("events"),
        written("leases"),
        git.get("ls-remote").copied().unwrap_or(0),
        git.get("fetch").copied().unwrap_or(0),
        now.cpu - before.cpu,
        controller.memory(),
        controller.files(),
    );
}

fn spread(mut times: Vec<Duration>) -> String {
    times.sort();
    let millis = |at: usize| times[at].as_millis();
    let (count, last) = (times.len(), times.len() - 1);
    format!("{count} times: min {} ms, median {} ms, max {} ms", millis(0), millis(last / 2), millis(last))
}

/// All rows of N.
pub async fn rows(count: usize) {
    let mut world = World::new(count).await;
    let controller = cold_start(&world).await;
    nothing_to_do(&world, &controller).await;
    commits(&mut world, &controller).await;
    drift(&world, &controller).await;
    let controller = restart(&world, controller).await;
    controller.end();
}

async fn cold_start(world: &World) -> Controller {
    let nothing = Mark { own: Figures::default(), server: server(&world.space).await, cpu: 0.0 };
    let controller = world.controller();
    world.until_all_ready().await;
    row(world, &controller, "cold start", controller.begun.elapsed(), &nothing).await;
    controller
}

async fn nothing_to_do(world: &World, controller: &Controller) {
    let (before, begun) = (Mark::now(&world.space, controller).await, Instant::now());
    tokio::time::sleep(Duration::from_secs(2 * INTERVAL)).await;
    line(world, controller, "nothing, 2 intervals", begun.elapsed(), &before).await;
}

async fn commits(world: &mut World, controller: &Controller) {
    let mut times = vec![];
    for turn in 0..5 {
        let number = turn * 7 % world.count;
        let before = Mark::now(&world.space, controller).await;
        world.commit(std::iter::once(number));
        let begun = Instant::now();
        controller.nudge(&world.url());
        world.until_applied(number).await;
        times.push(begun.elapsed());
        if turn == 0 {
            row(world, controller, "commit to 1, webhook", times[0], &before).await;
        } else {
            controller.until_quiet(SYSTEM).await;
        }
    }
    println!("      commit to 1, webhook to applied, {}", spread(times));
    let before = Mark::now(&world.space, controller).await;
    world.commit(std::iter::once(0));
    let begun = Instant::now();
    world.until_applied(0).await;
    row(world, controller, "commit to 1, polling", begun.elapsed(), &before).await;
    let before = Mark::now(&world.space, controller).await;
    world.commit(0..world.count);
    let begun = Instant::now();
    controller.nudge(&world.url());
    world.until_all_applied().await;
    let took = begun.elapsed();
    row(world, controller, "commit to all, webhook", took, &before).await;
    println!("      commit to all: {:.1} applications a second", world.count as f64 / took.as_secs_f64());
}

async fn drift(world: &World, controller: &Controller) {
    let mut times = vec![];
    let before = Mark::now(&world.space, controller).await;
    let begun = Instant::now();
    for turn in 0..20 {
        times.push(world.disturb(turn * 13 % world.count).await);
        // Looks at one application are a second apart.
        tokio::time::sleep(Duration::from_millis(1_100)).await;
    }
    row(world, controller, "drift, 20 times", begun.elapsed(), &before).await;
    println!("      drift to repaired, {}", spread(times));
}

async fn restart(world: &World, controller: Controller) -> Controller {
    let ended = controller.end();
    let nothing = Mark { own: Figures::default(), server: server(&world.space).await, cpu: 0.0 };
    let controller = world.controller();
    let (all, count) = ("cutover_reconcile_duration_seconds_count", world.count as f64);
    let looked = |figures: &Figures| {
        figures.sum(all, &[]) >= count
            && figures.sum("cutover_application_ready", &[]) == count
            && figures.sum("cutover_syncs_running", &[]) == 0.0
    };
    controller.until("all are looked at", Duration::from_millis(100), looked).await;
    row(world, &controller, "restart", controller.begun.elapsed(), &nothing).await;
    println!("      the end before the restart took {} ms", ended.as_millis());
    controller
}

//! The end of Applications: what goes with them, what waits, and that nothing is left of them.

use super::world::{Course, Sandbox, key, pass, until};
use crate::controller::OccurrenceKind;

const CASCADE: &str = "  deletion: cascade\n";

fn ask_to_go(world: &Sandbox, name: &str) {
    world.register_as(name, |registered| {
        registered.is_going = true;
        registered.generation += 1;
    });
}

#[tokio::test(start_paused = true)]
async fn cascade_is_a_finalizer_for_as_long_as_it_is_said() {
    let world = Sandbox::new();
    world.commit("a", &["web", "db"]);
    world.register("web", CASCADE);
    world.register("db", "");
    world
        .play(async {
            until("both are synced", || world.writes("web") == 1 && world.writes("db") == 1).await;
            assert_eq!(world.inner().guards, [(key("web"), true)], "orphan needs none");
            world.register("web", "");
            until("it is taken off", || world.inner().guards.len() == 2).await;
            assert_eq!(world.inner().guards[1], (key("web"), false));
            pass(7_200).await;
            assert_eq!(world.inner().guards.len(), 2);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_finalizer_comes_also_while_the_repository_is_away() {
    let world = Sandbox::new();
    world.inner().git_is_away = true;
    world.register("web", CASCADE);
    world.play(async { until("it is on", || world.inner().guards == [(key("web"), true)]).await }).await;
}

#[tokio::test(start_paused = true)]
async fn a_cascade_deletes_everything_and_leaves_nothing_on_the_board() {
    let world = Sandbox::new();
    world.commit("a", &["web"]);
    world.register("web", CASCADE);
    world
        .play(async {
            until("it is synced", || world.standing("web") == "True Synced Synced Healthy").await;
            ask_to_go(&world, "web");
            until("it is off the board", || world.board.entry(&key("web")).is_none()).await;
            assert_eq!(world.inner().live.get(&key("web")), None);
            assert_eq!(world.told(OccurrenceKind::Deleted).len(), 1);
            assert_eq!(world.told(OccurrenceKind::DriftFound).len(), 0);
            pass(7_200).await;
            assert_eq!(world.inner().deletions[&key("web")], 1);
            assert!(world.board.snapshot().is_empty());
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn what_does_not_go_is_told_and_tried_again_until_it_goes() {
    let world = Sandbox::new();
    world.commit("a", &["web"]);
    world.register("web", CASCADE);
    world.inner().stuck.insert(key("web"), "is held by the finalizer a.dev/x".into());
    world
        .play(async {
            until("it is synced", || world.standing("web") == "True Synced Synced Healthy").await;
            ask_to_go(&world, "web");
            until("it is told", || world.standing("web").starts_with("False Deleting Reconciling")).await;
            assert!(
                world.status("web").waiting_for.contains("ConfigMap/x: is held by the finalizer a.dev/x")
            );
            pass(600).await;
            assert_eq!(world.told(OccurrenceKind::DeletionStuck).len(), 1, "once");
            let tries = world.inner().deletions[&key("web")];
            assert!((4..20).contains(&tries), "{tries} tries in ten minutes");
            world.inner().stuck.clear();
            until("it has gone", || world.board.entry(&key("web")).is_none()).await;
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_suspended_cascade_waits_and_one_that_is_called_off_lets_go_at_once() {
    let world = Sandbox::new();
    world.commit("a", &["web", "db"]);
    for name in ["web", "db"] {
        world.register(name, CASCADE);
    }
    world
        .play(async {
            until("both are synced", || world.writes("web") == 1 && world.writes("db") == 1).await;
            for name in ["web", "db"] {
                world.register_as(name, |registered| registered.is_suspended = true);
                ask_to_go(&world, name);
            }
            until("both wait", || {
                ["web", "db"].iter().all(|name| world.status(name).waiting_for.contains("its deletion waits"))
            })
            .await;
            pass(3_600).await;
            assert!(world.inner().deletions.is_empty(), "something was deleted");
            world.register("web", "");
            until("it has gone", || world.board.entry(&key("web")).is_none()).await;
            assert!(world.inner().live.contains_key(&key("web")), "orphan leaves everything");
            world.register_as("db", |registered| registered.is_suspended = false);
            until("it has gone", || world.board.entry(&key("db")).is_none()).await;
            assert!(!world.inner().live.contains_key(&key("db")));
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn an_orphan_with_a_finalizer_is_let_go_after_its_traffic_is_back() {
    let world = Sandbox::new();
    world.commit("a", &["web"]);
    world.inner().ships = true;
    world.register("web", CASCADE);
    world
        .play(async {
            until("it is synced", || world.standing("web") == "True Synced Synced Healthy").await;
            world.course("web", Course::Hangs);
            world.commit("b", &["web"]);
            until("b is under way", || !world.status("web").workloads.is_empty()).await;
            world.register_as("web", |registered| {
                registered.is_going = true;
                registered.generation += 1;
                registered.application = Ok(super::world::application("web", ""));
            });
            until("it has gone", || world.board.entry(&key("web")).is_none()).await;
            let asked: Vec<String> = world.inner().requests.iter().map(|(_, text)| text.clone()).collect();
            assert_eq!(asked, ["abort x"]);
            assert_eq!(world.inner().carried.len(), 1, "the way back was not watched");
            assert!(world.told(OccurrenceKind::LeftUnwatched).is_empty());
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_rollout_whose_application_went_without_a_finalizer_is_told_with_the_way_back() {
    let world = Sandbox::new();
    world.commit("a", &["web"]);
    world.register("web", "");
    world
        .play(async {
            until("it is synced", || world.standing("web") == "True Synced Synced Healthy").await;
            world.course("web", Course::Hangs);
            world.commit("b", &["web"]);
            until("b is under way", || !world.status("web").workloads.is_empty()).await;
            ask_to_go(&world, "web");
            until("it has gone", || world.board.entry(&key("web")).is_none()).await;
            let told = world.told(OccurrenceKind::LeftUnwatched);
            assert_eq!(told.len(), 1);
            let way = format!("cutover abort -f FILE --revision {}", "b".repeat(40));
            assert!(told[0].contains("BlueGreen/x (shifting)") && told[0].contains(&way), "{told:?}");
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn one_whose_place_belongs_to_an_older_one_takes_nothing_along() {
    let world = Sandbox::new();
    world.commit("a", &["web"]);
    world.register("web", "");
    world.register_as("twin", |registered| {
        registered.application = Ok(super::world::application("web", CASCADE));
        registered.is_guarded = true;
    });
    world
        .play(async {
            until("it is told", || world.standing("twin").starts_with("False NameTaken")).await;
            ask_to_go(&world, "twin");
            until("it has gone", || world.board.entry(&key("twin")).is_none()).await;
            assert!(world.inner().deletions.is_empty());
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn nothing_that_a_stopped_sync_still_tells_brings_an_application_back_to_the_board() {
    let world = Sandbox::new();
    world.commit("a", &["web"]);
    world.course("web", Course::Hangs);
    world.register("web", "");
    world
        .play(async {
            until("it is under way", || world.standing("web").contains("Syncing")).await;
            ask_to_go(&world, "web");
            until("it is off the board", || world.board.entry(&key("web")).is_none()).await;
            world.board.note(&key("web"), crate::model::Timestamp(0), "late news".into());
            pass(60).await;
            assert!(world.board.snapshot().is_empty());
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_finalizer_that_cannot_be_written_stops_no_sync_and_the_status_says_what_is_missing() {
    let world = Sandbox::new();
    world.commit("a", &["web"]);
    world.inner().guards_are_denied = true;
    world.register("web", CASCADE);
    world
        .play(async {
            until("it is synced", || world.standing("web") == "True Synced Synced Healthy").await;
            let message = || world.status("web").condition("Ready").map(|ready| ready.message.clone());
            let said = message().unwrap();
            assert!(
                said.contains("will leave everything as it runs, although spec.deletion is cascade"),
                "{said}"
            );
            assert!(said.contains("`get` and `patch` the resource `applications.cutover.dev`"), "{said}");
            world.commit("b", &["web"]);
            until("the next commit is live", || world.writes("web") == 2).await;
            world.inner().guards_are_denied = false;
            until("it is on", || world.inner().registered(&key("web")).is_guarded).await;
            until("nothing is missing", || message().is_some_and(|said| !said.contains("cascade"))).await;
        })
        .await;
    assert_eq!(world.told(OccurrenceKind::SyncFailed), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_deletion_is_told_once_though_its_finalizer_stays_for_a_while() {
    let world = Sandbox::new();
    world.commit("a", &["web"]);
    world.register("web", CASCADE);
    world
        .play(async {
            until("it is synced", || world.standing("web") == "True Synced Synced Healthy").await;
            world.inner().guards_are_denied = true;
            ask_to_go(&world, "web");
            until("it is told", || world.status("web").waiting_for.contains("can't be taken off")).await;
            pass(600).await;
            assert!(world.inner().deletions[&key("web")] > 1);
            world.inner().guards_are_denied = false;
            until("it is off the board", || world.board.entry(&key("web")).is_none()).await;
        })
        .await;
    assert_eq!(world.told(OccurrenceKind::Deleted).len(), 1);
}

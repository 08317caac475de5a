//! What the page does, seen by the browser.

use super::Stage;
use super::invented::{key, many, slot, well, workload};
use cutover::model::{HealthState, SyncState, Timestamp};

const NOW: Timestamp = Timestamp(1_764_105_556);

/// The names in the list, as far as they are shown.
const SHOWN: &str = "[...document.querySelectorAll('#list li:not([hidden]) strong')].map((name) => name.textContent).join(' ')";
const COUNT: &str = "document.querySelectorAll('#list li:not([hidden])').length";

#[test]
fn a_thousand_applications_are_listed_filtered_and_searched_what_needs_people_first() {
    let stage = Stage::open();
    many(&stage.board, 1000, NOW);
    let mut browser = stage.look("");
    browser.wait_for(&format!("{COUNT} === 1000"));
    let first = browser.text(SHOWN);
    let first: Vec<&str> = first.split(' ').take(5).collect();
    assert_eq!(first, ["payments", "scheduler", "identity", "checkout", "reviews"]);
    let chips =
        "[...document.querySelectorAll('#filters button')].map((chip) => chip.textContent).join(', ')";
    let counts = "All 1000, Failing 2, Out of sync 4, Rolling out 2, Suspended 1, All well 994";
    assert_eq!(browser.text(chips), counts);
    browser.eval("document.querySelector('[data-filter=failing]').click()");
    assert_eq!(browser.text(SHOWN), "payments scheduler");
    browser.eval("document.querySelector('[data-filter=failing]').click()");
    for key in ["/", "t", "e", "a", "m", "-", "4", "9"] {
        browser.press(key);
    }
    browser.wait_for(&format!("{COUNT} === 20"));
    // The first one empties the field, the second one leaves it.
    for key in ["Escape", "Escape", "j", "j"] {
        browser.press(key);
    }
    assert_eq!(browser.text("document.activeElement.hash"), "#/shop/scheduler");
    assert_eq!(browser.complaints, Vec::<String>::new());
}

#[test]
fn weights_move_in_place_while_the_page_is_open() {
    let stage = Stage::open();
    many(&stage.board, 20, NOW);
    let mut browser = stage.look("#/shop/checkout");
    let bar = "document.querySelector('.rollout .bar')";
    let label = format!("{bar}.getAttribute('aria-label')");
    browser.wait_for(&format!("{label} === 'blue 75 %, green 25 % of the requests'"));
    browser.eval(&format!("{bar}.dataset.same = 'yes'"));
    let shift = |blue, green, phase: &str| {
        stage.board.change(&key("shop", "checkout"), |entry| {
            let slots = (slot("live", "web:41", blue, 6, 0), slot("candidate", "web:42", green, 6, 0));
            entry.status.workloads[0] = workload(phase, "the bake: 600s left", slots.0, slots.1);
        });
    };
    shift(40, 60, "shifting");
    browser.wait_for(&format!("{label} === 'blue 40 %, green 60 % of the requests'"));
    // The bar is at its new place when its movement has ended.
    let share = format!(
        "Math.round(100 * {bar}.lastChild.getBoundingClientRect().width / {bar}.getBoundingClientRect().width)"
    );
    browser.wait_for(&format!("{share} === 60"));
    shift(0, 100, "baking");
    browser.wait_for(&format!("{label} === 'blue 0 %, green 100 % of the requests'"));
    browser.wait_for(&format!("{share} === 100"));
    assert_eq!(browser.text(&format!("{bar}.dataset.same")), "yes", "it moved and was not drawn anew");
    assert_eq!(browser.text("document.querySelector('.rollout [aria-current]').textContent"), "Baking");
    assert_eq!(
        browser.text("document.querySelector('.rollout .waiting').textContent"),
        "Waiting for the bake: 600s left"
    );
    let in_list =
        "document.querySelector('#list [href=\"#/shop/checkout\"] .bar').getAttribute('aria-label')";
    assert_eq!(browser.text(in_list), "blue 0 %, green 100 % of the requests");
    assert_eq!(browser.complaints, Vec::<String>::new());
}

#[test]
fn hostile_text_is_shown_and_never_run() {
    const HOSTILE: &str =
        "<script>window.ran = 1</script><img src=x onerror='window.ran = 2'>\u{202e}&amp;\"'";
    let stage = Stage::open();
    let hostile = key("<b>team</b>", "<img src=x onerror=\"window.ran=3\">/../%00");
    many(&stage.board, 20, NOW);
    let model = stage.board.entry(&key("shop", "checkout")).expect("entry");
    stage.board.change(&hostile, |entry| {
        *entry = (*model).clone();
        entry.key = hostile.clone();
        entry.diff =
            format!("~ update ConfigMap/a (a): {HOSTILE}\n    @@ -1 +1 @@\n    -a: 1\n    +a: {HOSTILE}\n");
        for text in
            [&mut entry.repository, &mut entry.path, &mut entry.destination, &mut entry.target_revision]
        {
            *text = HOSTILE.into();
        }
        entry.activity[0].text = HOSTILE.into();
        let status = &mut entry.status;
        for text in [&mut status.waiting_for, &mut status.revision, &mut status.differing[0]] {
            *text = HOSTILE.into();
        }
        let history = &mut status.history[0];
        (history.summary, history.message, history.result) = (HOSTILE.into(), HOSTILE.into(), HOSTILE.into());
        history.revision = HOSTILE.into();
        let web = &mut status.workloads[0];
        (web.name, web.phase, web.waiting_for) = (HOSTILE.into(), HOSTILE.into(), HOSTILE.into());
    });
    let mut browser = stage.look("");
    browser.wait_for(&format!("{COUNT} === 21"));
    browser.eval(
        "[...document.querySelectorAll('#list a')].find((a) => a.textContent.includes('onerror')).click()",
    );
    browser.wait_for("document.querySelector('.diff') !== null");
    assert_eq!(
        browser.text("document.querySelector('.diff [data-line=added]').textContent"),
        format!("    +a: {HOSTILE}\n")
    );
    let tags = "[...document.querySelectorAll('#main :is(script, img, b > b)')].map((element) => element.outerHTML).join()";
    assert_eq!(browser.text(tags), "");
    assert_eq!(browser.text("typeof window.ran"), "undefined");
    assert_eq!(browser.text("document.querySelector('h2').textContent"), hostile.name);
    assert_eq!(browser.complaints, Vec::<String>::new());
}

#[test]
fn what_goes_and_comes_is_seen_and_a_server_that_returns_is_found_again() {
    let mut stage = Stage::open();
    let mut browser = stage.look("");
    browser.wait_for("!document.getElementById('empty').hidden");
    for (number, name) in ["checkout", "catalog", "cart"].into_iter().enumerate() {
        well(&stage.board, number, "shop", name, NOW);
    }
    browser.wait_for(&format!("{COUNT} === 3"));
    browser.eval("location.hash = '#/shop/cart'");
    browser.wait_for("document.querySelector('h2').textContent === 'cart'");
    stage.board.remove(&key("shop", "cart"));
    browser.wait_for("document.getElementById('detail').textContent.includes('no such application')");
    browser.wait_for(&format!("{COUNT} === 2"));
    drop(stage.stop.take());
    browser.wait_for("document.getElementById('link').dataset.state === 'lost'");
    stage.board.change(&key("shop", "catalog"), |entry| {
        entry.status.sync = SyncState::OutOfSync;
        entry.status.health = HealthState::Degraded;
    });
    stage.serve();
    browser.wait_for("document.getElementById('link').dataset.state === 'live'");
    browser.wait_for(
        "document.querySelector('#list li').textContent.includes('catalogshopOut of syncDegraded')",
    );
}

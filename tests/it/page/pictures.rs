//! Pictures of the page, for people who change it: `cargo test --test it page::pictures -- --ignored`, then look into
//! `target/page`.

use super::Stage;
use super::invented::many;
use cutover::model::Timestamp;
use serde_json::json;
use std::time::SystemTime;

#[test]
#[ignore = "writes pictures for people to look at"]
fn pictures_are_taken() {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("time").as_secs();
    let stage = Stage::open();
    many(&stage.board, 60, Timestamp(now));
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/page");
    std::fs::create_dir_all(&folder).expect("folder");
    let mut browser = stage.look("");
    for (name, fragment, width, height, scheme) in [
        ("list", "", 1440, 900, "light"),
        ("list-dark", "", 1440, 900, "dark"),
        ("rollout", "#/shop/checkout", 1440, 1100, "light"),
        ("rollout-dark", "#/shop/checkout", 1440, 1100, "dark"),
        ("failed", "#/shop/payments", 1440, 900, "light"),
        ("phone", "", 390, 844, "light"),
        ("phone-rollout", "#/shop/checkout", 390, 844, "dark"),
    ] {
        browser.resize(width, height);
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        browser.call("Emulation.setEmulatedMedia", features);
        browser.go("about:blank");
        browser.go(&format!("{}{fragment}", stage.url));
        browser.wait_for("document.querySelectorAll('#list li').length === 60");
        browser.wait_for(&format!("'{fragment}' === '' || document.querySelector('h2') !== null"));
        browser.eval("Promise.all(document.getAnimations().filter((one) => one.effect.getTiming().iterations === 1).map((one) => one.finished.catch(() => null))).then(() => true)");
        let picture = browser.call("Page.captureScreenshot", json!({"format": "png"}));
        let picture = picture["data"].as_str().expect("picture");
        let bytes = data_encoding::BASE64.decode(picture.as_bytes()).expect("base64");
        std::fs::write(folder.join(format!("{name}.png")), bytes).expect("picture");
    }
}

//! The image of the Dockerfile in real containers. `tests/image/run` builds it.

mod container;
mod pod;

use crate::kubernetes_controller::house::{House, WEB, warnings};
use container::{Container, Image, Wanted};
use pod::Pod;
use std::path::Path;

/// Kind and name of all that is in a folder.
fn listing(folder: &Path, below: &Path) -> Vec<String> {
    let mut all = vec![];
    for entry in std::fs::read_dir(below).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = format!("/{}", path.strip_prefix(folder).expect("below").display());
        if path.is_dir() {
            all.push(format!("{name}/"));
            all.extend(listing(folder, &path));
        } else {
            all.push(name);
        }
    }
    all.sort();
    all
}

#[test]
#[ignore = "needs the image: tests/image/run"]
fn the_image_is_one_program_that_plays_the_demo_alone_as_nobody_on_a_read_only_root() {
    let image = Image::built();
    insta::assert_snapshot!("files", listing(&image.root(), &image.root()).join("\n"));
    let mut config = image.config.clone();
    // Which version of the builder it was.
    config.as_object_mut().expect("an object").remove("Labels");
    insta::assert_snapshot!("config", serde_json::to_string_pretty(&config).expect("JSON"));
    let wanted = Wanted { arguments: vec!["demo".to_owned()], ..Wanted::default() };
    let mut container = Container::start(&image, &wanted);
    let ended = container.end();
    let log = container.log();
    assert!(ended.success(), "{ended}");
    assert!(log.contains(" sent, 0 failed"), "no request fails:\n{log}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the image: tests/image/run"]
async fn the_installed_deployment_runs_as_it_is_written_and_a_deleted_pod_hands_over() {
    let image = Image::built();
    let (house, _) = House::install("image").await;
    let mut first = Pod::start(&image, &house.space, "cutover").await;
    let shop = crate::kube_support::Space::new("image-shop").await;
    let web = WEB.replace("approval: true", "approval: false");
    let version = |number: u32| web.replace("web:v1", &format!("web:v{number}"));
    let commit = house.ship("deploy/web.yaml", &version(1), "Version 1");
    house.register("shop", "deploy", &shop.name, "{interval: 1s}");
    house.until_ready("shop", &commit).await;
    for path in ["/healthz", "/readyz"] {
        assert_eq!(first.probe(path).expect(path), 200, "{path}");
    }

    let second = Pod::start(&image, &house.space, "cutover").await;
    first.container.terminate();
    let ended = tokio::task::block_in_place(|| first.container.end());
    assert!(ended.success(), "{ended}");
    let commit = house.ship("deploy/web.yaml", &version(2), "Version 2");
    house.until_ready("shop", &commit).await;
    assert_eq!(house.live_image(&shop.name).await, "registry.example/web:v2");
    assert_eq!(second.probe("/readyz").expect("an answer"), 200);
    let logs = [first.container.log(), second.container.log()].concat();
    assert_eq!(warnings(&logs), [""; 0]);
}

use super::DONE;
use super::rig::Rig;
use cutover::engine::Platform;
use cutover::model::Slot;
use cutover::plan::WouldBe;
use std::collections::BTreeMap;

const SETTINGS: &str = "---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings-1}
data: {a: b}
";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn what_a_slot_refers_to_and_a_slot_with_traffic_are_kept_when_git_no_longer_has_them() {
    let rig = Rig::start("kept").await;
    let with_settings = |image: &str, settings: &str| {
        let mut commit = rig.commit(image, "", settings);
        let deployment = commit.manifests.objects.values_mut().find(|object| object.key.kind == "Deployment");
        let container =
            &mut deployment.expect("a Deployment").body["spec"]["template"]["spec"]["containers"][0];
        container["envFrom"] =
            serde_json::json!([{"configMapRef": {"name": "settings-1", "optional": true}}]);
        commit
    };
    let first = with_settings("shop/web:v1", SETTINGS);
    let process = rig.process().await;
    let live = process.read_live(&first).await.expect("read");
    let is_new =
        |slot| live.slots["web"].get(slot).iter().all(|part| matches!(part.would_be, WouldBe::Object(_)));
    assert!(Slot::BOTH.into_iter().all(is_new), "{:?}", live.slots);
    rig.space.apply(SETTINGS.trim_start_matches("---")).await;
    let config_map = cutover::plan::PlanItem::new(
        "ConfigMap",
        "settings-1",
        &format!("ConfigMap/{}/settings-1", rig.space.name),
        cutover::plan::Change::Create,
        "",
    );
    while process.apply_item(&first, &config_map).await.is_err() {}
    assert_eq!(process.run(&first).await, DONE);

    let reasons = async |commit: &cutover::engine::Deployment| {
        let live = process.read_live(commit).await.expect("read");
        let owned = live.owned.into_iter().map(|owned| (owned.document.clone(), owned));
        owned.collect::<BTreeMap<_, _>>()
    };
    // Only the ConfigMap is gone from Git: the next version does without, the one that is warm does not.
    let live = reasons(&rig.commit("shop/web:v2", "", "")).await;
    let name = format!("ConfigMap/{}/settings-1", rig.space.name);
    let why = live[&name].in_use.clone().unwrap_or_default();
    assert!(why.contains("web-green refers to it"), "{live:?}");
    // The whole workload is gone from Git.
    let live = reasons(&rig.deployment("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: other}\n")).await;
    for kind in ["Deployment", "Service", "TargetGroupBinding"] {
        let owned = &live[&format!("{kind}/{}/web-green", rig.space.name)];
        assert_eq!(owned.target_groups, ["web-green"], "{kind}");
    }
    let live = process.read_live(&first).await.expect("read");
    let blue = live.slots["web"].get(Slot::Blue);
    assert!(blue.iter().all(|part| part.live.is_none() && part.would_be == WouldBe::Unasked), "{blue:?}");
    let green = live.slots["web"].get(Slot::Green);
    let kinds: Vec<&str> = green.iter().map(|part| part.key.kind.as_str()).collect();
    assert_eq!(kinds, ["Service", "TargetGroupBinding", "Deployment"]);
    assert!(green.iter().all(|part| part.would_be == WouldBe::Same), "{green:?}");
}

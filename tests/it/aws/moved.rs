//! Services that pass from one application to another, and never because an owner is not seen.

use super::Rig;
use super::begun::{shop, sync_of};
use crate::account::{RULE, seed};
use cutover::engine::{
    Deployment, Elsewhere, Neighbours, Silent, StopSignal, SyncReport, Verdict, plan, sync,
};
use cutover::model::Application;
use cutover::plan::Change;
use cutover::simulator::Settings;
use cutover::sites::EcsTarget;
use futures_util::future::BoxFuture;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Another application of the same process.
struct Other {
    application: Application,
    declares: &'static [&'static str],
}

impl Neighbours for Other {
    fn declared<'a>(&'a self, resources: &'a [String]) -> BoxFuture<'a, BTreeMap<String, Elsewhere>> {
        let those = resources.iter().filter(|one| self.declares.contains(&one.as_str()));
        let why = format!("application {} declares it", self.application.name);
        let claim = || Elsewhere { why: why.clone(), is_certain: true };
        let found = those.map(|one| (one.clone(), claim())).collect();
        Box::pin(async move { found })
    }

    fn gave_up<'a>(
        &'a self,
        is_owner: &'a (dyn Fn(&Application) -> bool + Send + Sync),
        resource: &'a str,
    ) -> BoxFuture<'a, Option<bool>> {
        let gave_up = is_owner(&self.application).then(|| !self.declares.contains(&resource));
        Box::pin(async move { gave_up })
    }
}

/// The worker alone, as another application's.
fn heir(more: serde_json::Value) -> Deployment {
    let mut deployment = shop().deployment();
    deployment.application.name = "heir".into();
    let manifests = &mut deployment.manifests;
    manifests.blue_greens.clear();
    manifests.services.remove("web");
    manifests.task_definitions.remove("web");
    manifests.services.get_mut("worker").unwrap().spec["tags"] = more;
    deployment
}

fn without_worker() -> Deployment {
    let mut deployment = shop().deployment();
    deployment.application.sync.prune_limit = "100%".into();
    deployment.manifests.services.remove("worker");
    deployment.manifests.task_definitions.remove("worker");
    deployment
}

async fn live_shop() -> Rig {
    let rig = Rig::with(Settings::default(), &seed(&[RULE])).await;
    assert_eq!(sync_of(&rig, &shop().deployment(), "").await.0.unwrap().verdict, Verdict::Done);
    rig.clear_log();
    rig
}

async fn synced(rig: &Rig, deployment: &Deployment, other: Other) -> SyncReport {
    let process = rig.another().await;
    let target =
        EcsTarget::new(process.aws.clone(), &deployment.application, "prod", 1).beside(Arc::new(other));
    let report = sync(&target, deployment, &Silent, &StopSignal::default()).await.unwrap();
    target.release().await.unwrap();
    report
}

fn owner(rig: &Rig) -> String {
    let input = json!({"cluster": "prod", "services": ["worker"], "include": ["TAGS"]});
    let answer = rig.connector.world().call("ecs", "DescribeServices", &input).unwrap();
    let service = &answer["services"][0];
    assert_eq!(service["status"], "ACTIVE");
    let tags = service["tags"].as_array().unwrap();
    let mark = tags.iter().find(|tag| tag["key"] == "cutover.dev/application");
    mark.and_then(|tag| tag["value"].as_str()).unwrap_or_default().to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_service_that_another_application_declares_is_not_pruned_and_is_taken_over_once_it_was_given_up() {
    let rig = live_shop().await;
    let heir_known = || Other { application: heir(json!([])).application, declares: &["worker"] };
    let report = synced(&rig, &without_worker(), heir_known()).await;
    assert_eq!(report.verdict, Verdict::Done);
    let told = report.plan.notices.iter().find(|notice| notice.contains("worker")).expect("told");
    assert!(told.contains("kept: application heir declares it"), "{told}");
    assert_eq!(rig.count("DeleteService"), 0);

    let shop_known = |declares| Other { application: shop().deployment().application, declares };
    let refused = synced(&rig, &heir(json!([])), shop_known(&["worker"])).await;
    assert_eq!((refused.verdict, owner(&rig).as_str()), (Verdict::Error, "shop"), "both declare it");
    let taken = synced(&rig, &heir(json!([])), shop_known(&[])).await;
    assert_eq!((taken.verdict, owner(&rig).as_str()), (Verdict::Done, "heir"), "{:?}", taken.results);
    assert_eq!((rig.count("CreateService"), rig.count("DeleteService")), (0, 0));
    let again = synced(&rig, &without_worker(), shop_known(&[])).await;
    assert_eq!((again.verdict, owner(&rig).as_str()), (Verdict::Done, "heir"), "it is nobody's to prune");
}

/// The old side gives the service away.
fn release(rig: &Rig) {
    let mut world = rig.connector.world();
    let input = json!({"cluster": "prod", "services": ["worker"]});
    let arn = world.call("ecs", "DescribeServices", &input).unwrap()["services"][0]["serviceArn"].clone();
    let tags = json!([{"key": "cutover.dev/release", "value": "heir"}]);
    world.call("ecs", "TagResource", &json!({"resourceArn": arn, "tags": tags})).unwrap();
}

#[tokio::test(start_paused = true)]
async fn between_strangers_a_service_passes_only_by_both_tags() {
    let rig = live_shop().await;
    let adopting = heir(json!([{"key": "cutover.dev/adopt", "value": "shop"}]));
    let process = rig.another().await;
    let target = EcsTarget::new(process.aws.clone(), &adopting.application, "prod", 1);
    let planned = plan(&target, &adopting).await.unwrap();
    let item = planned.items.iter().find(|item| item.change == Change::Blocked).expect("refused");
    assert!(item.why.contains("cutover.dev/release=heir"), "{}", item.why);
    release(&rig);
    assert_eq!(
        sync_of(&rig, &heir(json!([])), "").await.0.unwrap().verdict,
        Verdict::Error,
        "half of the pair"
    );
    assert_eq!(owner(&rig), "shop");
    assert_eq!(sync_of(&rig, &adopting, "").await.0.unwrap().verdict, Verdict::Done);
    assert_eq!(owner(&rig), "heir");
    assert_eq!(rig.count("CreateService"), 0);
}

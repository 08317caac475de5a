//! What runs once: Jobs that delete themselves, and Pods.

use super::desk::KubeDesk;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::ResourceExt;

const JOB: &str = "\
apiVersion: batch/v1
kind: Job
metadata: {name: seed}
spec:
  backoffLimit: 0
  ttlSecondsAfterFinished: 1
  template:
    spec: {restartPolicy: Never, containers: [{name: app, image: 'seed:ok'}]}
";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn a_job_that_deletes_itself_is_no_drift_and_runs_once_for_a_content() {
    let shop = KubeDesk::new("ttl", "sync: {timeout: 2m}", JOB).await;
    let first = shop.verb("sync", &[]);
    assert_eq!(first.code, Some(0), "{}", first.whole());
    shop.space.wait_gone::<Job>("seed").await;
    let planned = shop.verb("plan", &["--detailed-exitcode"]);
    assert_eq!(planned.code, Some(0), "{}", planned.whole());
    assert!(planned.stdout.contains("has run for this content"), "{}", planned.whole());
    assert_eq!(shop.verb("sync", &[]).code, Some(0));
    assert_eq!(shop.verb("status", &[]).code, Some(0));
    assert!(shop.space.api::<Job>().get_opt("seed").await.expect("read").is_none(), "it ran again");

    shop.change(&[("seed:ok", "seed:fail")], "One that fails");
    let failed = shop.verb("sync", &[]);
    assert_eq!(failed.code, Some(3), "{}", failed.whole());
    shop.space.wait_gone::<Job>("seed").await;
    let planned = shop.verb("plan", &["--detailed-exitcode"]);
    assert_eq!(planned.code, Some(0), "it is not run again: {}", planned.whole());
    let status = shop.verb("status", &[]);
    assert!(status.stdout.contains("not run again for the same content"), "{}", status.whole());
    shop.change(&[("seed:fail", "seed:v3-ok")], "Mended");
    assert_eq!(shop.verb("sync", &[]).code, Some(0));
    let records = async || {
        let inventory = shop.space.api::<ConfigMap>().get("cutover-shop").await.expect("the inventory");
        inventory.data.unwrap_or_default().len()
    };
    assert_eq!(records().await, 1);

    // What left Git and comes back is as new, also where its Job was gone and so nothing was pruned.
    shop.space.wait_gone::<Job>("seed").await;
    let job = shop.desk.read("deploy/shop.yaml");
    let other = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: seeds}\n";
    shop.change(&[(&job, other)], "No seed");
    assert_eq!(shop.verb("sync", &[]).code, Some(0));
    assert_eq!(records().await, 0);
    shop.change(&[(other, &job)], "The seed again");
    let again = shop.verb("sync", &[]);
    assert_eq!(again.code, Some(0), "{}", again.whole());
    assert!(again.whole().contains("create Job"), "it runs again: {}", again.whole());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn what_is_noted_of_a_job_goes_with_its_document_although_the_job_is_gone_already() {
    let other = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: seeds}\n";
    let both = format!("{other}---\n{JOB}");
    let shop = KubeDesk::new("noted", "sync: {timeout: 2m, prune: true, pruneLimit: 0}", &both).await;
    assert_eq!(shop.verb("sync", &[]).code, Some(0));
    shop.space.wait_gone::<Job>("seed").await;
    shop.change(&[(&both, other)], "No seed, and nothing else");
    let pruned = shop.verb("sync", &[]);
    assert_eq!(pruned.code, Some(0), "{}", pruned.whole());
    assert!(pruned.whole().contains("what was noted of its run goes"), "{}", pruned.whole());
    let inventory = shop.space.api::<ConfigMap>().get("cutover-shop").await.expect("the inventory");
    assert_eq!(inventory.data.unwrap_or_default().len(), 0);
    assert_eq!(shop.verb("plan", &["--detailed-exitcode"]).code, Some(0));
    shop.change(&[(other, &both)], "The seed again, and nothing else");
    let again = shop.verb("sync", &[]);
    assert!(again.whole().contains("create Job"), "it runs again: {}", again.whole());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn a_job_that_nobody_waits_for_runs_once_for_a_content_too() {
    let unawaited = JOB.replace("{name: seed}", "{name: seed, annotations: {cutover.dev/wait: disabled}}");
    for (purpose, spec, job) in
        [("unawaited", "sync: {timeout: 2m}", unawaited.as_str()), ("waitless", "sync: {wait: false}", JOB)]
    {
        let shop = KubeDesk::new(purpose, spec, job).await;
        assert_eq!(shop.verb("sync", &[]).code, Some(0));
        shop.space.wait_gone::<Job>("seed").await;
        let planned = shop.verb("plan", &["--detailed-exitcode"]);
        assert_eq!(planned.code, Some(0), "{purpose}: it would run again: {}", planned.whole());
        assert!(planned.stdout.contains("nobody saw its end"), "{purpose}: {}", planned.whole());
        shop.change(&[("seed:ok", "seed:v2-ok")], "Another content");
        let changed = shop.verb("sync", &[]);
        assert!(changed.whole().contains("create Job"), "{purpose}: {}", changed.whole());
    }
}

const POD: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: tool}
spec: {containers: [{name: a, image: 'registry.example/tool:v1'}]}
";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn a_pod_is_applied_changed_in_place_where_that_can_be_and_otherwise_refused_with_the_way() {
    let shop = KubeDesk::new("pod", "sync: {timeout: 1m}", POD).await;
    let first = shop.verb("sync", &[]);
    assert_eq!(first.code, Some(0), "{}", first.whole());
    let made = shop.space.api::<Pod>().get("tool").await.expect("there").uid();
    let planned = shop.verb("plan", &["--detailed-exitcode"]);
    assert_eq!(planned.code, Some(0), "what admission filled in is no difference: {}", planned.whole());
    shop.change(&[("tool:v1", "tool:v2")], "Another image");
    let second = shop.verb("sync", &[]);
    assert_eq!(second.code, Some(0), "{}", second.whole());
    let pod = shop.space.api::<Pod>().get("tool").await.expect("there");
    assert_eq!(pod.uid(), made, "in place");
    assert_eq!(pod.spec.expect("spec").containers[0].image.as_deref(), Some("registry.example/tool:v2"));
    shop.change(&[("name: a,", "name: a, env: [{name: TOKEN, value: hunter2}],")], "Something else");
    let refused = shop.verb("sync", &[]);
    assert_eq!(refused.code, Some(1), "{}", refused.whole());
    assert!(refused.stdout.contains("delete the Pod by hand"), "{}", refused.whole());
    assert!(!refused.stderr.contains("PodSpec{"), "the server's dump is not passed on: {}", refused.whole());
}

//! Returns of traffic behind a load balancer where the application's Lease may not be written any more.

use super::DONE;
use super::rig::Rig;
use crate::kube_support::User;
use aws_credential_types::Credentials;
use cutover::aws::Connect as ConnectAws;
use cutover::engine::{Deployment, Event, Ports, Run, RunEnd, Silent, StopSignal};
use cutover::kubernetes::{Cluster, Connect, KubeconfigSource};
use cutover::platform::kubernetes::Forcing;
use cutover::rollout::Action;
use cutover::simulator::{Fault, TargetFault};
use cutover::sites::{Accounts, KubernetesTarget};
use std::time::Duration;

/// Everything in the namespace but Leases.
const RIGHTS: &str = "\
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: without-leases}
rules:
- {apiGroups: ['', apps, autoscaling, policy, elbv2.k8s.aws], resources: ['*'], verbs: ['*']}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: without-leases}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: without-leases}
subjects: [{kind: User, apiGroup: rbac.authorization.k8s.io, name: restricted}]
";

const STEPS: &str = "steps: [{weight: 20, hold: 1h}, {weight: 100}]";

/// v1 live on green, and a fifth of the requests on v2, which is on blue; nobody may write Leases from now on.
async fn at_a_fifth(purpose: &str) -> Rig {
    let rig = Rig::start(purpose).await;
    assert_eq!(rig.run(&rig.commit("shop/web:v1", STEPS, "")).await, DONE);
    let is_shift = |event: &Event| matches!(event, Event::Wrote { action: Action::SetWeights { .. }, .. });
    let v2 = rig.commit("shop/web:v2", STEPS, "");
    let end = rig.process().await.run_until(&v2, is_shift).await;
    assert!(matches!(end, RunEnd::Stopped { .. }), "{end:?}");
    assert_eq!(rig.weights(), [20, 80]);
    rig.space.apply(RIGHTS).await;
    rig
}

/// The program, started anew by who may not write Leases.
async fn restricted(rig: &Rig, commit: &Deployment) -> KubernetesTarget {
    let kubeconfig = KubeconfigSource::Files(vec![rig.space.cluster.kubeconfig(User::Restricted)]);
    let cluster = Cluster::connect(Connect { kubeconfig, ..Connect::default() }).await.expect("a connection");
    let aws = Accounts::new(ConnectAws {
        region: Some("eu-central-1".into()),
        endpoint_url: Some(rig.simulator.endpoint().to_owned()),
        time_scale: 10,
        credentials: Some(Credentials::new("simulator", "simulator", None, None, "test")),
        ..ConnectAws::default()
    });
    let (application, space) = (&commit.application, &rig.space.name);
    KubernetesTarget::new(cluster, application, space, Forcing::Never, aws.region(None))
}

/// Runs the rollout for so long.
async fn run_for(seconds: u64, rig: &Rig, commit: &Deployment) -> RunEnd {
    let target = restricted(rig, commit).await;
    let rollout = commit.rollouts().remove(0);
    let mut run = Run::new(Ports { adapter: &target, watcher: &Silent }, &rollout);
    let end = run.to_the_end(Duration::from_secs(seconds), &StopSignal::default()).await;
    println!("{end:?}");
    end
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn a_revert_needs_no_lease_that_may_not_be_written() {
    let rig = at_a_fifth("without-revert").await;
    let end = run_for(60, &rig, &rig.commit("shop/web:v1", STEPS, "")).await;
    assert_eq!(rig.weights(), [0, 100], "{end:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn without_a_lease_nothing_goes_forward_and_a_version_that_fails_loses_its_requests() {
    let rig = at_a_fifth("without-forward").await;
    let onward = rig.commit("shop/web:v2", "steps: [{weight: 20, hold: 1s}, {weight: 100}]", "");
    let end = run_for(15, &rig, &onward).await;
    assert_eq!(rig.weights(), [20, 80], "{end:?}");
    let fault = Fault::Targets { target_group: "web-blue".into(), fault: TargetFault::Unhealthy };
    rig.simulator.with_world(|world| world.inject(fault));
    let end = run_for(60, &rig, &onward).await;
    assert_eq!(rig.weights(), [0, 100], "{end:?}");
}

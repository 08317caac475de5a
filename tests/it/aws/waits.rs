//! Waiting for others to bring an application about.

use super::places::deployment;
use super::{Rig, seconds};
use cutover::engine::{Silent, StopSignal, Verdict, follow};
use cutover::simulator::Failure;
use cutover::sites::EcsTarget;
use std::time::Duration;
use tokio::time::Instant;

#[tokio::test(start_paused = true)]
async fn who_waits_while_nothing_can_be_read_stops_when_told_to() {
    let rig = Rig::new().await;
    rig.inject("DescribeServices", Failure::Internal, u32::MAX);
    let deployment = deployment(0);
    let target = EcsTarget::new(rig.aws.without_guard(), &deployment.application, "prod", 1);
    let (stop, begun) = (StopSignal::default(), Instant::now());
    let told = async {
        seconds(600).await;
        stop.set();
    };
    let waits = follow(&target, &deployment, Duration::from_secs(3_600), &Silent, &stop);
    let (end, ()) = tokio::join!(waits, told);
    let (status, verdict) = end.expect("told to stop");
    assert_eq!((status.is_none(), verdict), (true, Verdict::Stopped), "nothing could be read");
    assert_eq!(begun.elapsed(), Duration::from_secs(600), "it went on reading");
}

//! The seats by themselves, on a real API server: shared out, handed over, taken over.

use crate::kube_support::{Proxy, Space, User};
use cutover::controller::Seats;
use cutover::engine::WRITE_BOUND;
use cutover::kubernetes::{Cluster, Connect, KubeconfigSource};
use cutover::model::AppKey;
use cutover::seats::LeasedSeats;
use std::time::{Duration, Instant};

const SEATS: u32 = 6;

struct Replica {
    proxy: Proxy,
    seats: LeasedSeats,
}

async fn replica(space: &Space, host: &str) -> Replica {
    let proxy = Proxy::start(space.cluster, User::Admin).await;
    let kubeconfig = KubeconfigSource::Files(vec![proxy.kubeconfig()]);
    let cluster = Cluster::connect(Connect { kubeconfig, ..Connect::default() }).await;
    let cluster = cluster.map_err(|trouble| trouble.to_string()).expect("a connection");
    Replica { proxy, seats: LeasedSeats::keep(cluster, &space.name, host, SEATS) }
}

/// Waits until the replicas hold so many seats each. All the time at most one of them passes the fence of a seat.
async fn until(replicas: &[Replica], want: &[usize]) -> Duration {
    let keys: Vec<AppKey> =
        (0..24).map(|number| AppKey { namespace: "team".into(), name: format!("app-{number}") }).collect();
    let begun = Instant::now();
    loop {
        for key in &keys {
            let fences: Vec<_> = replicas.iter().map(|replica| replica.seats.fence(key)).collect();
            let mut passing: Vec<usize> = (0..fences.len()).collect();
            // A fence that has closed never passes again, so those that pass both times did so at the same time.
            for _ in 0..2 {
                let mut still = vec![];
                for number in passing {
                    if fences[number].check().await.is_ok() {
                        still.push(number);
                    }
                }
                passing = still;
            }
            assert!(passing.len() <= 1, "{key}: {passing:?} may write");
        }
        let held: Vec<usize> = replicas.iter().map(|replica| replica.seats.held().len()).collect();
        if held == want {
            return begun.elapsed();
        }
        assert!(begun.elapsed() < Duration::from_secs(150), "{held:?} in place of {want:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn seats_are_shared_out_handed_over_and_taken_over() {
    let space = Space::new("seats").await;
    let mut replicas = vec![replica(&space, "one").await];
    println!("all seats are taken after {:.1?}", until(&replicas, &[6]).await);
    replicas.push(replica(&space, "two").await);
    replicas.push(replica(&space, "three").await);
    println!("they are shared out after {:.1?}", until(&replicas, &[2, 2, 2]).await);
    replicas[1].seats.leave().await;
    println!("handed over after {:.1?}", until(&replicas, &[3, 0, 3]).await);
    let key = AppKey { namespace: "team".into(), name: "app-0".into() };
    let lost = replicas.iter().position(|replica| replica.seats.holds(&key)).expect("a holder");
    let fence = replicas[lost].seats.fence(&key);
    let seat = fence.seat().expect("a seat");
    replicas[lost].proxy.set_away(true);
    let want = if lost == 0 { [0, 0, 6] } else { [6, 0, 0] };
    let took = until(&replicas, &want).await;
    println!("taken over after {took:.1?}");
    assert!(took > WRITE_BOUND, "a write of the old holder could be under way");
    assert!(fence.check().await.is_err());
    assert_eq!(replicas[2 - lost].seats.fence(&key).seat(), Some(seat), "it is another seat");
    drop(fence);
    replicas[lost].proxy.set_away(false);
    println!("shared out again after {:.1?}", until(&replicas, &[3, 0, 3]).await);
}

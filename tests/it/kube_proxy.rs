//! The proxy of the Kubernetes tests does what it says, before an API server made of one function.

use crate::kube_support::{Asked, Fault, Proxy, Which};
use cutover::engine::TroubleKind;
use cutover::kubernetes::{Apply, Cluster, Connect, KubeconfigSource, Refusal, Resource, Verb};
use http::{Method, Request, Response};
use kube::client::Body;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The API server, which only keeps what arrived.
type Arrived = Arc<Mutex<Vec<String>>>;

async fn proxy() -> (Proxy, Arrived, Cluster) {
    let arrived = Arrived::default();
    let keep = Arc::clone(&arrived);
    let service = tower::service_fn(move |request: Request<Body>| {
        keep.lock().expect("a lock").push(format!("{} {}", request.method(), request.uri().path()));
        let body = json!({"kind": "ConfigMap", "metadata": {"name": "a"}}).to_string();
        async { Ok::<_, http::Error>(Response::new(Body::from(body.into_bytes()))) }
    });
    let proxy = Proxy::before(kube::Client::new(service, "default")).await;
    let kubeconfig = KubeconfigSource::Files(vec![proxy.kubeconfig()]);
    let cluster = Cluster::connect(Connect { kubeconfig, ..Connect::default() }).await;
    (proxy, arrived, cluster.map_err(|trouble| trouble.to_string()).expect("a connection"))
}

fn config_maps() -> Resource {
    Resource::known("", "v1", "ConfigMap", "configmaps", true)
}

async fn apply(cluster: &Cluster) -> Result<Value, TroubleKind> {
    let body = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}});
    let applied = cluster.apply(&config_maps(), Some("shop"), &body, Apply::default()).await;
    applied.map_err(|refusal| match refusal {
        Refusal::Trouble(trouble) => trouble.kind,
        other => panic!("{other:?}"),
    })
}

#[test]
fn requests_are_told_by_method_path_and_query() {
    let told = |method: Method, path: &str, content_type: &str| {
        let asked = Asked::of(&method, path, content_type, b"");
        format!("{} | {}", asked, asked.namespace.as_deref().unwrap_or_default())
    };
    let apply = "application/apply-patch+yaml";
    let told = [
        told(Method::GET, "/apis", ""),
        told(Method::GET, "/api/v1", ""),
        told(Method::GET, "/api/v1/namespaces", ""),
        told(Method::GET, "/api/v1/namespaces/shop", ""),
        told(Method::GET, "/api/v1/namespaces/shop/configmaps?limit=500", ""),
        told(Method::GET, "/apis/apps/v1/namespaces/shop/deployments/web", ""),
        told(Method::GET, "/apis/apps/v1/deployments?watch=1&resourceVersion=7", ""),
        told(Method::PATCH, "/apis/apps/v1/namespaces/shop/deployments/web?fieldManager=c", apply),
        told(Method::PATCH, "/apis/apps/v1/namespaces/shop/deployments/web?dryRun=All&force=true", apply),
        told(
            Method::PATCH,
            "/apis/apps/v1/namespaces/shop/deployments/web/status",
            "application/merge-patch+json",
        ),
        told(Method::POST, "/apis/coordination.k8s.io/v1/namespaces/shop/leases", ""),
        told(Method::PUT, "/apis/coordination.k8s.io/v1/namespaces/shop/leases/cutover-shop", ""),
        told(Method::DELETE, "/apis/rbac.authorization.k8s.io/v1/clusterroles/shop", ""),
    ];
    insta::assert_snapshot!(told.join("\n"), @r"
    discover /apis | 
    discover /api/v1 | 
    list namespaces | 
    get namespaces shop | 
    list configmaps | shop
    get deployments.apps web | shop
    watch deployments.apps | 
    apply deployments.apps web | shop
    dry-run deployments.apps web | shop
    patch deployments.apps/status web | shop
    create leases.coordination.k8s.io | shop
    replace leases.coordination.k8s.io cutover-shop | shop
    delete clusterroles.rbac.authorization.k8s.io shop | 
    ");
}

#[tokio::test]
async fn what_is_not_disturbed_passes_and_is_counted() {
    let (proxy, arrived, cluster) = proxy().await;
    assert!(apply(&cluster).await.is_ok());
    assert!(cluster.get(&config_maps(), Some("shop"), "a").await.is_ok());
    let counts: Vec<(String, usize)> = proxy.counts().into_iter().collect();
    assert_eq!(counts, [("apply configmaps".to_owned(), 1), ("get configmaps".to_owned(), 1)]);
    assert_eq!(proxy.writes().len(), 1);
    assert_eq!(proxy.writes()[0].body.as_ref().map(|body| &body["kind"]), Some(&"ConfigMap".into()));
    assert!(proxy.bytes() > 0);
    assert_eq!(arrived.lock().expect("a lock").len(), 2);
    proxy.forget();
    assert_eq!((proxy.asked(), proxy.bytes()), (vec![], 0));
}

#[tokio::test]
async fn the_nth_write_is_lost_unanswered_doubled_or_refused_and_no_other_one() {
    let faults = [
        (Fault::RequestLost, 0, Some(TroubleKind::Transient)),
        (Fault::AnswerLost, 1, Some(TroubleKind::Transient)),
        (Fault::Twice, 2, None),
        (Fault::Delayed(Duration::from_millis(20)), 1, None),
        (Fault::Refused(429), 0, Some(TroubleKind::Transient)),
        (Fault::Refused(500), 0, Some(TroubleKind::Transient)),
        (Fault::Refused(503), 0, Some(TroubleKind::Transient)),
    ];
    for (fault, arrives, wanted) in faults {
        let (proxy, arrived, cluster) = proxy().await;
        proxy.disturb(Which::Write(2), fault);
        let count = || arrived.lock().expect("a lock").len();
        assert!(apply(&cluster).await.is_ok(), "{fault:?}: the first");
        assert!(cluster.get(&config_maps(), Some("shop"), "a").await.is_ok(), "{fault:?}: a read");
        let before = count();
        assert_eq!(apply(&cluster).await.err(), wanted, "{fault:?}");
        assert_eq!(count() - before, arrives, "{fault:?}");
        assert!(apply(&cluster).await.is_ok(), "{fault:?}: the third");
    }
}

#[tokio::test]
async fn a_dead_process_asks_nothing_more() {
    for (fault, arrives) in [(Fault::DeadBefore, 0), (Fault::DeadAfter, 1), (Fault::DeadUnanswered, 1)] {
        let (proxy, arrived, cluster) = proxy().await;
        proxy.disturb(Which::Write(1), fault);
        tokio::select! {
            () = proxy.dead() => {}
            () = async { loop { let _ = apply(&cluster).await; } } => {}
        }
        assert_eq!(arrived.lock().expect("a lock").len(), arrives, "{fault:?}");
    }
}

#[tokio::test]
async fn any_request_can_be_disturbed_and_a_read_is_made_again() {
    let (proxy, arrived, cluster) = proxy().await;
    proxy.disturb(Which::Request(1), Fault::Refused(503));
    proxy.disturb(Which::Request(2), Fault::AnswerLost);
    assert!(cluster.get(&config_maps(), Some("shop"), "a").await.is_ok());
    assert_eq!((proxy.asked().len(), arrived.lock().expect("a lock").len()), (3, 2));
    assert_eq!(proxy.asked()[0].verb, Verb::Get);
}

#[tokio::test]
async fn a_check_before_a_write_can_complain_of_it() {
    let (proxy, _, cluster) = proxy().await;
    proxy.check_writes(Arc::new(|asked| Box::pin(async move { Some(asked.resource) })));
    assert!(cluster.get(&config_maps(), Some("shop"), "a").await.is_ok());
    assert!(apply(&cluster).await.is_ok());
    assert_eq!(proxy.complaints(), ["apply configmaps a: configmaps"]);
}

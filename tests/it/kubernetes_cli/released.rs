//! A BlueGreen that is taken out of Git while nothing is under way: one Deployment is left, with all requests on it, and
//! none is lost on the way there.

use super::desk::KubeDesk;
use super::rollouts::{ROUTE, WEB, routes};
use crate::kube_support::{Space, dial_address};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::ResourceExt;
use kube::api::{Api, DynamicObject, ListParams};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

const PRUNES: &str = "sync: {timeout: 4m, prune: true, pruneLimit: 100%}";
/// How long what resolved an address may be behind on a busy machine, in looks of 150 milliseconds. Pods that only come up
/// once the Service is moved take longer.
const LOOKS: usize = 10;
const LOOK: Duration = Duration::from_millis(150);

/// The documents without the BlueGreen.
fn plain(documents: &str) -> String {
    let end = documents.find("---\napiVersion: cutover.dev").expect("a BlueGreen");
    documents[..end].to_owned()
}

#[derive(Default)]
struct Seen {
    answers: BTreeMap<String, usize>,
    lost: Vec<String>,
}

impl Seen {
    fn note(&mut self, answer: Result<String, String>) {
        match answer {
            Ok(image) => *self.answers.entry(image).or_default() += 1,
            Err(why) => self.lost.push(why),
        }
    }
}

/// Requests to whatever the Service, or the route's Services, lead to at the moment.
struct Requests {
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

impl Requests {
    fn start(space: &Space, route: Option<Api<DynamicObject>>) -> Requests {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let slices: Api<EndpointSlice> = space.api();
        let told = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            for number in 0.. {
                let mut answer = ask(&slices, route.as_ref(), number).await;
                for _ in 0..LOOKS {
                    if answer.is_ok() {
                        break;
                    }
                    tokio::time::sleep(LOOK).await;
                    answer = ask(&slices, route.as_ref(), number).await;
                }
                told.lock().expect("no panic").note(answer);
                tokio::time::sleep(Duration::from_millis(40)).await;
            }
        });
        Requests { seen, task }
    }

    /// The images that answered.
    fn end(self) -> BTreeSet<String> {
        self.task.abort();
        let seen = self.seen.lock().expect("no panic");
        assert_eq!(seen.lost, [""; 0], "lost, of {:?}", seen.answers);
        assert!(seen.answers.values().sum::<usize>() > 10, "{:?}", seen.answers);
        seen.answers.keys().cloned().collect()
    }
}

async fn ask(
    slices: &Api<EndpointSlice>,
    route: Option<&Api<DynamicObject>>,
    number: usize,
) -> Result<String, String> {
    let service = match route {
        None => "web".to_owned(),
        Some(route) => {
            let route = route.get("web").await.map_err(|error| error.to_string())?;
            let backends =
                route.data["spec"]["rules"][0]["backendRefs"].as_array().cloned().unwrap_or_default();
            let weighted = backends.iter().find(|backend| backend["weight"] != 0);
            weighted.and_then(|backend| backend["name"].as_str()).ok_or("no backend")?.to_owned()
        }
    };
    let named = ListParams::default().labels(&format!("kubernetes.io/service-name={service}"));
    let found = slices.list(&named).await.map_err(|error| error.to_string())?;
    let endpoints = found.iter().flat_map(|slice| slice.endpoints.iter().flatten());
    let ready =
        endpoints.filter(|one| one.conditions.as_ref().is_some_and(|state| state.ready == Some(true)));
    let addresses: Vec<&String> = ready.flat_map(|endpoint| &endpoint.addresses).collect();
    let address = addresses.get(number % addresses.len().max(1)).ok_or(format!("{service}: no endpoint"))?;
    let pod: Ipv4Addr = address.parse().map_err(|_| format!("{address} is no address"))?;
    get(dial_address(pod)).await.map_err(|error| format!("{service} at {address}: {error}"))
}

/// The image that answers there.
async fn get(address: Ipv4Addr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect((address, 8080)).await?;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let image = answer.lines().find_map(|line| line.strip_prefix("x-image: "));
    match image {
        Some(image) if answer.starts_with("HTTP/1.1 200") => Ok(image.to_owned()),
        _ => Err(std::io::Error::other(answer)),
    }
}

async fn selector(shop: &KubeDesk) -> BTreeMap<String, String> {
    let service = shop.space.api::<Service>().get("web").await.expect("the Service");
    service.spec.and_then(|spec| spec.selector).unwrap_or_default()
}

async fn deployments(shop: &KubeDesk) -> Vec<String> {
    let found = shop.space.api::<Deployment>().list(&ListParams::default()).await.expect("Deployments");
    found.iter().map(ResourceExt::name_any).collect()
}

fn take_out(shop: &KubeDesk) {
    let text = plain(&shop.desk.read("deploy/shop.yaml"));
    shop.desk.write("deploy/shop.yaml", &text);
    tokio::task::block_in_place(|| shop.desk.commit("Without blue/green"));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn a_blue_green_taken_out_of_git_leaves_one_deployment_with_all_requests_on_it() {
    let shop = KubeDesk::new("released", PRUNES, WEB).await;
    assert_eq!(shop.verb("sync", &[]).code, Some(0));
    shop.change(&[("web:v1", "web:v2")], "Version 2");
    assert_eq!(shop.verb("sync", &[]).code, Some(0));

    take_out(&shop);
    let requests = Requests::start(&shop.space, None);
    let released = shop.verb("sync", &[]);
    assert_eq!(released.code, Some(0), "{}", released.whole());
    assert_eq!(deployments(&shop).await, ["web"], "{}", released.whole());
    assert_eq!(selector(&shop).await, [("app".to_owned(), "web".to_owned())].into());
    let answered = requests.end();
    assert_eq!(answered, ["registry.example/web:v2".to_owned()].into(), "the warm version 1 got requests");
    let idle = shop.verb("plan", &["--detailed-exitcode"]);
    assert_eq!(idle.code, Some(0), "{}", idle.whole());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn beside_an_adopted_slot_the_deployment_takes_over_and_without_prune_the_other_slot_stays() {
    let shop = KubeDesk::new("released-adopted", "sync: {timeout: 4m}", &plain(WEB)).await;
    assert_eq!(shop.verb("sync", &[]).code, Some(0));
    let adopting = WEB
        .replace("traffic: {service: web}", "traffic: {service: web}\n  slots: {blue: {deployment: web}}")
        .replace("web:v1", "web:v2");
    shop.desk.write("deploy/shop.yaml", &adopting);
    tokio::task::block_in_place(|| shop.desk.commit("Blue/green, and version 2"));
    let adopted = shop.verb("sync", &[]);
    assert_eq!(adopted.code, Some(0), "{}", adopted.whole());
    assert_eq!(selector(&shop).await["app"], "web-green");

    take_out(&shop);
    let requests = Requests::start(&shop.space, None);
    let released = shop.verb("sync", &[]);
    assert_eq!(released.code, Some(0), "{}", released.whole());
    assert_eq!(selector(&shop).await, [("app".to_owned(), "web".to_owned())].into());
    let answered = requests.end();
    assert_eq!(answered, ["registry.example/web:v2".to_owned()].into(), "the former version got requests");
    assert_eq!(deployments(&shop).await, ["web", "web-green"]);
    assert!(released.whole().contains("no longer in Git and left alone"), "{}", released.whole());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn slots_whose_pods_a_plain_service_would_reach_stay_with_the_service_until_they_may_go() {
    let shop = KubeDesk::new("released-held", "sync: {timeout: 4m}", WEB).await;
    assert_eq!(shop.verb("sync", &[]).code, Some(0));
    take_out(&shop);
    let requests = Requests::start(&shop.space, None);
    let held = shop.verb("sync", &[]);
    assert_eq!(held.code, Some(1), "{}", held.whole());
    assert!(held.whole().contains("would reach the pods of"), "{}", held.whole());
    assert_eq!(selector(&shop).await["cutover.dev/slot"], "green");
    shop.desk.write(
        "shop.yaml",
        &shop.desk.read("shop.yaml").replace("timeout: 4m", "timeout: 4m, prune: true, pruneLimit: 100%"),
    );
    let released = shop.verb("sync", &[]);
    assert_eq!(released.code, Some(0), "{}", released.whole());
    assert_eq!(deployments(&shop).await, ["web"], "{}", released.whole());
    requests.end();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn an_http_route_is_moved_to_the_plain_service_when_its_deployment_stands() {
    let documents = format!("{ROUTE}{}", WEB.replace("traffic: {service: web}", "traffic: {httpRoute: web}"));
    let shop = KubeDesk::new("released-route", PRUNES, &documents).await;
    let routes = routes(&shop).await;
    assert_eq!(shop.verb("sync", &[]).code, Some(0));
    take_out(&shop);
    let requests = Requests::start(&shop.space, Some(routes.clone()));
    let released = shop.verb("sync", &[]);
    assert_eq!(released.code, Some(0), "{}", released.whole());
    let route = routes.get("web").await.expect("the route");
    let backends = &route.data["spec"]["rules"][0]["backendRefs"];
    assert_eq!((backends.as_array().map(Vec::len), &backends[0]["name"]), (Some(1), &"web".into()));
    requests.end();
    assert_eq!(deployments(&shop).await, ["web"], "{}", released.whole());
}

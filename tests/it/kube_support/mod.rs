//! A real Kubernetes control plane for tests, pods that behave as their images are named, and a proxy that disturbs.
//!
//! ```ignore
//! #[tokio::test(flavor = "multi_thread")]
//! #[ignore = "needs kube-apiserver: tests/kubernetes/run"]
//! async fn a_deployment_becomes_available() {
//!     let space = kube_support::Space::new("web").await;          // a namespace of the test's own
//!     space.apply("apiVersion: apps/v1\nkind: Deployment\n…").await;
//!     space.wait_for("web", "it is available", |d: &Deployment| …).await;
//! }
//! ```
//!
//! - `servers::cluster()` starts etcd, kube-apiserver, kube-controller-manager and the kubelet once for the whole program
//!   (three seconds); everything ends with the process, even if that is killed. It gives `config(User)`,
//!   `client(User)` and `kubeconfig(User)`, a file for the program under test. There is no scheduler: the kubelet takes
//!   every pod. Clients belong to the runtime they are made in, so each test makes its own.
//! - What a pod does is said by its images' tags, in the words of the simulator and some more: see [`life`]. A second
//!   of a tag is [`SECOND`] of real time.
//! - A pod has an address in 10.0.0.0/8, because Kubernetes refuses loopback addresses in EndpointSlices. Its servers
//!   really listen on the same address in 127.0.0.0/8: [`dial_address`] is from one to the other.
#![allow(dead_code, unused_imports, reason = "tests and benches use different parts")]

mod addresses;
mod definition;
mod kubelet;
pub mod life;
mod pod_server;
mod process;
mod proxy;
mod run;
mod servers;
mod space;
mod status;

pub use addresses::dial_address;
pub use definition::define_applications;
pub use kubelet::SECOND;
pub use proxy::{Asked, Check, Fault, Proxy, Which};
pub use run::Process;
pub use servers::User;
pub use space::Space;

//! The same clients over real connections.

use crate::git_servers::Closed;
use cutover::aws::{Aws, Connect};
use cutover::engine::TroubleKind;
use cutover::platform::ecs::Ecs;
use cutover::simulator::shell::{Simulator, StartOptions};

fn options(endpoint: String) -> Connect {
    let credentials = aws_credential_types::Credentials::new("AKIATEST", "secret", None, None, "test");
    Connect {
        region: Some("eu-central-1".into()),
        endpoint_url: Some(endpoint),
        credentials: Some(credentials),
        ..Connect::default()
    }
}

#[tokio::test]
async fn the_real_http_client_reaches_an_endpoint_of_this_machine() {
    let simulator = Simulator::start(StartOptions::default()).expect("a simulator");
    let aws = Aws::connect(options(simulator.endpoint().to_owned())).await.unwrap();
    assert_eq!(aws.identity().await.unwrap().0, "000000000000");
    let trouble = Ecs::new(aws.clone(), "nowhere").list_owned("shop").await.unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Missing, "{trouble}");
    assert_eq!(aws.region(), "eu-central-1");
}

#[tokio::test]
async fn an_endpoint_where_nobody_listens_is_a_passing_trouble_that_says_so() {
    let closed = Closed::new();
    let aws = Aws::connect(options(format!("http://{}", closed.address))).await.unwrap();
    let trouble = aws.identity().await.unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Transient);
    assert!(trouble.to_string().contains("GetCallerIdentity"), "{trouble}");
}

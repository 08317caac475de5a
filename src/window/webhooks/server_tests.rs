//! Deliveries from end to end, by the requests that providers send.

use super::*;
use crate::model::AppKey;
use axum::http::Request;
use http_body_util::BodyExt;
use ring::hmac;
use tower::ServiceExt;

const PUSH: &str = r#"{"repository":{"clone_url":"https://git.example/acme/deploy.git"}}"#;

struct Desk {
    router: Router,
    nudges: mpsc::Receiver<Nudge>,
    /// Holds the secrets' files.
    folder: tempfile::TempDir,
}

fn desk() -> Desk {
    let folder = tempfile::tempdir().expect("folder");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("secret");
        path
    };
    let secrets = [
        (Provider::GitHub, vec![file("old", "old\n"), file("new", "new")]),
        (Provider::GitLab, vec![file("token", "token\r\n")]),
        (Provider::Generic, vec![file("empty", "\n"), folder.path().join("missing")]),
    ];
    let (sender, nudges) = mpsc::channel(2);
    let secrets = WebhookSecrets(secrets.into());
    let board = Arc::new(Board::default());
    let key = AppKey { namespace: "shop".into(), name: "web".into() };
    board.change(&key, |entry| entry.repository = "git@git.example:Acme/deploy".into());
    let door = WebhookDoor { secrets, nudges: sender, board, metrics: Arc::new(Metrics::default()) };
    Desk { router: router(door), nudges, folder }
}

fn github(secret: &str, body: &str) -> Request<Body> {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), body.as_bytes());
    let signature = format!("sha256={}", data_encoding::HEXLOWER.encode(tag.as_ref()));
    Request::post("/github")
        .header("x-github-event", "push")
        .header("x-hub-signature-256", signature)
        .body(Body::from(body.to_owned()))
        .expect("request")
}

fn post(path: &str, headers: &[(&str, &str)], body: &str) -> Request<Body> {
    let request =
        headers.iter().fold(Request::post(path), |request, (name, value)| request.header(*name, *value));
    request.body(Body::from(body.to_owned())).expect("request")
}

impl Desk {
    async fn send(&self, request: Request<Body>) -> (u16, String) {
        let response = self.router.clone().oneshot(request).await.expect("response");
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.expect("body").to_bytes();
        (status, String::from_utf8(body.to_vec()).expect("UTF-8"))
    }
}

#[tokio::test]
async fn a_push_that_is_signed_with_any_good_secret_is_a_nudge() {
    let mut desk = desk();
    let urls = vec!["https://git.example/acme/deploy.git".to_owned()];
    for secret in ["old", "new"] {
        assert_eq!(desk.send(github(secret, PUSH)).await.0, 202);
        assert_eq!(desk.nudges.try_recv(), Ok(Nudge::Repository(urls.clone())));
    }
    let headers = [("x-gitlab-token", "token"), ("x-gitlab-event", "Push Hook")];
    assert_eq!(desk.send(post("/gitlab", &headers, PUSH)).await.0, 202);
    assert_eq!(desk.nudges.try_recv(), Ok(Nudge::Repository(urls)));
}

#[tokio::test]
async fn a_push_to_a_repository_that_no_application_has_is_told_so() {
    let mut desk = desk();
    let (status, told) = desk.send(github("new", &PUSH.replace("deploy", "renamed"))).await;
    assert_eq!(status, 200);
    assert!(told.contains("no Application reads this repository"), "{told}");
    assert!(desk.nudges.try_recv().is_err());
}

#[tokio::test]
async fn a_secret_that_changes_under_the_program_counts_at_once() {
    let desk = desk();
    std::fs::write(desk.folder.path().join("new"), "newest").expect("secret");
    assert_eq!(desk.send(github("new", PUSH)).await.0, 401);
    assert_eq!(desk.send(github("newest", PUSH)).await.0, 202);
}

#[tokio::test]
async fn what_is_not_genuine_is_answered_alike_and_changes_nothing() {
    let mut desk = desk();
    let refused = [
        github("wrong", PUSH),
        post("/github", &[("x-github-event", "push")], PUSH),
        post("/github", &[("x-hub-signature-256", "sha256=zz")], "not even JSON"),
        post("/gitlab", &[("x-gitlab-token", "")], PUSH),
        // Neither an empty secret nor one that can't be read lets anybody in.
        post("/generic", &[("authorization", "Bearer ")], PUSH),
    ];
    for request in refused {
        let reply = desk.send(request).await;
        assert_eq!(reply, (401, "the signature or token is missing or wrong\n".to_owned()));
    }
    let missing = (404, "no webhook is expected here\n".to_owned());
    assert_eq!(desk.send(post("/gitea", &[], PUSH)).await, missing, "no secret for it");
    assert_eq!(desk.send(post("/nobody", &[], PUSH)).await, missing);
    assert!(desk.nudges.try_recv().is_err());
}

#[tokio::test]
async fn what_tells_of_no_push_or_is_no_json_or_comes_too_fast_is_told_so() {
    let desk = desk();
    let mut ping = github("new", r#"{"zen":"…"}"#);
    ping.headers_mut().insert("x-github-event", "ping".parse().expect("value"));
    assert_eq!(desk.send(ping).await.0, 200);
    assert_eq!(desk.send(github("new", r#"{"repository":{}}"#)).await.0, 200);
    assert_eq!(desk.send(github("new", "{")).await.0, 400);
    assert_eq!(desk.send(github("new", &" ".repeat(BODY_BYTES + 1))).await.0, 413);
    assert_eq!(desk.send(github("new", PUSH)).await.0, 202);
    assert_eq!(desk.send(github("new", PUSH)).await.0, 202);
    assert_eq!(desk.send(github("new", PUSH)).await.0, 503, "two wait already");
}

#[tokio::test(start_paused = true)]
async fn a_flood_to_one_provider_leaves_the_others_alone() {
    let desk = desk();
    for _ in 0..100 {
        assert_eq!(desk.send(github("wrong", PUSH)).await.0, 401);
    }
    assert_eq!(desk.send(github("new", PUSH)).await.0, 429);
    let headers = [("x-gitlab-token", "token"), ("x-gitlab-event", "Push Hook")];
    assert_eq!(desk.send(post("/gitlab", &headers, PUSH)).await.0, 202);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(desk.send(github("new", PUSH)).await.0, 202);
}

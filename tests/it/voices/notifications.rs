//! What targets get, and that none of them holds anybody up.

use super::occurrence;
use super::server::HttpServer;
use cutover::config::json_schema;
use cutover::controller::{Occurrence, OccurrenceKind, Voice};
use cutover::model::{Kind, Notification};
use cutover::voices::{Counts, Notifier};
use serde_json::{Value, json};
use std::net::TcpListener;
use std::time::Duration;
use tempfile::TempDir;

const LONG: Duration = Duration::from_secs(120);

/// Files with secrets.
struct Files(TempDir);

impl Files {
    fn new() -> Files {
        Files(tempfile::tempdir().unwrap())
    }

    fn put(&self, name: &str, text: &str) -> String {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }
}

fn notifier(notifications: Value) -> Notifier {
    let list: Vec<Notification> = serde_json::from_value(notifications).unwrap();
    Notifier::start(&list).unwrap()
}

/// Waits until so many have been sent or given up.
fn settled(notifier: &Notifier, count: u64) -> Vec<Counts> {
    let start = std::time::Instant::now();
    loop {
        let counts = notifier.counts();
        if counts.iter().map(|counts| counts.sent + counts.failed).sum::<u64>() >= count {
            return counts;
        }
        assert!(start.elapsed() < LONG, "{counts:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_webhook_gets_the_occurrence_as_json_with_a_signature() {
    let (files, server) = (Files::new(), HttpServer::start(|_| (200, String::new())));
    let secret_file = files.put("secret", "It's a Secret\n");
    let url = format!("{}/hook", server.url());
    let notifier =
        notifier(json!([{"name": "audit", "to": {"webhook": {"url": url, "secretFile": secret_file}}}]));
    let failed = occurrence(OccurrenceKind::RolloutFailed, "git.example", "2 of 3 targets are unhealthy");
    notifier.tell(&failed);
    let request = server.next();
    assert_eq!((request.line.as_str(), request.header("x-cutover-event")), ("POST /hook", "RolloutFailed"));
    assert_eq!(
        request.json(),
        json!({
            "application": {"namespace": "team-a", "name": "shop"}, "uid": "0123", "kind": "RolloutFailed",
            "workload": "web", "revision": "0123456789abcdef0123456789abcdef01234567",
            "repository": "https://git.example/acme/deploy.git", "text": "2 of 3 targets are unhealthy",
            "time": "2025-11-25T21:19:16Z", "isWarning": true
        })
    );
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"It's a Secret");
    let hex = request.header("x-cutover-signature").strip_prefix("sha256=").unwrap().as_bytes().to_vec();
    let signature = data_encoding::HEXLOWER.decode(&hex).unwrap();
    assert!(ring::hmac::verify(&key, &request.body, &signature).is_ok());

    // A new secret is used from the next message on, and the same news are not told twice.
    files.put("secret", "another");
    notifier.tell(&failed);
    notifier.tell(&occurrence(OccurrenceKind::Synced, "git.example", "in sync"));
    let request = server.next();
    assert_eq!(request.header("x-cutover-event"), "Synced");
    let want = ring::hmac::sign(&ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"another"), &request.body);
    assert_eq!(
        request.header("x-cutover-signature"),
        format!("sha256={}", data_encoding::HEXLOWER.encode(want.as_ref()))
    );
    assert_eq!(settled(&notifier, 2)[0], Counts { name: "audit".into(), sent: 2, ..Counts::default() });
    notifier.stop(LONG);
    assert!(server.is_quiet());
}

#[test]
fn slack_gets_what_is_asked_for_of_the_applications_asked_for() {
    let (files, server) = (Files::new(), HttpServer::start(|_| (200, "ok".into())));
    let url_file = files.put("url", &format!("{}/services/T/B/x", server.url()));
    let notifier = notifier(json!([{
        "name": "team-a", "kinds": ["RolloutFailed"], "applications": ["team-a/*"], "to": {"slack": {"urlFile": url_file}}
    }]));
    let failed = occurrence(OccurrenceKind::RolloutFailed, "git.example", "<b>");
    let mut elsewhere = failed.clone();
    elsewhere.application.namespace = "team-b".into();
    notifier.tell(&occurrence(OccurrenceKind::Synced, "git.example", "in sync"));
    notifier.tell(&elsewhere);
    notifier.tell(&failed);
    let request = server.next();
    assert_eq!(request.line, "POST /services/T/B/x");
    let text =
        ":x: *team-a/shop* web: rollout failed `0123456`\n&lt;b&gt;\n_https://git.example/acme/deploy.git_";
    assert_eq!(request.json(), json!({"text": text}));
    settled(&notifier, 1);
    notifier.stop(LONG);
    assert!(server.is_quiet());
}

#[test]
fn a_commit_on_github_is_pending_and_then_what_came_of_it() {
    let (files, server) = (Files::new(), HttpServer::start(|_| (201, "{}".into())));
    let token_file = files.put("token", "geheim\n");
    let notifier = notifier(json!([{"name": "commits", "kinds": ["Synced"], "to": {"github": {
        "tokenFile": token_file, "apiURL": server.url(), "targetURL": "https://cutover.example/#/{namespace}/{name}"
    }}}]));
    let told = [
        (OccurrenceKind::SyncStarted, "3 changes", Some("pending")),
        (OccurrenceKind::RolloutProgressed, "shifting", Some("pending")),
        (OccurrenceKind::RolloutProgressed, "shifting", None),
        (OccurrenceKind::DriftFound, "a drift", None),
        (OccurrenceKind::RolloutFailed, "unhealthy", Some("failure")),
        (OccurrenceKind::Synced, "in sync", Some("success")),
        (OccurrenceKind::RolloutFailed, "unhealthy", Some("failure")),
    ];
    for (kind, text, state) in told {
        notifier.tell(&occurrence(kind, "127.0.0.1", text));
        notifier.tell(&occurrence(kind, "github.com", text));
        let Some(state) = state else { continue };
        let request = server.next();
        assert_eq!(request.line, "POST /repos/acme/deploy/statuses/0123456789abcdef0123456789abcdef01234567");
        assert_eq!(request.header("authorization"), "Bearer geheim");
        let want = json!({
            "state": state, "context": "cutover/team-a/shop", "description": format!("web: {text}"),
            "target_url": "https://cutover.example/#/team-a/shop"
        });
        assert_eq!(request.json(), want);
    }
    notifier.stop(LONG);
    assert!(server.is_quiet());
}

#[test]
fn gitlab_is_told_by_project_path_and_a_state_that_it_has_already_is_no_failure() {
    let refuse = r#"{"message":"Cannot transition status via :run from :running"}"#;
    let (files, server) = (Files::new(), HttpServer::start(move |_| (400, refuse.into())));
    let token_file = files.put("token", "geheim");
    let api = format!("{}/api/v4", server.url());
    let notifier =
        notifier(json!([{"name": "commits", "to": {"gitlab": {"tokenFile": token_file, "apiURL": api}}}]));
    notifier.tell(&occurrence(OccurrenceKind::SyncFailed, "127.0.0.1", "it failed"));
    let request = server.next();
    assert_eq!(
        request.line,
        "POST /api/v4/projects/acme%2Fdeploy/statuses/0123456789abcdef0123456789abcdef01234567"
    );
    assert_eq!((request.header("private-token"), &request.json()["state"]), ("geheim", &json!("failed")));
    assert_eq!(settled(&notifier, 1)[0].sent, 1);
}

#[test]
fn a_target_that_never_answers_holds_up_neither_the_caller_nor_the_others() {
    // It accepts connections and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent_url = format!("http://{}/", silent.local_addr().unwrap());
    let server = HttpServer::start(|_| (200, String::new()));
    let notifier = notifier(json!([
        {"name": "silent", "to": {"webhook": {"url": silent_url}}},
        {"name": "fine", "to": {"webhook": {"url": server.url()}}}
    ]));
    for number in 0..600 {
        notifier.tell(&occurrence(OccurrenceKind::SyncFailed, "git.example", &format!("failure {number}")));
    }
    server.next();
    let counts = notifier.counts();
    assert_eq!((counts[0].sent, counts[0].failed), (0, 0), "{counts:?}");
    assert!(counts[0].dropped >= 300, "{counts:?}");
}

#[test]
fn a_refusal_is_final_and_its_reason_names_no_secret() {
    let (files, server) = (Files::new(), HttpServer::start(|_| (404, "no_service".into())));
    let url_file = files.put("url", &format!("{}/services/geheim", server.url()));
    let lines = super::logs::captured(|| {
        let notifier = notifier(json!([{"name": "team-a", "to": {"slack": {"urlFile": url_file}}}]));
        notifier.tell(&occurrence(OccurrenceKind::Synced, "git.example", "in sync"));
        let counts = settled(&notifier, 1);
        assert_eq!((counts[0].sent, counts[0].failed), (0, 1));
        notifier.stop(LONG);
    });
    assert!(lines.contains("a notification was not sent: the answer was HTTP status 404"), "{lines}");
    assert!(!lines.contains("geheim"), "{lines}");
    assert_eq!(server.next().line, "POST /services/geheim");
    assert!(server.is_quiet());
}

#[test]
fn every_kind_of_occurrence_can_be_asked_for_by_its_name() {
    use OccurrenceKind::*;
    let all = [
        SyncStarted,
        Synced,
        DriftFound,
        DriftRepaired,
        RolloutProgressed,
        AwaitingApproval,
        RolloutFailed,
        SyncFailed,
        Superseded,
        Suspended,
        Resumed,
        Refused,
        SourceFailed,
        RequestHandled,
        DeletionStuck,
        LeftUnwatched,
        Deleted,
    ];
    // A kind that is new has to be added above and to the table of shapes.
    let known = |occurrence: &Occurrence| match occurrence.kind {
        SyncStarted | Synced | DriftFound | DriftRepaired | RolloutProgressed | AwaitingApproval
        | RolloutFailed | SyncFailed | Superseded | Suspended | Resumed | Refused | SourceFailed
        | RequestHandled | DeletionStuck | LeftUnwatched | Deleted => true,
    };
    assert!(known(&occurrence(Synced, "git.example", "")));
    let schema = json_schema(Kind::ControllerConfiguration);
    let names: Vec<String> = all.iter().map(|kind| format!("{kind:?}")).collect();
    assert!(
        serde_json::to_string(&schema).unwrap().contains(&serde_json::to_string(&names).unwrap()),
        "{schema}"
    );
}

//! Lines of the log, as they are written.

use super::occurrence;
use cutover::controller::{OccurrenceKind, Voice};
use cutover::voices::{Lines, LogFormat, LogVoice};
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};
use tracing_subscriber::layer::SubscriberExt;

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn written(format: LogFormat, work: impl FnOnce()) -> String {
    let buffer = Buffer::default();
    let lines = Lines::new(format, buffer.clone());
    let lines = lines.with_clock(|| UNIX_EPOCH + Duration::from_millis(1_764_105_556_042));
    tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), work);
    String::from_utf8(buffer.0.lock().unwrap().clone()).unwrap()
}

/// What this thread logs, as JSON.
pub fn captured(work: impl FnOnce()) -> String {
    written(LogFormat::Json, work)
}

fn some_events() {
    LogVoice.tell(&occurrence(OccurrenceKind::RolloutProgressed, "git.example", "shifting"));
    LogVoice.tell(&occurrence(OccurrenceKind::SyncFailed, "git.example", "two\nlines \u{1b}[31m"));
    let span =
        tracing::info_span!("reconcile", application = "team-a/shop", revision = "0123456789", took = 0);
    span.in_scope(|| {
        tracing::info!(phase = "baking", count = 3, "it waits");
        tracing::warn!(application = "team-b/other", "GET https://robot:geheim@git.example/x failed");
    });
    tracing::error!("nobody's");
}

#[test]
fn json_lines_bear_application_revision_and_phase() {
    let target = "\"target\":\"it::voices::logs\"";
    let want = format!(
        r#"{{"time":"2025-11-25T21:19:16.042Z","level":"info","application":"team-a/shop","revision":"0123456789abcdef0123456789abcdef01234567","phase":"shifting","message":"shifting","workload":"web","event":"RolloutProgressed","repository":"https://git.example/acme/deploy.git","target":"cutover::voices::logs::voice"}}
{{"time":"2025-11-25T21:19:16.042Z","level":"warn","application":"team-a/shop","revision":"0123456789abcdef0123456789abcdef01234567","phase":"failed","message":"two\\nlines \\u{{1b}}[31m","workload":"web","event":"SyncFailed","repository":"https://git.example/acme/deploy.git","target":"cutover::voices::logs::voice"}}
{{"time":"2025-11-25T21:19:16.042Z","level":"info","application":"team-a/shop","revision":"0123456789","phase":"baking","message":"it waits","count":"3","took":"0",{target}}}
{{"time":"2025-11-25T21:19:16.042Z","level":"warn","application":"team-b/other","revision":"0123456789","message":"GET https://…@git.example/x failed","took":"0",{target}}}
{{"time":"2025-11-25T21:19:16.042Z","level":"error","message":"nobody's",{target}}}
"#
    );
    assert_eq!(written(LogFormat::Json, some_events), want);
    for line in want.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }
}

#[test]
fn lines_for_people_are_short() {
    let want = "\
2025-11-25T21:19:16.042Z INFO  team-a/shop 0123456: shifting phase=shifting workload=web event=RolloutProgressed repository=https://git.example/acme/deploy.git
2025-11-25T21:19:16.042Z WARN  team-a/shop 0123456: two\\nlines \\u{1b}[31m phase=failed workload=web event=SyncFailed repository=https://git.example/acme/deploy.git
2025-11-25T21:19:16.042Z INFO  team-a/shop 0123456: it waits phase=baking count=3 took=0
2025-11-25T21:19:16.042Z WARN  team-b/other 0123456: GET https://…@git.example/x failed took=0
2025-11-25T21:19:16.042Z ERROR nobody's
";
    assert_eq!(written(LogFormat::Text, some_events), want);
}

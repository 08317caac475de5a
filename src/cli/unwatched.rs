//! Names the way out where documents are wrong, so that nobody goes on with a rollout that is under way.

use super::destination_flags::DestinationFlags;
use super::error::{CliError, ErrorKind};
use super::source_flags::SourceFlags;
use crate::engine::Platform;
use crate::plan::{UnderWay, under_way};
use std::time::Duration;

/// For how long the live slots are asked: the error is the same without them.
const PATIENCE: Duration = Duration::from_secs(30);

/// The error, with what its documents leave unwatched by the marks of the live slots. Other errors stay as they are.
pub async fn with_way_out(error: CliError, source: &SourceFlags, destination: &DestinationFlags) -> CliError {
    if error.kind != ErrorKind::Documents {
        return error;
    }
    let found = match tokio::time::timeout(PATIENCE, found(source, destination)).await {
        Ok(found) => found,
        Err(_) => Err(CliError::new(ErrorKind::Destination, "the destination did not answer in time")),
    };
    let way_out = match found {
        Ok(found) => told(&found),
        Err(why) => Some(untold(&why.message)),
    };
    match (way_out, error.hint.clone()) {
        (None, _) => error,
        (Some(way_out), None) => error.hint(way_out),
        (Some(way_out), Some(hint)) => error.hint(format!("{hint}. {way_out}")),
    }
}

async fn found(source: &SourceFlags, destination: &DestinationFlags) -> Result<Vec<UnderWay>, CliError> {
    let application = destination.application(&source.choose()?)?;
    let target = destination.connect(&application).await?;
    Ok(under_way(&target.read_slots(&application).await?))
}

/// What is under way, and how to look after it.
fn told(found: &[UnderWay]) -> Option<String> {
    if found.is_empty() {
        return None;
    }
    let newest = found.iter().filter(|one| one.commit.is_some()).max_by_key(|one| one.started);
    let commit = newest.and_then(|one| one.commit.as_deref()).unwrap_or("GOODCOMMIT");
    let all: Vec<String> = found.iter().map(UnderWay::in_words).collect();
    let verb = if all.len() == 1 { "a rollout is" } else { "rollouts are" };
    Some(format!("Meanwhile {verb} under way that nobody watches: {}. {}", all.join(", "), ways(commit)))
}

/// The same where the live slots can't be read.
fn untold(why: &str) -> String {
    format!(
        "A rollout that is under way is watched by nobody meanwhile, and whether there is one can't be read ({why}). {}",
        ways("GOODCOMMIT")
    )
}

fn ways(commit: &str) -> String {
    format!(
        "With the documents of a commit before: `cutover sync --revision {commit}` goes on with it, and `cutover abort \
         --revision {commit}` before that sends its traffic back"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;

    fn one(name: &str, started: u64, commit: Option<&str>) -> UnderWay {
        UnderWay {
            workload: format!("Service/{name}"),
            progress: "10% reached".into(),
            started: Timestamp(started),
            commit: commit.map(ToOwned::to_owned),
        }
    }

    #[test]
    fn the_way_out_names_the_commit_of_what_began_last() {
        assert_eq!(told(&[]), None);
        let text =
            told(&[one("web", 5, Some("4f1c2d3e")), one("api", 3, Some("0000000a"))]).expect("a way out");
        assert!(text.contains("Service/web (10% reached, commit 4f1c2d3), Service/api"), "{text}");
        assert!(text.contains("`cutover sync --revision 4f1c2d3e` goes on"), "{text}");
        let text = told(&[one("web", 5, None)]).expect("a way out");
        assert!(text.contains("`cutover abort --revision GOODCOMMIT`"), "{text}");
    }
}

//! The end of a run that may have the application's lock.

use super::output::Output;
use crate::sites::Target;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// For how long freeing the lock is tried although the time given to the run is over.
const GRACE: Duration = Duration::from_secs(5);

/// Frees the lock: tries until `end`, and a little longer. One that stays is free after a minute.
pub async fn release(target: &Target, end: Instant, output: Output) {
    let why = match timeout_at(end.max(Instant::now() + GRACE), target.release()).await {
        Ok(Ok(())) => return,
        Ok(Err(trouble)) => trouble.to_string(),
        Err(_) => "no answer in time".to_owned(),
    };
    output.note(&format!("the application's lock could not be freed; others wait for a minute: {why}"));
}

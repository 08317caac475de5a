//! Many readers, few calls: names asked for at about the same time are described ten at a time.

use super::{Ecs, LiveService};
use crate::engine::{Trouble, TroubleKind};
use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// DescribeServices takes no more.
const NAMES_A_CALL: usize = 10;
/// Calls under way at once.
const CONCURRENCY: usize = 8;
/// How long the first reader waits for others.
const GATHER: Duration = Duration::from_millis(5);

type Answer = Result<Option<LiveService>, Trouble>;

/// Names waiting to be described.
#[derive(Default)]
pub(super) struct Batch {
    waiting: Mutex<Vec<(String, oneshot::Sender<Answer>)>>,
    /// Whoever holds it does the calls for all who wait; if that one is dropped, the next one takes over.
    turn: tokio::sync::Mutex<()>,
}

impl Ecs {
    /// Describes services by name, right now. `None` for those that do not exist.
    pub(super) async fn describe(
        &self,
        names: BTreeSet<String>,
    ) -> Result<BTreeMap<String, Option<LiveService>>, Trouble> {
        let mut found = BTreeMap::new();
        let mut wanted = names;
        while !wanted.is_empty() {
            let asked: Vec<(String, oneshot::Receiver<Answer>)> = {
                let mut waiting = self.batch.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                std::mem::take(&mut wanted)
                    .into_iter()
                    .map(|name| {
                        let (sender, receiver) = oneshot::channel();
                        waiting.push((name.clone(), sender));
                        (name, receiver)
                    })
                    .collect()
            };
            let answers = join_all(asked.into_iter().map(|(name, r)| async { (name, r.await) }));
            tokio::pin!(answers);
            let answers = loop {
                tokio::select! {
                    biased;
                    answers = &mut answers => break answers,
                    _turn = self.batch.turn.lock() => self.flush().await,
                }
            };
            for (name, answer) in answers {
                match answer {
                    Ok(answer) => {
                        found.insert(name, answer?);
                    }
                    // Whoever did the calls was dropped before it was our turn to be told.
                    Err(_) => {
                        wanted.insert(name);
                    }
                }
            }
        }
        Ok(found)
    }

    async fn flush(&self) {
        tokio::time::sleep(GATHER).await;
        let waiting = std::mem::take(&mut *self.batch.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        let mut by_name: BTreeMap<String, Vec<oneshot::Sender<Answer>>> = BTreeMap::new();
        for (name, sender) in waiting {
            by_name.entry(name).or_default().push(sender);
        }
        let names: Vec<String> = by_name.keys().cloned().collect();
        let mut answers = stream::iter(names.chunks(NAMES_A_CALL))
            .map(|chunk| async move { (chunk, self.describe_chunk(chunk).await) })
            .buffer_unordered(CONCURRENCY);
        while let Some((chunk, answer)) = answers.next().await {
            for name in chunk {
                let answer = match &answer {
                    Ok(services) => services.get(name).cloned().ok_or_else(|| Trouble {
                        kind: TroubleKind::Transient,
                        doing: format!("DescribeServices {name}"),
                        message: "the answer neither describes it nor says that it is missing".into(),
                    }),
                    Err(trouble) => Err(trouble.clone()),
                };
                for sender in by_name.remove(name).unwrap_or_default() {
                    // A receiver that is gone does not want it any more.
                    let _ = sender.send(answer.clone());
                }
            }
        }
    }
}

//! Asks Git once more when the lock is taken: what was read before it may be old by then.

use crate::engine::{History, Trouble, TroubleKind, is_on_the_way_back};
use crate::plan::Owned;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::timeout;

/// For how long a return waits for Git: documents of an older commit may ask for one, but it needs nothing that is away.
const PATIENCE: Duration = Duration::from_secs(8);

/// Whether it is known that the documents are still those to be brought about.
#[derive(Default)]
pub(super) struct Confirmed {
    is_known: AtomicBool,
    /// True once Git could not be asked on the way back.
    is_away: AtomicBool,
}

impl Confirmed {
    /// `checked` is what the lock says, and `is_held` that this run has it. A return of traffic goes on where Git can't be asked.
    pub async fn check(
        &self,
        checked: Result<(), Trouble>,
        is_held: bool,
        history: &dyn History,
        slots: impl Future<Output = Result<Vec<Owned>, Trouble>>,
    ) -> Result<(), Trouble> {
        let is_known = self.is_known.load(Ordering::SeqCst) || !history.is_asked_again();
        let is_return = is_on_the_way_back();
        let is_lost = checked.as_ref().is_err_and(|trouble| trouble.kind != TroubleKind::LookAgain);
        if is_known || is_lost || !is_held || is_return && self.is_away.load(Ordering::SeqCst) {
            return checked;
        }
        let live = async {
            let slots = slots.await?.into_iter();
            Ok(slots.filter_map(|owned| Some((owned.resource, owned.slot?.commit?))).collect())
        };
        let confirmed = history.confirm(Box::pin(live));
        match is_return {
            false => confirmed.await?,
            true => match timeout(PATIENCE, confirmed).await {
                Ok(Ok(())) => {}
                Ok(Err(no)) if matches!(no.kind, TroubleKind::Rejected | TroubleKind::LookAgain) => {
                    return Err(no);
                }
                _ => {
                    self.is_away.store(true, Ordering::SeqCst);
                    return checked;
                }
            },
        }
        self.is_known.store(true, Ordering::SeqCst);
        Err(Trouble {
            kind: TroubleKind::LookAgain,
            doing: "asking Git once more".into(),
            message: "the documents are as they were; looking again before the first write".into(),
        })
    }
}

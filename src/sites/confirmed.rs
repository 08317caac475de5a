//! Asks Git once more when the lock is taken: what was read before it may be old by then.

use crate::engine::{History, Trouble, TroubleKind, is_on_the_way_back};
use crate::plan::Owned;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether it is known that the documents are still those to be brought about.
#[derive(Default)]
pub(super) struct Confirmed(AtomicBool);

impl Confirmed {
    /// `checked` is what the lock says, and `is_held` that this run has it. A return of traffic needs no Git.
    pub async fn check(
        &self,
        checked: Result<(), Trouble>,
        is_held: bool,
        history: &dyn History,
        slots: impl Future<Output = Result<Vec<Owned>, Trouble>>,
    ) -> Result<(), Trouble> {
        let is_known = self.0.load(Ordering::SeqCst) || !history.is_asked_again();
        let is_lost = checked.as_ref().is_err_and(|trouble| trouble.kind != TroubleKind::LookAgain);
        if is_known || is_lost || !is_held || is_on_the_way_back() {
            return checked;
        }
        let live = async {
            let slots = slots.await?.into_iter();
            Ok(slots.filter_map(|owned| Some((owned.resource, owned.slot?.commit?))).collect())
        };
        history.confirm(Box::pin(live)).await?;
        self.0.store(true, Ordering::SeqCst);
        Err(Trouble {
            kind: TroubleKind::LookAgain,
            doing: "asking Git once more".into(),
            message: "the documents are as they were; looking again before the first write".into(),
        })
    }
}

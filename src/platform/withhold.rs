//! Keeps from deletion what another application of the same process declares.

use crate::engine::Neighbours;
use crate::plan::Owned;

/// Marks what would be deleted and is declared elsewhere: it is handed over, and stays until then.
pub(super) async fn withhold(
    neighbours: &dyn Neighbours,
    owned: &mut [Owned],
    is_declared: impl Fn(&str) -> bool,
) {
    let is_asked =
        |owned: &Owned| owned.in_use.is_none() && owned.leaving.is_none() && !is_declared(&owned.resource);
    let asked: Vec<String> =
        owned.iter().filter(|owned| is_asked(owned)).map(|owned| owned.resource.clone()).collect();
    if asked.is_empty() {
        return;
    }
    let mut found = neighbours.declared(&asked).await;
    for owned in owned.iter_mut().filter(|owned| is_asked(owned)) {
        let Some(elsewhere) = found.remove(&owned.resource) else { continue };
        owned.in_use = Some(format!("kept: {}", elsewhere.why));
        owned.is_kept_for_now = !elsewhere.is_certain;
    }
}

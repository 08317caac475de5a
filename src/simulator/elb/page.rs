//! Paging as ELBv2 does it: `PageSize`, `Marker`, `NextMarker`.

use crate::simulator::state::State;
use crate::simulator::wire::{ApiError, Input};

/// Cuts the page that `input` asks for out of `items`, whose `key` is unique; the second value is the next marker.
pub(super) fn page<'a, T>(
    state: &State,
    input: Input,
    items: Vec<&'a T>,
    key: impl Fn(&T) -> &str,
) -> Result<(Vec<&'a T>, Option<String>), ApiError> {
    let size = match input.number("PageSize") {
        Some(size) if (1..=400).contains(&size) => size as usize,
        Some(size) => return Err(ApiError::validation(format!("PageSize {size} is not between 1 and 400"))),
        None => state.settings.elb_page_size.max(1),
    };
    let start = match input.text("Marker").filter(|marker| !marker.is_empty()) {
        None => 0,
        Some(marker) => {
            let last = items.iter().position(|item| key(item) == marker);
            last.ok_or_else(|| ApiError::validation("The marker is not one that was given out"))? + 1
        }
    };
    let more = items.len() > start + size;
    let page: Vec<&T> = items.into_iter().skip(start).take(size).collect();
    let next = page.last().filter(|_| more).map(|item| key(item).to_string());
    Ok((page, next))
}

//! Plans of a small shop: what they say, and that they say no secret.

mod blue_green;
mod cluster;
mod configuration;
mod fields;
mod objects;
mod places;
mod released;
mod rolling;
mod scale;
mod shares;
pub(super) mod shop;
mod slots;

use super::*;

/// The plan as it is printed to a file.
fn plain(plan: &Plan) -> String {
    render_plan(plan, &Palette::plain())
}

//! Small pieces of sentences.

use crate::diff::{Comparison, is_printable};
use crate::model::Origin;

/// Names shown of a longer list.
const NAMED: usize = 3;

/// `1 task`, `3 tasks`.
pub(super) fn count(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// `a`, `a and b`, `a, b, c and 7 more`.
pub(super) fn several<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    match names.as_slice() {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] if names.len() <= NAMED => format!("{} and {last}", first.join(", ")),
        _ => format!("{} and {} more", names[..NAMED].join(", "), names.len() - NAMED),
    }
}

/// The fields that differ, the number of tasks included.
pub(super) fn differing(comparison: &Comparison) -> String {
    let tasks = comparison.desired_count.map(|c| format!("desiredCount ({} → {})", c.live, c.declared));
    several(tasks.as_deref().into_iter().chain(comparison.changes.iter().map(|change| change.path.as_str())))
}

/// The header of a diff's declared side.
pub(super) fn in_git(origin: &Origin) -> String {
    format!("git {origin}")
}

/// The short name in a task definition's ARN: `web:42`.
pub(super) fn revision_name(arn: &str) -> &str {
    arn.rsplit_once("task-definition/").map_or(arn, |(_, name)| name)
}

/// One line without anything a terminal would act on. What AWS and repositories say is printed through this.
pub(super) fn clean(text: &str) -> String {
    let shown = |c: char| if is_printable(c) { c } else { ' ' };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_are_cut() {
        assert_eq!(several(["a"]), "a");
        assert_eq!(several(["a", "b", "c"]), "a, b and c");
        assert_eq!(several(["a", "b", "c", "d", "e"]), "a, b, c and 2 more");
    }
}

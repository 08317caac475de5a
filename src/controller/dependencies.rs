//! Who waits for whom. Pure.

use crate::model::AppKey;
use std::collections::BTreeSet;

/// A circle of applications that wait for each other and that `start` is in, in their order; `None` if there is none.
pub(super) fn circle(start: &AppKey, depends_on: impl Fn(&AppKey) -> Vec<AppKey>) -> Option<Vec<AppKey>> {
    let mut path = vec![(start.clone(), depends_on(start))];
    let mut visited = BTreeSet::from([start.clone()]);
    while let Some((_, left)) = path.last_mut() {
        let Some(next) = left.pop() else {
            path.pop();
            continue;
        };
        if next == *start {
            return Some(path.into_iter().map(|(key, _)| key).chain([next]).collect());
        }
        if visited.insert(next.clone()) {
            let further = depends_on(&next);
            path.push((next, further));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> AppKey {
        AppKey { namespace: "shop".into(), name: name.into() }
    }

    #[test]
    fn a_circle_is_found_from_within_and_only_from_within() {
        let edges = |from: &AppKey| -> Vec<AppKey> {
            let to: &[&str] = match from.name.as_str() {
                "a" => &["b", "d"],
                "b" => &["c"],
                "c" => &["a", "e"],
                "d" => &["e"],
                "f" => &["a"],
                "g" => &["g"],
                _ => &[],
            };
            to.iter().map(|name| key(name)).collect()
        };
        let names = |start| {
            circle(&key(start), edges)
                .map(|keys| keys.into_iter().map(|k| k.name).collect::<Vec<_>>().join(" "))
        };
        assert_eq!(names("a").as_deref(), Some("a b c a"));
        assert_eq!(names("c").as_deref(), Some("c a b c"));
        assert_eq!(names("g").as_deref(), Some("g g"));
        assert_eq!((names("d"), names("f")), (None, None));
    }
}

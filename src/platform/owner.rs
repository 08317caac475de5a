//! Who holds the lock.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

/// Names one run: host, process and a random number, so that no two runs are alike. Also for people: it says where to
/// look for the other run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner(String);

impl Owner {
    /// A new name for a run on `host` with process id `pid`.
    pub fn new(host: &str, pid: u32) -> Owner {
        let mut hasher = RandomState::new().build_hasher();
        hasher.write_u32(pid);
        Owner::with_number(host, pid, hasher.finish())
    }

    /// A name with a number of the caller's choice, which no other run may choose; for reproducible tests.
    pub fn with_number(host: &str, pid: u32, number: u64) -> Owner {
        // A tag's value allows few characters, and a space ends the owner.
        let clean: String =
            host.chars().filter(|c| c.is_ascii_alphanumeric() || "-._".contains(*c)).take(100).collect();
        let host = if clean.is_empty() { "unknown-host" } else { &clean };
        Owner(format!("{host}/{pid}/{number:016x}"))
    }

    /// What names this run, `HOST/PID/NUMBER`: the holder of a Lease.
    pub(super) fn identity(&self) -> &str {
        &self.0
    }

    /// A tag's value.
    pub(super) fn value(&self, counter: u64) -> String {
        format!("{} {counter}", self.0)
    }

    /// True if this run wrote the value.
    pub(super) fn wrote(&self, value: &str) -> bool {
        value.rsplit_once(' ').is_some_and(|(owner, _)| owner == self.0)
    }

    /// `another run on HOST (process PID)` of a tag's value or an identity.
    pub(super) fn describe(value: &str) -> String {
        let mut parts = value.split(['/', ' ']);
        match (parts.next(), parts.next()) {
            (Some(host), Some(pid)) if !host.is_empty() => format!("another run on {host} (process {pid})"),
            _ => format!("somebody (`{}`)", value.chars().take(60).collect::<String>()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_fits_a_tag_and_is_recognised() {
        let owner = Owner::new("läp top.example\n", 4711);
        let value = owner.value(u64::MAX);
        assert!(value.len() <= 256);
        assert!(value.chars().all(|c| c.is_ascii_alphanumeric() || " +-=._:/@".contains(c)), "{value}");
        assert!(owner.wrote(&value));
        assert!(!Owner::new("läp top.example\n", 4711).wrote(&value), "two runs were alike");
        assert_eq!(Owner::describe(&value), "another run on lptop.example (process 4711)");
        assert!(!owner.wrote("x"));
    }
}

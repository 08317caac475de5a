//! The Applications that an Application from Git comes from: each was made by the documents of the one before it.

use super::AppKey;
use std::fmt;

/// Applications within each other. More is a mistake, and would not fit an annotation for ever.
const DEPTH: usize = 8;

/// An Application whose documents hold another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ancestor {
    pub key: AppKey,
    /// The service account of its namespace that it acts as; what it makes has no other rights.
    pub service_account: Option<String>,
}

/// All of them, the outermost first. Kept on the Application as `ops/root > team-a/apps as deployer`, so that its bounds do
/// not end when one of them is deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lineage(Vec<Ancestor>);

impl Lineage {
    /// Reads what [`fmt::Display`] writes.
    ///
    /// # Errors
    /// A sentence if it is something else.
    pub fn parse(text: &str) -> Result<Lineage, String> {
        let wrong = || {
            let shown: String = text.chars().take(80).flat_map(char::escape_debug).collect();
            format!("\"{shown}\" does not name the Applications that it comes from")
        };
        let ancestor = |part: &str| {
            let (key, account) = match part.split_once(" as ") {
                Some((key, account)) => (key, Some(account)),
                None => (part, None),
            };
            let (namespace, name) = key.split_once('/')?;
            let is_good = is_name(namespace) && is_name(name) && account.is_none_or(is_name);
            let key = AppKey { namespace: namespace.to_owned(), name: name.to_owned() };
            is_good.then(|| Ancestor { key, service_account: account.map(ToOwned::to_owned) })
        };
        let all: Option<Vec<Ancestor>> = text.split(" > ").map(ancestor).collect();
        all.filter(|all| all.len() <= DEPTH).map(Lineage).ok_or_else(wrong)
    }

    /// That of what `ancestor` makes. One that is in it already (it is among its own documents, or among those of what it
    /// made) does not come twice.
    ///
    /// # Errors
    /// A sentence if there are too many.
    pub fn followed_by(&self, ancestor: Ancestor) -> Result<Lineage, String> {
        let mut all = self.0.clone();
        if !all.contains(&ancestor) {
            all.push(ancestor);
        }
        match all.len() <= DEPTH {
            true => Ok(Lineage(all)),
            false => Err(format!("more than {DEPTH} Applications are within each other")),
        }
    }

    /// The outermost first.
    pub fn ancestors(&self) -> &[Ancestor] {
        &self.0
    }

    /// True for an Application that people made.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn is_name(text: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
    text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(is_letter)
}

impl fmt::Display for Lineage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, ancestor) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str(" > ")?;
            }
            write!(f, "{}", ancestor.key)?;
            if let Some(account) = &ancestor.service_account {
                write!(f, " as {account}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ancestor(namespace: &str, name: &str, account: Option<&str>) -> Ancestor {
        let key = AppKey { namespace: namespace.into(), name: name.into() };
        Ancestor { key, service_account: account.map(ToOwned::to_owned) }
    }

    #[test]
    fn a_lineage_is_read_as_it_was_written_and_names_nobody_twice() {
        let root = Lineage::default().followed_by(ancestor("ops", "root", None)).unwrap();
        let both = root.followed_by(ancestor("team-a", "apps", Some("deployer"))).unwrap();
        assert_eq!(both.to_string(), "ops/root > team-a/apps as deployer");
        assert_eq!(Lineage::parse(&both.to_string()), Ok(both.clone()));
        assert_eq!(both.followed_by(ancestor("ops", "root", None)), Ok(both));
    }

    #[test]
    fn what_is_no_lineage_is_not_taken_for_an_empty_one() {
        for text in ["", "root", "ops/root >", "ops/root as ", "OPS/root", "ops/root > > a/b", "ops/../x"] {
            assert!(Lineage::parse(text).is_err(), "{text}");
        }
        let deep = ["a/b"; 9].join(" > ");
        assert!(Lineage::parse(&deep).is_err());
    }
}

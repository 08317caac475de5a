//! Collects what is wrong, everywhere, up to a bound; and guesses what was meant.

use super::envelope::Document;
use crate::model::{Origin, Problem};

/// More than anyone reads; a hostile file must not fill the memory with complaints.
const LIMIT: usize = 1_000;
/// Guesses over long lists, such as all names of a repository.
const MAX_GUESSES: usize = 20;
/// Longer words are no typing errors.
const GUESS_LENGTH: usize = 64;

/// Said of a document that is the same as one before it, which is left out with a warning.
pub fn same_as(first: &Origin) -> String {
    format!("says the same as the one at {first}, which is the one that counts; remove one of the two")
}

/// Said of a second document of one name.
pub fn differs_from(first: &Origin) -> String {
    format!("is already at {first}, with another content; only one of the two can be meant")
}

/// The problems found so far.
#[derive(Default)]
pub struct Problems {
    list: Vec<Problem>,
    is_overfull: bool,
}

impl Problems {
    /// Notes a problem of a file that belongs to no document yet.
    pub fn file(&mut self, file: &str, line: usize, message: impl Into<String>) {
        self.push(Problem {
            origin: Origin { file: file.to_owned(), line },
            document: String::new(),
            field: String::new(),
            message: message.into(),
        });
    }

    /// Notes a problem with the field at `path` of the document's `spec`.
    pub fn note(&mut self, document: &Document, path: &str, message: impl Into<String>) {
        // Finding the line takes time.
        if self.is_full() {
            self.is_overfull = true;
        } else {
            self.push(document.problem(path, message));
        }
    }

    /// Notes a problem.
    pub fn push(&mut self, problem: Problem) {
        if self.is_full() {
            self.is_overfull = true;
        } else {
            self.list.push(problem);
        }
    }

    /// True when no more are kept: nobody needs to look for more.
    pub fn is_full(&self) -> bool {
        self.list.len() >= LIMIT
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.list.len() + usize::from(self.is_overfull)
    }

    /// `, did you mean "x"?` or nothing; for lists that may be long.
    pub fn guess<'a>(&self, word: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
        // A guess compares with all candidates: only the first problems get one.
        if self.count() >= MAX_GUESSES { String::new() } else { guess(word, candidates) }
    }

    /// All of them, by file and line; the last one says if some were left out.
    pub fn into_sorted(mut self) -> Vec<Problem> {
        self.list.sort();
        self.list.dedup();
        if self.is_overfull {
            let origin = self.list.last().map(|p| p.origin.clone()).unwrap_or_default();
            let message = format!("there are more problems; the first {LIMIT} that were found are shown");
            self.list.push(Problem { origin, document: String::new(), field: String::new(), message });
        }
        self.list
    }
}

/// The candidate that `word` was probably meant to be: equal but for case, or a few letters off.
pub fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > GUESS_LENGTH {
        return None;
    }
    let lower = word.to_lowercase();
    let allowed = (word.len() / 3).clamp(1, 3);
    let near = candidates.into_iter().filter(|candidate| candidate.len().abs_diff(word.len()) <= allowed);
    near.map(|candidate| (strsim::osa_distance(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}

/// `, did you mean "x"?` or nothing.
pub fn guess<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    did_you_mean(word, candidates).map(|c| format!(", did you mean \"{c}\"?")).unwrap_or_default()
}

/// The beginning of a text, safe to print.
pub fn clip(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typing_error_is_guessed_and_another_word_is_not() {
        let fields = ["environment", "essential", "image", "cpu"];
        for (word, want) in [
            ("enviroment", Some("environment")),
            ("Image", Some("image")),
            ("essentail", Some("essential")),
            ("cpus", Some("cpu")),
            ("memory", None),
            ("x", None),
        ] {
            assert_eq!(did_you_mean(word, fields), want, "{word}");
        }
    }

    #[test]
    fn problems_are_bounded_and_say_that_there_are_more() {
        let mut problems = Problems::default();
        for line in 0..LIMIT + 7 {
            problems.file("a.yaml", line, "wrong");
        }
        assert!(problems.is_full());
        let list = problems.into_sorted();
        assert_eq!(list.len(), LIMIT + 1);
        assert!(list[LIMIT].message.starts_with("there are more problems"));
    }
}

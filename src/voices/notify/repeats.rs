//! What was told already. Pure.

use super::target::Subject;
use std::collections::HashMap;
use std::time::Duration;

/// The same is not told again within this time.
const WINDOW: Duration = Duration::from_secs(600);
/// Subjects that are remembered; beyond them the oldest are forgotten, and may be told twice.
const REMEMBERED: usize = 4096;

/// Remembers what was told when.
#[derive(Default)]
pub struct Repeats(HashMap<String, (String, Duration)>);

impl Repeats {
    /// True if the news about the subject differ from the last ones, or those are older than ten minutes.
    pub fn is_new(&mut self, subject: &Subject, now: Duration) -> bool {
        if let Some((news, told)) = self.0.get(&subject.about)
            && *news == subject.news
            && now.saturating_sub(*told) < WINDOW
        {
            return false;
        }
        if self.0.len() >= REMEMBERED {
            self.0.retain(|_, (_, told)| now.saturating_sub(*told) < WINDOW);
        }
        if self.0.len() >= REMEMBERED {
            self.0.clear();
        }
        self.0.insert(subject.about.clone(), (subject.news.clone(), now));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_news_are_told_once_in_ten_minutes_and_other_news_at_once() {
        let subject = |about: &str, news: &str| Subject { about: about.into(), news: news.into() };
        let mut repeats = Repeats::default();
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        for (about, news, at, want) in [
            ("a", "x", 0, true),
            ("a", "x", 1, false),
            ("b", "x", 1, true),
            ("a", "y", 2, true),
            ("a", "x", 3, true),
            ("a", "x", 12, false),
            ("a", "x", 13, true),
        ] {
            assert_eq!(repeats.is_new(&subject(about, news), minutes(at)), want, "{about} {news} {at}");
        }
        for number in 0..10_000 {
            assert!(repeats.is_new(&subject(&number.to_string(), "x"), minutes(20)));
        }
        assert!(repeats.0.len() <= REMEMBERED);
    }
}

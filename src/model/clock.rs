//! Durations as people write them (`30s`, `15m`, `24h`) and points in time as the other side reports them.

use serde::{Deserialize, Serialize};

/// A duration in whole seconds.
pub type Seconds = u64;

/// A point in time, in seconds since 1970-01-01T00:00:00Z, on AWS's clock (the `Date` header of its answers), never
/// on this machine's: a laptop whose clock jumps must not end a bake early.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// Seconds from `earlier` to here; 0 when `earlier` lies ahead.
    pub fn since(self, earlier: Timestamp) -> Seconds {
        self.0.saturating_sub(earlier.0)
    }
}

/// Reads `90s`, `2m`, `1h30m`, `1d` or a bare `0`; the result is in seconds, ten years at most.
///
/// # Errors
/// A sentence that says what is wrong with the text.
pub fn parse_duration(text: &str) -> Result<Seconds, String> {
    const LIMIT: u64 = 10 * 365 * 86_400;
    if text == "0" {
        return Ok(0);
    }
    let wrong = || format!("`{text}` is not a duration; write it like 30s, 15m, 1h30m or 1d");
    let mut total: u64 = 0;
    let mut digits = String::new();
    for c in text.chars() {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        let unit = match c {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            _ => return Err(wrong()),
        };
        let count: u64 = digits.parse().map_err(|_| wrong())?;
        digits.clear();
        total = count.checked_mul(unit).and_then(|s| total.checked_add(s)).ok_or_else(wrong)?;
    }
    if text.is_empty() || !digits.is_empty() {
        return Err(wrong());
    }
    if total > LIMIT {
        return Err(format!("`{text}` is longer than ten years"));
    }
    Ok(total)
}

/// A duration as people write it: `90s` is `1m30s`.
pub fn human(seconds: Seconds) -> String {
    let units = [(86_400, 'd'), (3_600, 'h'), (60, 'm'), (1, 's')];
    let mut rest = seconds;
    let mut text = String::new();
    for (size, unit) in units {
        if rest >= size {
            text.push_str(&format!("{}{unit}", rest / size));
            rest %= size;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// Serde glue for fields that hold a duration: text in documents, seconds in memory.
pub mod serde_duration {
    use super::{Seconds, parse_duration};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    /// Reads a duration with [`parse_duration`].
    ///
    /// # Errors
    /// The sentence of [`parse_duration`].
    pub fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Seconds, D::Error> {
        let text = String::deserialize(input)?;
        parse_duration(&text).map_err(D::Error::custom)
    }

    /// Writes a duration as seconds (`90s`).
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(value: &Seconds, output: S) -> Result<S::Ok, S::Error> {
        output.serialize_str(&format!("{value}s"))
    }
}

impl std::fmt::Display for Timestamp {
    /// `2026-11-25T21:19:16Z`
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (days, second) = (self.0 / 86_400, self.0 % 86_400);
        // Civil date of a day count: years begin in March, so that the leap day comes last (H. Hinnant's method).
        let shifted = days + 719_468;
        let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_index = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_index + 2) / 5 + 1;
        let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
        let year = year_of_era + era * 400 + u64::from(month <= 2);
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

/// Reads `2026-11-25T21:19:16Z`, the only form that Kubernetes writes times of whole seconds in. `None` for anything
/// else, and for what lies before 1970.
pub fn parse_rfc3339(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    let shape = text.len() == 20 && [4, 7].iter().all(|at| bytes[*at] == b'-') && bytes[10] == b'T';
    if !shape || bytes[13] != b':' || bytes[16] != b':' || bytes[19] != b'Z' {
        return None;
    }
    let number = |range: std::ops::Range<usize>| {
        let digits = text.get(range)?;
        digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse::<u64>().ok())?
    };
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    let in_range = year >= 1970 && (1..=12).contains(&month) && (1..=31).contains(&day);
    if !in_range || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let shifted_year = year - u64::from(month <= 2);
    let (era, year_of_era) = (shifted_year / 400, shifted_year % 400);
    let month_index = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * month_index + 2) / 5 + day - 1;
    let days =
        era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468;
    Some(Timestamp(days * 86_400 + hour * 3_600 + minute * 60 + second))
}

/// Serde glue for points in time that other programs read, too.
pub mod rfc3339 {
    use super::{Timestamp, parse_rfc3339};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    /// Reads a point in time with [`parse_rfc3339`].
    ///
    /// # Errors
    /// If it is written in another form.
    pub fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Timestamp, D::Error> {
        let text = String::deserialize(input)?;
        parse_rfc3339(&text).ok_or_else(|| D::Error::custom("not a time like 2026-11-25T21:19:16Z"))
    }

    /// Writes a point in time as `2026-11-25T21:19:16Z`.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(value: &Timestamp, output: S) -> Result<S::Ok, S::Error> {
        output.collect_str(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_in_time_are_written_and_read_as_kubernetes_does() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_764_105_556, "2025-11-25T21:19:16Z"),
            (4_102_444_799, "2099-12-31T23:59:59Z"),
        ] {
            assert_eq!(Timestamp(seconds).to_string(), text);
            assert_eq!(parse_rfc3339(text), Some(Timestamp(seconds)));
        }
        for day in 0..60_000 {
            let time = Timestamp(day * 86_400 + day % 86_400);
            assert_eq!(parse_rfc3339(&time.to_string()), Some(time));
        }
        for text in
            ["", "2025-11-25", "2025-13-25T21:19:16Z", "2025-11-25T21:19:16+01:00", "1969-12-31T00:00:00Z"]
        {
            assert_eq!(parse_rfc3339(text), None, "{text}");
        }
    }

    #[test]
    fn durations_are_written_as_they_are_read() {
        for seconds in [0, 1, 59, 60, 90, 3_600, 5_400, 86_400, 90_061] {
            let text = human(seconds);
            assert_eq!(parse_duration(&text), Ok(seconds), "{text}");
        }
        assert_eq!(human(86_399), "23h59m59s");
    }

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, want) in [("0", 0), ("90s", 90), ("15m", 900), ("1h30m", 5_400), ("1d", 86_400)] {
            assert_eq!(parse_duration(text), Ok(want), "{text}");
        }
        for text in ["", "5", "m", "1x", "-1s", "1.5m", "99999999999999999999s", "9000d"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}

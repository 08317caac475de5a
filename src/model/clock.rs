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

#[cfg(test)]
mod tests {
    use super::parse_duration;

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

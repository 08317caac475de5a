//! Points in time as the API writes them.

use crate::model::Timestamp;

/// Reads `2026-11-22T04:01:29Z`, with or without a fraction of a second, which is cut off. The API writes UTC only.
pub fn timestamp(text: &str) -> Option<Timestamp> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let [year, month, day] = numbers(date, '-')?;
    let [hour, minute, second] = numbers(time.split_once('.').map_or(time, |(whole, _)| whole), ':')?;
    let is_real = (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second < 61;
    if !is_real {
        return None;
    }
    // Days of the proleptic Gregorian calendar, with years that begin in March so that the leap day comes last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + (day - 1);
    const BEFORE_1970: u64 = 719_468;
    let days = days.checked_sub(BEFORE_1970)?;
    Some(Timestamp(days * 86_400 + hour * 3_600 + minute * 60 + second))
}

fn numbers(text: &str, sign: char) -> Option<[u64; 3]> {
    let mut parts = text.split(sign).map(|part| {
        let digits = !part.is_empty() && part.len() <= 4 && part.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| part.parse().ok()).flatten()
    });
    let read = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(read)
}

#[cfg(test)]
mod tests {
    use super::timestamp;
    use crate::model::Timestamp;

    #[test]
    fn times_are_read_as_the_api_writes_them() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T12:00:00Z", 951_825_600),
            ("2026-11-22T04:01:29Z", 1_795_320_089),
            ("2026-11-22T04:01:29.123456Z", 1_795_320_089),
        ] {
            assert_eq!(timestamp(text), Some(Timestamp(seconds)), "{text}");
        }
        for text in [
            "",
            "Z",
            "2026-11-22",
            "2026-13-01T00:00:00Z",
            "1960-01-01T00:00:00Z",
            "2026-11-22T04:01:29+01:00",
        ] {
            assert_eq!(timestamp(text), None, "{text}");
        }
    }
}

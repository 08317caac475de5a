//! What a plain (unquoted) YAML scalar means. The reading is that of `kubectl apply`, which is YAML 1.1 with 1.2's
//! octals, so that nobody has to learn a second one: `yes` is true, `0644` is 420, `1_000` is 1000, dates are text.

use super::node::Plain;
use serde_json::Number;
use std::borrow::Cow;

/// Reads a plain scalar; `None` if it is text.
///
/// # Errors
/// A sentence, for `.nan` and `.inf`, which JSON does not have.
pub fn resolve_plain(text: &str) -> Result<Option<Plain>, &'static str> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Some(Plain::Null)),
        "true" | "True" | "TRUE" | "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => {
            return Ok(Some(Plain::Bool(true)));
        }
        "false" | "False" | "FALSE" | "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => {
            return Ok(Some(Plain::Bool(false)));
        }
        ".nan" | ".NaN" | ".NAN" | ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" | "-.inf"
        | "-.Inf" | "-.INF" => {
            return Err("is a number that JSON does not have; write it in quotes if it is text");
        }
        _ => {}
    }
    Ok(number(text).map(Plain::Number))
}

/// The number that a plain scalar is, if it is one.
fn number(text: &str) -> Option<Number> {
    let first = *text.as_bytes().first()?;
    if first == b'.' {
        // Here underscores are not taken out: `.5_0` is text.
        return is_decimal(text).then(|| float(text)).flatten();
    }
    if !(first.is_ascii_digit() || first == b'+' || first == b'-') {
        return None;
    }
    let digits: Cow<'_, str> = match text.contains('_') {
        true => text.chars().filter(|c| *c != '_').collect::<String>().into(),
        false => text.into(),
    };
    integer(&digits).or_else(|| is_decimal(&digits).then(|| float(&digits)).flatten())
}

/// An integer with an optional sign and one of the prefixes `0x`, `0o`, `0b` or the old octal `0`.
fn integer(text: &str) -> Option<Number> {
    let (negative, signed, rest) = match text.as_bytes().first()? {
        b'-' => (true, true, &text[1..]),
        b'+' => (false, true, &text[1..]),
        _ => (false, false, text),
    };
    let lower = rest.get(..2).map(str::to_ascii_lowercase);
    let (radix, digits) = match lower.as_deref() {
        Some("0x") => (16, &rest[2..]),
        Some("0o") => (8, &rest[2..]),
        Some("0b") => (2, &rest[2..]),
        Some(_) if rest.starts_with('0') => (8, &rest[1..]),
        _ => (10, rest),
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    if negative {
        return 0i64.checked_sub_unsigned(magnitude).map(Number::from);
    }
    // A number above i64 is read as unsigned only where it has no sign; with one it becomes a float.
    (!signed || i64::try_from(magnitude).is_ok()).then(|| Number::from(magnitude))
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_decimal(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (&unsigned[..at], Some(&unsigned[at + 1..])),
        None => (unsigned, None),
    };
    let all_digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let mantissa_ok = match mantissa.split_once('.') {
        Some(("", fraction)) => !fraction.is_empty() && all_digits(fraction),
        Some((whole, fraction)) => all_digits(whole) && all_digits(fraction),
        None => !mantissa.is_empty() && all_digits(mantissa),
    };
    let exponent_ok = exponent.is_none_or(|part| {
        let digits = part.strip_prefix(['-', '+']).unwrap_or(part);
        !digits.is_empty() && all_digits(digits)
    });
    mantissa_ok && exponent_ok
}

/// A float; whole ones that are exact become integers, as they do on their way through kubectl's JSON.
fn float(text: &str) -> Option<Number> {
    const EXACT: f64 = 9_007_199_254_740_992.0; // 2^53
    let value: f64 = text.parse().ok()?;
    if value.fract() == 0.0 && value.abs() <= EXACT {
        #[allow(clippy::cast_possible_truncation)]
        return Some(Number::from(value as i64));
    }
    Number::from_f64(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(text: &str) -> Value {
        match resolve_plain(text).expect("it is in JSON") {
            None => text.into(),
            Some(Plain::Null) => Value::Null,
            Some(Plain::Bool(value)) => value.into(),
            Some(Plain::Number(value)) => Value::Number(value),
        }
    }

    #[test]
    fn plain_scalars_are_read_as_kubectl_reads_them() {
        let table = [
            ("y", json!(true)),
            ("yes", json!(true)),
            ("on", json!(true)),
            ("True", json!(true)),
            ("n", json!(false)),
            ("no", json!(false)),
            ("off", json!(false)),
            ("OFF", json!(false)),
            ("yEs", json!("yEs")),
            ("0644", json!(420)),
            ("012", json!(10)),
            ("-012", json!(-10)),
            ("0o17", json!(15)),
            ("0b11", json!(3)),
            ("-0b11", json!(-3)),
            ("0x1F", json!(31)),
            ("1_000", json!(1000)),
            ("09", json!(9)),
            ("089.5", json!(89.5)),
            ("1.0", json!(1)),
            ("1.", json!(1)),
            ("1.5", json!(1.5)),
            (".5", json!(0.5)),
            ("+.5", json!(0.5)),
            (".5_0", json!(".5_0")),
            ("1e3", json!(1000)),
            ("1e", json!("1e")),
            ("1e999", json!("1e999")),
            ("+12", json!(12)),
            ("-0", json!(0)),
            ("00", json!(0)),
            ("0", json!(0)),
            ("+", json!("+")),
            ("-", json!("-")),
            ("0x", json!("0x")),
            ("_1", json!("_1")),
            ("1_", json!(1)),
            ("9223372036854775807", json!(9_223_372_036_854_775_807_i64)),
            ("-9223372036854775808", json!(i64::MIN)),
            ("18446744073709551615", json!(u64::MAX)),
            ("2001-01-01", json!("2001-01-01")),
            ("2001-01-01T00:00:00Z", json!("2001-01-01T00:00:00Z")),
            ("12:30:45", json!("12:30:45")),
            ("1.2.3", json!("1.2.3")),
            ("~", json!(null)),
            ("", json!(null)),
            ("Null", json!(null)),
            ("nil", json!("nil")),
            ("inf", json!("inf")),
            ("nan", json!("nan")),
            ("infinity", json!("infinity")),
            ("1é", json!("1é")),
            ("0é", json!("0é")),
            ("é", json!("é")),
        ];
        for (text, want) in table {
            assert_eq!(read(text), want, "{text}");
        }
        assert!(resolve_plain(".nan").is_err());
        assert!(resolve_plain("-.inf").is_err());
    }

    #[test]
    fn a_number_beyond_any_integer_is_a_float_not_an_error() {
        assert_eq!(read("18446744073709551616"), json!(18_446_744_073_709_551_616.0_f64));
        assert_eq!(read("+18446744073709551615"), json!(18_446_744_073_709_551_615.0_f64));
    }
}

//! How the API server writes a quantity: `1000m` as `1`, `0.5` as `500m`, `1024Mi` as `1Gi`.

use serde_json::Value;

/// A quantity is kept in units of 10⁻⁹.
const NANO: i128 = 1_000_000_000;
const DECIMAL: [(&str, i32); 10] =
    [("n", -9), ("u", -6), ("m", -3), ("", 0), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];
const BINARY: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

/// The server's own spelling of a number or text; `None` for what is no quantity, or none whose spelling is certain
/// (exponents, fractions of bytes).
pub(super) fn canonical(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.as_str()),
    };
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let mut amount = nanos(number)?;
    let mut is_binary = false;
    if let Some((_, power)) = DECIMAL.iter().find(|(name, _)| *name == suffix) {
        let factor = 10_i128.pow(power.unsigned_abs());
        amount = match *power < 0 {
            true if amount % factor != 0 => return None,
            true => amount / factor,
            false => amount.checked_mul(factor)?,
        };
    } else {
        let power = BINARY.iter().position(|name| *name == suffix)?;
        amount = amount.checked_mul(1_024_i128.pow(u32::try_from(power).ok()?))?;
        // Less than one unit of the smallest suffix is written as a decimal.
        is_binary = amount >= 1_024 * NANO;
        if is_binary && amount % NANO != 0 {
            return None;
        }
    }
    let written = if is_binary { binary(amount / NANO) } else { decimal(amount) };
    Some(if amount == 0 { written } else { format!("{sign}{written}") })
}

/// `1.25` in units of 10⁻⁹.
fn nanos(number: &str) -> Option<i128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || whole.len() > 18 || fraction.len() > 9 {
        return None;
    }
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let fraction: i128 = format!("{fraction:0<9}").parse().ok()?;
    Some(whole * NANO + fraction)
}

fn decimal(amount: i128) -> String {
    if amount == 0 {
        return "0".to_owned();
    }
    let fits = |power: i32| {
        let unit = 10_i128.pow((power + 9).unsigned_abs());
        (amount % unit == 0).then(|| amount / unit)
    };
    let written = DECIMAL.iter().rev().find_map(|(name, power)| Some(format!("{}{name}", fits(*power)?)));
    written.unwrap_or_default()
}

fn binary(mut amount: i128) -> String {
    let mut power = 0;
    while amount % 1_024 == 0 && power + 1 < BINARY.len() {
        amount /= 1_024;
        power += 1;
    }
    format!("{amount}{}", BINARY[power])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn quantities_are_spelt_as_the_api_server_spells_them() {
        for (written, spelt) in [
            (json!("1000m"), Some("1")),
            (json!(1), Some("1")),
            (json!(0.5), Some("500m")),
            (json!("0.5"), Some("500m")),
            (json!("1.5Gi"), Some("1536Mi")),
            (json!("1024Mi"), Some("1Gi")),
            (json!("1500Mi"), Some("1500Mi")),
            (json!("0.5Ki"), Some("512")),
            (json!("1073741824"), Some("1073741824")),
            (json!("1000"), Some("1k")),
            (json!("1000M"), Some("1G")),
            (json!("0"), Some("0")),
            (json!("0Mi"), Some("0")),
            (json!("-2000m"), Some("-2")),
            (json!("128974848000m"), Some("128974848")),
            (json!("100u"), Some("100u")),
            (json!("1e3"), None),
            (json!("12E"), Some("12E")),
            (json!("1.1Ki1"), None),
            (json!("1.0001Ki"), None),
            (json!(""), None),
            (json!("large"), None),
            (json!(true), None),
        ] {
            assert_eq!(canonical(&written).as_deref(), spelt, "{written}");
        }
    }
}

//! The query protocol: a form whose names are paths, `Actions.member.1.ForwardConfig.TargetGroups.member.2.Weight`.

use super::ApiError;
use serde_json::{Map, Value};

const FIELDS_MAX: usize = 10_000;
const DEPTH_MAX: usize = 16;
const ITEMS_MAX: usize = 5_000;
/// Of all lists together, those left out between others too: one far index costs as much as a full list.
const ITEMS_SUM_MAX: usize = 50_000;

/// Reads a form into nested structures and lists; every scalar is text.
pub(super) fn parse_form(body: &[u8]) -> Result<Value, ApiError> {
    let text = std::str::from_utf8(body).map_err(|_| malformed("the body is not UTF-8"))?;
    let mut root = Value::Object(Map::new());
    let mut items_left = ITEMS_SUM_MAX;
    for (count, pair) in text.split('&').filter(|pair| !pair.is_empty()).enumerate() {
        if count >= FIELDS_MAX {
            return Err(malformed("too many parameters"));
        }
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decode(name)?, decode(value)?);
        let steps: Vec<&str> = name.split('.').collect();
        if steps.len() > DEPTH_MAX {
            return Err(malformed("a parameter is nested too deep"));
        }
        put(&mut root, &steps, value, &mut items_left)?;
    }
    Ok(root)
}

fn put(at: &mut Value, steps: &[&str], value: String, items_left: &mut usize) -> Result<(), ApiError> {
    let clash = || malformed("a parameter is both a value and a structure");
    match steps {
        [] => {
            *at = Value::String(value);
            Ok(())
        }
        ["member", index, rest @ ..] => {
            let index: usize = index
                .parse()
                .ok()
                .filter(|i| (1..=ITEMS_MAX).contains(i))
                .ok_or_else(|| malformed("a list's index is not a number"))?;
            if matches!(at, Value::Null) || at.as_object().is_some_and(Map::is_empty) {
                *at = Value::Array(vec![]);
            }
            let items = at.as_array_mut().ok_or_else(clash)?;
            if items.len() < index {
                let added = index - items.len();
                *items_left =
                    items_left.checked_sub(added).ok_or_else(|| malformed("its lists are too long"))?;
                items.resize(index, Value::Null);
            }
            put(&mut items[index - 1], rest, value, items_left)
        }
        [name, rest @ ..] => {
            if at.is_null() {
                *at = Value::Object(Map::new());
            }
            let members = at.as_object_mut().ok_or_else(clash)?;
            put(members.entry(*name).or_insert(Value::Null), rest, value, items_left)
        }
    }
}

/// Undoes percent encoding and `+`.
fn decode(text: &str) -> Result<String, ApiError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |b: Option<u8>| b.and_then(|b| char::from(b).to_digit(16));
                let (high, low) = (digit(rest.next()), digit(rest.next()));
                match (high, low) {
                    (Some(high), Some(low)) => u8::try_from(high * 16 + low).unwrap_or(0),
                    _ => return Err(malformed("a % is not followed by two hex digits")),
                }
            }
            other => other,
        });
    }
    String::from_utf8(bytes).map_err(|_| malformed("a parameter is not UTF-8"))
}

fn malformed(why: &str) -> ApiError {
    ApiError::new("MalformedQueryString", format!("The request could not be read: {why}."))
}

#[cfg(test)]
mod tests {
    use super::parse_form;
    use serde_json::json;

    #[test]
    fn forms_become_nested_values() {
        let form = b"Action=X&Names.member.2=b&Names.member.1=a%26+c&A.member.1.F.G.member.1.W=9&Empty=";
        assert_eq!(
            parse_form(form).unwrap(),
            json!({"Action": "X", "Names": ["a& c", "b"], "A": [{"F": {"G": [{"W": "9"}]}}], "Empty": ""})
        );
    }

    #[test]
    fn lists_in_lists_cannot_grow_without_bound() {
        let form: Vec<String> =
            (1..=100).map(|i| format!("A.member.{i}.B.member.5000.C.member.5000=x")).collect();
        assert_eq!(parse_form(form.join("&").as_bytes()).unwrap_err().code, "MalformedQueryString");
    }

    #[test]
    fn hostile_forms_are_refused() {
        for form in ["A=1&A.b=2", "A.member.x=1", "A.member.999999999=1", "A=%zz", "A=%ff", &"a.".repeat(50)]
        {
            assert_eq!(parse_form(form.as_bytes()).unwrap_err().code, "MalformedQueryString", "{form}");
        }
    }
}

//! CBOR (RFC 8949) to JSON values and back: what CloudWatch's RPC v2 protocol needs of it.

use super::ApiError;
use serde_json::{Map, Number, Value, json};

const DEPTH_MAX: usize = 64;

/// Writes a value. Numbers with fraction become doubles; numbers in members called `…Timestamp` become times.
pub(super) fn encode(value: &Value) -> Vec<u8> {
    let mut bytes = vec![];
    write(&mut bytes, "", value);
    bytes
}

fn write(bytes: &mut Vec<u8>, name: &str, value: &Value) {
    match value {
        Value::Null => bytes.push(0xf6),
        Value::Bool(flag) => bytes.push(if *flag { 0xf5 } else { 0xf4 }),
        Value::Number(number) => {
            if name.ends_with("Timestamp") {
                head(bytes, 6, 1);
            }
            match (number.as_u64(), number.as_i64()) {
                (Some(n), _) => head(bytes, 0, n),
                (None, Some(n)) => head(bytes, 1, !n.cast_unsigned()),
                (None, None) => {
                    bytes.push(0xfb);
                    bytes.extend(number.as_f64().unwrap_or(0.0).to_be_bytes());
                }
            }
        }
        Value::String(text) => {
            head(bytes, 3, text.len() as u64);
            bytes.extend(text.as_bytes());
        }
        Value::Array(items) => {
            head(bytes, 4, items.len() as u64);
            items.iter().for_each(|item| write(bytes, "", item));
        }
        Value::Object(members) => {
            let present: Vec<_> = members.iter().filter(|(_, member)| !member.is_null()).collect();
            head(bytes, 5, present.len() as u64);
            for (name, member) in present {
                head(bytes, 3, name.len() as u64);
                bytes.extend(name.as_bytes());
                write(bytes, name, member);
            }
        }
    }
}

/// The major type with its argument in the shortest form.
fn head(bytes: &mut Vec<u8>, major: u8, argument: u64) {
    let major = major << 5;
    let wide = argument.to_be_bytes();
    match argument {
        0..=23 => bytes.push(major | wide[7]),
        24..=0xff => bytes.extend([major | 24, wide[7]]),
        0x100..=0xffff => bytes.extend([major | 25, wide[6], wide[7]]),
        0x1_0000..=0xffff_ffff => {
            bytes.push(major | 26);
            bytes.extend(&wide[4..]);
        }
        _ => {
            bytes.push(major | 27);
            bytes.extend(wide);
        }
    }
}

/// Reads one value that fills the whole input; empty input is an empty structure.
pub(super) fn decode(bytes: &[u8]) -> Result<Value, ApiError> {
    if bytes.is_empty() {
        return Ok(json!({}));
    }
    let mut reader = Reader { bytes, at: 0 };
    let value = reader.value(0)?;
    if reader.at == bytes.len() { Ok(value) } else { Err(malformed()) }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: u64) -> Result<&'a [u8], ApiError> {
        let count = usize::try_from(count).map_err(|_| malformed())?;
        let end = self.at.checked_add(count).filter(|end| *end <= self.bytes.len()).ok_or_else(malformed)?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn unsigned(&mut self, width: u64) -> Result<u64, ApiError> {
        Ok(self.take(width)?.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
    }

    /// Major type, low bits and argument; no argument for an indefinite length.
    fn head(&mut self) -> Result<(u8, u8, Option<u64>), ApiError> {
        let first = self.take(1)?[0];
        let (major, low) = (first >> 5, first & 0x1f);
        let argument = match low {
            0..=23 => Some(u64::from(low)),
            24 => Some(self.unsigned(1)?),
            25 => Some(self.unsigned(2)?),
            26 => Some(self.unsigned(4)?),
            27 => Some(self.unsigned(8)?),
            31 => None,
            _ => return Err(malformed()),
        };
        Ok((major, low, argument))
    }

    fn at_break(&mut self) -> bool {
        let found = self.bytes.get(self.at) == Some(&0xff);
        self.at += usize::from(found);
        found
    }

    fn value(&mut self, depth: usize) -> Result<Value, ApiError> {
        if depth > DEPTH_MAX {
            return Err(malformed());
        }
        let (major, low, argument) = self.head()?;
        Ok(match (major, argument) {
            (0, Some(n)) => json!(n),
            (1, Some(n)) => json!(i64::try_from(n).map(|n| !n).map_err(|_| malformed())?),
            (2 | 3, Some(length)) => Value::String(self.text(length)?),
            (2 | 3, None) => {
                let mut text = String::new();
                while !self.at_break() {
                    match self.head()? {
                        (part, _, Some(length)) if part == major => text.push_str(&self.text(length)?),
                        _ => return Err(malformed()),
                    }
                }
                Value::String(text)
            }
            (4, count) => {
                let mut items = vec![];
                while count.map_or_else(|| !self.at_break(), |count| (items.len() as u64) < count) {
                    items.push(self.value(depth + 1)?);
                }
                Value::Array(items)
            }
            (5, count) => {
                let mut members = Map::new();
                let mut read = 0;
                while count.map_or_else(|| !self.at_break(), |count| read < count) {
                    let Value::String(name) = self.value(depth + 1)? else { return Err(malformed()) };
                    members.insert(name, self.value(depth + 1)?);
                    read += 1;
                }
                Value::Object(members)
            }
            (6, Some(_)) => self.value(depth + 1)?,
            (7, Some(bits)) => simple(low, bits)?,
            _ => return Err(malformed()),
        })
    }

    fn text(&mut self, length: u64) -> Result<String, ApiError> {
        String::from_utf8(self.take(length)?.to_vec()).map_err(|_| malformed())
    }
}

fn simple(low: u8, bits: u64) -> Result<Value, ApiError> {
    let float = |n: f64| Number::from_f64(n).map(Value::Number).ok_or_else(malformed);
    match low {
        20 => Ok(Value::Bool(false)),
        21 => Ok(Value::Bool(true)),
        22 | 23 => Ok(Value::Null),
        25 => {
            let (sign, exponent, fraction) = (bits >> 15, (bits >> 10) & 0x1f, (bits & 0x3ff) as f64);
            let size = match exponent {
                0 => fraction * f64::powi(2.0, -24),
                31 => return Err(malformed()),
                e => (1.0 + fraction / 1_024.0) * f64::powi(2.0, e as i32 - 15),
            };
            float(if sign == 1 { -size } else { size })
        }
        26 => float(f64::from(f32::from_bits(u32::try_from(bits).map_err(|_| malformed())?))),
        27 => float(f64::from_bits(bits)),
        _ => Err(malformed()),
    }
}

fn malformed() -> ApiError {
    ApiError::new("SerializationException", "The request body is not the CBOR that is expected.")
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};
    use serde_json::json;

    #[test]
    fn values_survive_the_way_there_and_back() {
        let value = json!({"a": [1, -1, 23, 24, 70_000, -70_000, 1.5, 5.0], "b": {"t": "ü", "f": true, "n": []},
            "StateUpdatedTimestamp": 1_769_846_709.5, "big": u64::MAX, "low": i64::MIN});
        assert_eq!(decode(&encode(&value)).unwrap(), value);
    }

    #[test]
    fn indefinite_lengths_and_half_floats_are_read() {
        // {_ "a": [_ 1, 1.5 as a half], "b": (_ "x", "y")}
        let bytes = b"\xbf\x61a\x9f\x01\xf9\x3e\x00\xff\x61b\x7f\x61x\x61y\xff\xff";
        assert_eq!(decode(bytes).unwrap(), json!({"a": [1, 1.5], "b": "xy"}));
        assert_eq!(decode(b"").unwrap(), json!({}));
    }

    #[test]
    fn hostile_bytes_are_refused() {
        let deep = [0x81_u8; 1_000];
        for bytes in [
            &b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff"[..],
            b"\x78\xff",
            b"\xa1\x01\x01",
            b"\x01\x01",
            b"\x1c",
            &deep,
        ] {
            assert_eq!(decode(bytes).unwrap_err().code, "SerializationException");
        }
    }
}

//! Conditions of rules: checking them, and matching requests against them.

use crate::simulator::RouteRequest;
use crate::simulator::wire::{ApiError, Input};
use regex_lite::{Regex, RegexBuilder};
use serde_json::{Map, Value, json};
use std::net::IpAddr;

const FIELDS: [(&str, &str); 6] = [
    ("host-header", "HostHeaderConfig"),
    ("path-pattern", "PathPatternConfig"),
    ("http-header", "HttpHeaderConfig"),
    ("query-string", "QueryStringConfig"),
    ("http-request-method", "HttpRequestMethodConfig"),
    ("source-ip", "SourceIpConfig"),
];

/// Checks a rule's conditions and fills in what ELBv2 fills in: host and path values appear in both places.
pub(super) fn normalise(conditions: &[Input]) -> Result<Vec<Value>, ApiError> {
    if conditions.is_empty() {
        return Err(ApiError::validation("A condition must be specified"));
    }
    conditions.iter().map(|condition| normalise_one(*condition)).collect()
}

fn normalise_one(condition: Input) -> Result<Value, ApiError> {
    let field = condition.must("Field")?;
    let known = FIELDS.iter().find(|(name, _)| *name == field);
    let (_, config_name) =
        known.ok_or_else(|| ApiError::validation(format!("Condition field '{field}' is not known")))?;
    let config = condition.part(config_name);
    let mut values: Vec<Value> = condition.texts("Values").into_iter().map(|v| json!(v)).collect();
    if let Some(config) = config {
        let listed = config.get("Values").and_then(Value::as_array).cloned().unwrap_or_default();
        values = if listed.is_empty() { values } else { listed };
    }
    let regexes = config.map(|config| config.texts("RegexValues")).unwrap_or_default();
    if values.is_empty() && regexes.is_empty() {
        return Err(ApiError::validation(format!("A value must be specified for the condition '{field}'")));
    }
    let literal = ["query-string", "http-request-method", "source-ip"].contains(&field);
    if literal && !regexes.is_empty() {
        return Err(ApiError::validation(format!("The condition '{field}' can't have regular expressions")));
    }
    if let Some(wrong) = regexes.iter().find(|regex| regex.len() > 128 || Regex::new(regex).is_err()) {
        return Err(ApiError::validation(format!("The regular expression '{wrong}' is not valid")));
    }
    let mut filled = config.and_then(|config| config.0.as_object().cloned()).unwrap_or_default();
    if !values.is_empty() {
        filled.insert("Values".into(), Value::Array(values.clone()));
    }
    let mut shown = Map::new();
    shown.insert("Field".into(), json!(field));
    if ["host-header", "path-pattern"].contains(&field) && !values.is_empty() {
        shown.insert("Values".into(), Value::Array(values));
    }
    shown.insert(config_name.to_string(), Value::Object(filled));
    Ok(Value::Object(shown))
}

/// True if the request meets every condition.
pub(super) fn all_match(conditions: &[Value], request: &RouteRequest) -> bool {
    conditions.iter().all(|condition| one_matches(condition, request))
}

fn one_matches(condition: &Value, request: &RouteRequest) -> bool {
    let field = condition["Field"].as_str().unwrap_or_default();
    let Some((_, config)) = FIELDS.iter().find(|(name, _)| *name == field) else { return false };
    let config = &condition[*config];
    let values = config["Values"].as_array().map(Vec::as_slice).unwrap_or_default();
    let any = |test: &dyn Fn(&str) -> bool| values.iter().filter_map(Value::as_str).any(test);
    let regexes = config["RegexValues"].as_array().map(Vec::as_slice).unwrap_or_default();
    let by_regex = |text: &str, ignore_case: bool| {
        let mut built = regexes
            .iter()
            .filter_map(Value::as_str)
            .map(|regex| RegexBuilder::new(regex).case_insensitive(ignore_case).build());
        built.any(|regex| regex.is_ok_and(|regex| regex.is_match(text)))
    };
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    match field {
        "host-header" => {
            let host = request.host.split(':').next().unwrap_or_default().to_ascii_lowercase();
            any(&|pattern| wildcard(&pattern.to_ascii_lowercase(), &host)) || by_regex(&host, true)
        }
        "path-pattern" => any(&|pattern| wildcard(pattern, path)) || by_regex(path, false),
        "http-request-method" => any(&|method| method == request.method),
        "http-header" => {
            let name = config["HttpHeaderName"].as_str().unwrap_or_default();
            let mut sent = request.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
            sent.any(|(_, value)| {
                any(&|pattern| wildcard(&pattern.to_ascii_lowercase(), &value.to_ascii_lowercase()))
                    || by_regex(value, true)
            })
        }
        "query-string" => values.iter().any(|wanted| {
            let pattern = |name: &str| wanted[name].as_str().unwrap_or("*").to_ascii_lowercase();
            let (key, value) = (pattern("Key"), pattern("Value"));
            query.to_ascii_lowercase().split('&').filter(|pair| !pair.is_empty()).any(|pair| {
                let (k, v) = pair.split_once('=').unwrap_or((pair, ""));
                wildcard(&key, k) && wildcard(&value, v)
            })
        }),
        "source-ip" => request.source_ip.as_deref().is_some_and(|ip| any(&|network| in_network(network, ip))),
        _ => false,
    }
}

fn in_network(network: &str, ip: &str) -> bool {
    let (base, bits) = network.split_once('/').map_or((network, None), |(base, bits)| (base, Some(bits)));
    let (Ok(base), Ok(ip)) = (base.parse::<IpAddr>(), ip.parse::<IpAddr>()) else { return false };
    let (base, ip, width) = match (base, ip) {
        (IpAddr::V4(base), IpAddr::V4(ip)) => (u128::from(u32::from(base)), u128::from(u32::from(ip)), 32),
        (IpAddr::V6(base), IpAddr::V6(ip)) => (u128::from(base), u128::from(ip), 128),
        _ => return false,
    };
    let Ok(bits) = bits.map_or(Ok(width), str::parse::<u32>) else { return false };
    let shift = width - bits.min(width);
    base.checked_shr(shift) == ip.checked_shr(shift)
}

/// Matches with `*` for any text and `?` for one character, in time proportional to pattern times text.
pub(super) fn wildcard(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if p < pattern.len() && pattern[p] == '*' {
            star = Some((p, t));
            p += 1;
        } else if p < pattern.len() && (pattern[p] == '?' || pattern[p] == text[t]) {
            p += 1;
            t += 1;
        } else if let Some((star_p, star_t)) = star {
            p = star_p + 1;
            t = star_t + 1;
            star = Some((star_p, t));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::{all_match, in_network, wildcard};
    use crate::simulator::RouteRequest;
    use serde_json::json;

    #[test]
    fn wildcards_match_as_documented() {
        for (pattern, text, want) in [
            ("/api/*", "/api/", true),
            ("/api/*", "/api", false),
            ("*.shop.example", "a.shop.example", true),
            ("/?", "/a", true),
            ("*a*b", "xaxxb", true),
            ("*", "", true),
            ("a", "A", false),
        ] {
            assert_eq!(wildcard(pattern, text), want, "{pattern} {text}");
        }
        assert!(!wildcard(&"*a".repeat(50), &"a".repeat(49)));
    }

    #[test]
    fn every_condition_must_hold() {
        let conditions = [
            json!({"Field": "host-header", "HostHeaderConfig": {"Values": ["Shop.example"]}}),
            json!({"Field": "query-string", "QueryStringConfig": {"Values": [{"Key": "v", "Value": "2"}]}}),
        ];
        let ask = |host: &str, path: &str| {
            all_match(
                &conditions,
                &RouteRequest { host: host.into(), path: path.into(), ..RouteRequest::default() },
            )
        };
        assert!(ask("shop.example:8080", "/x?v=2"));
        assert!(!ask("shop.example", "/x?v=3"));
        assert!(!ask("other.example", "/x?v=2"));
        assert!(in_network("10.0.0.0/8", "10.9.9.9") && !in_network("10.0.0.0/8", "11.0.0.1"));
        assert!(in_network("0.0.0.0/0", "1.2.3.4") && in_network("10.0.0.1", "10.0.0.1"));
        assert!(in_network("2001:db8::/32", "2001:db8::1") && !in_network("2001:db8::/32", "2001:db9::1"));
        assert!(
            in_network("::/0", "::1")
                && !in_network("::/0", "1.2.3.4")
                && !in_network("10.0.0.0/x", "10.0.0.1")
        );
    }
}

//! Conditions of listener rules, against a GET request whose source address nobody knows. Pure.

use super::Node;
use crate::model::HttpGate;

/// Sent with every request of the HTTP gate that names no other.
pub const USER_AGENT: &str = concat!("cutover/", env!("CARGO_PKG_VERSION"));

/// A request as conditions look at it.
#[derive(Clone, Debug)]
pub struct Asked {
    host: String,
    path: String,
    query: String,
    headers: Vec<(String, String)>,
}

impl Asked {
    /// The request of a gate at the load balancer of this name.
    pub fn of(gate: &HttpGate, dns_name: &str) -> Asked {
        let host = gate.host.as_deref().unwrap_or(dns_name);
        let (path, query) = gate.path.split_once('?').unwrap_or((&gate.path, ""));
        let mut headers: Vec<(String, String)> = gate.headers.clone().into_iter().collect();
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("user-agent")) {
            headers.push(("user-agent".into(), USER_AGENT.into()));
        }
        Asked {
            host: host.split(':').next().unwrap_or(host).to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers,
        }
    }
}

/// Whether a request meets all conditions of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fit {
    Matches,
    /// Nobody can tell: it depends on the source address or on a regular expression.
    Maybe,
    /// It does not; this is what is missing.
    Not(Vec<Want>),
}

impl Fit {
    /// False only if the request surely does not match.
    pub fn may_match(&self) -> bool {
        !matches!(self, Fit::Not(_))
    }
}

/// Something that a rule wants of a request, as values that would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Want {
    Host(String),
    Path(String),
    Header(String, String),
    /// `key=value`
    Query(String),
    /// Nothing that a request of the gate can have.
    Other(String),
}

impl Want {
    /// `the header X-Stage: green`
    pub fn in_words(&self) -> String {
        match self {
            Want::Host(host) => format!("the host {host}"),
            Want::Path(path) => format!("the path {path}"),
            Want::Header(name, value) => format!("the header {name}: {value}"),
            Want::Query(pair) => format!("the query {pair}"),
            Want::Other(what) => what.clone(),
        }
    }
}

/// Compares a request with the conditions of a rule as DescribeRules tells it. A rule with an empty list of them matches
/// everything; of one that was told without the list nobody knows.
pub fn fit(rule: &Node, asked: &Asked) -> Fit {
    let Some(conditions) = rule.child("Conditions").map(|list| list.children.as_slice()) else {
        return Fit::Maybe;
    };
    let mut wants = vec![];
    let mut sure = true;
    for condition in conditions {
        match one(condition, asked) {
            Fit::Matches => {}
            Fit::Maybe => sure = false,
            Fit::Not(missing) => wants.extend(missing),
        }
    }
    match (wants.is_empty(), sure) {
        (false, _) => Fit::Not(wants),
        (true, false) => Fit::Maybe,
        (true, true) => Fit::Matches,
    }
}

/// True if every request that meets the conditions of `second` surely meets those of `first`.
pub(super) fn takes_all_of(first: &Node, second: &Node) -> bool {
    let (Some(first), Some(second)) = (first.child("Conditions"), second.child("Conditions")) else {
        return false;
    };
    let is_met = |wide: &Node| second.children.iter().any(|narrow| contains(wide, narrow));
    first.children.iter().all(|wide| is_met_by_all(wide) || is_met(wide))
}

/// True for a condition that excludes nothing.
fn is_met_by_all(condition: &Node) -> bool {
    let any: &[&str] = match condition.text_of("Field") {
        Some("path-pattern") => &["*", "/*"],
        Some("host-header") => &["*"],
        _ => return false,
    };
    values(condition, "Values").iter().any(|value| any.contains(&value.text.as_str()))
}

/// True if whatever meets the condition `narrow` surely meets `wide`.
fn contains(wide: &Node, narrow: &Node) -> bool {
    let field = |condition: &Node| condition.text_of("Field").unwrap_or_default().to_owned();
    let header =
        |condition: &Node| condition.find("HttpHeaderName").map(|name| name.text.to_ascii_lowercase());
    let of_narrow = [values(narrow, "Values"), values(narrow, "RegexValues")];
    let [texts, expressions] = &of_narrow;
    let is_text_met = |text: &&Node| {
        values(wide, "Values").into_iter().any(|pattern| is_wider(&field(wide), pattern, text))
    };
    field(wide) == field(narrow)
        && header(wide) == header(narrow)
        && !(texts.is_empty() && expressions.is_empty())
        && texts.iter().all(is_text_met)
        && expressions.iter().all(|one| values(wide, "RegexValues").contains(one))
}

/// True if whatever matches the value `narrow` of a condition on `field` surely matches `wide`.
fn is_wider(field: &str, wide: &Node, narrow: &Node) -> bool {
    let (one, other) = (wide.text.as_str(), narrow.text.as_str());
    match field {
        "path-pattern" => covers(one, other),
        "host-header" | "http-header" => covers(&one.to_ascii_lowercase(), &other.to_ascii_lowercase()),
        "query-string" => ["Key", "Value"].iter().all(|part| {
            let of = |node: &Node| node.text_of(part).unwrap_or("*").to_ascii_lowercase();
            covers(&of(wide), &of(narrow))
        }),
        // Methods and source addresses have no wildcards; a kind of condition that AWS has added since has who knows what.
        _ => wide == narrow,
    }
}

/// True if every text that the pattern `narrow` matches, `wide` matches as well. A `*` of `narrow` stands for any text, so
/// only a `*` can take it.
fn covers(wide: &str, narrow: &str) -> bool {
    matches_by(wide, narrow, |pattern, text| pattern == text || (pattern == '?' && text != '*'))
}

fn one(condition: &Node, asked: &Asked) -> Fit {
    let field = condition.text_of("Field").unwrap_or_default();
    let values = values(condition, "Values");
    if !values.is_empty() && values.iter().any(|value| meets(field, condition, value, asked)) {
        return Fit::Matches;
    }
    if !self::values(condition, "RegexValues").is_empty() {
        return Fit::Maybe;
    }
    let Some(first) = values.first() else { return Fit::Maybe };
    let pattern = first.text.as_str();
    let want = match field {
        "host-header" => Want::Host(example(pattern, "x")),
        "path-pattern" => Want::Path(example(pattern, "")),
        "http-header" => {
            let name = condition.find("HttpHeaderName").map_or("", |name| name.text.as_str());
            Want::Header(name.to_owned(), example(pattern, ""))
        }
        "query-string" => Want::Query(pair(first)),
        "http-request-method" => Want::Other(format!("the method {pattern}")),
        // A source address, or a kind of condition that AWS has added since: only AWS can tell.
        _ => return Fit::Maybe,
    };
    Fit::Not(vec![want])
}

fn meets(field: &str, condition: &Node, value: &Node, asked: &Asked) -> bool {
    let pattern = value.text.as_str();
    let alike = |text: &str| wildcard(&pattern.to_ascii_lowercase(), &text.to_ascii_lowercase());
    match field {
        "host-header" => alike(&asked.host),
        "path-pattern" => wildcard(pattern, &asked.path),
        "http-request-method" => pattern == "GET",
        "http-header" => {
            let name = condition.find("HttpHeaderName").map_or("", |name| name.text.as_str());
            asked.headers.iter().any(|(sent, text)| sent.eq_ignore_ascii_case(name) && alike(text))
        }
        "query-string" => {
            let part = |name: &str| value.text_of(name).unwrap_or("*").to_ascii_lowercase();
            let (key, wanted) = (part("Key"), part("Value"));
            asked.query.to_ascii_lowercase().split('&').filter(|pair| !pair.is_empty()).any(|pair| {
                let (name, text) = pair.split_once('=').unwrap_or((pair, ""));
                wildcard(&key, name) && wildcard(&wanted, text)
            })
        }
        _ => false,
    }
}

/// The values of a condition: beside `Field`, or in the part for its kind.
fn values<'a>(condition: &'a Node, list: &str) -> Vec<&'a Node> {
    let nested = condition.children.iter().filter_map(|part| part.child(list));
    let lists = condition.child(list).into_iter().chain(nested);
    lists.flat_map(|list| &list.children).collect()
}

fn pair(value: &Node) -> String {
    let part = |name: &str| example(value.text_of(name).unwrap_or("x"), "");
    format!("{}={}", part("Key"), part("Value"))
}

/// A text that the pattern matches; `any` is put where any text does.
fn example(pattern: &str, any: &str) -> String {
    let text = pattern.replace('*', any).replace('?', "x");
    if text.is_empty() { "x".into() } else { text }
}

/// Matches with `*` for any text and `?` for one character, in time proportional to pattern times text.
fn wildcard(pattern: &str, text: &str) -> bool {
    matches_by(pattern, text, |pattern, text| pattern == '?' || pattern == text)
}

/// The same with another word for which character of a pattern, but `*`, matches which one of a text.
fn matches_by(pattern: &str, text: &str, is_match: impl Fn(char, char) -> bool) -> bool {
    let text: Vec<char> = text.chars().collect();
    // For each length of text: whether what was read of the pattern matches so much of it.
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    for c in pattern.chars() {
        if c == '*' {
            let first = reached.iter().position(|hit| *hit).unwrap_or(reached.len());
            reached.iter_mut().skip(first).for_each(|hit| *hit = true);
            continue;
        }
        for at in (0..text.len()).rev() {
            reached[at + 1] = reached[at] && is_match(c, text[at]);
        }
        reached[0] = false;
    }
    reached[text.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(field: &str, config: &str, values: &str) -> Node {
        let xml = format!(
            "<member><Conditions><member><Field>{field}</Field><{config}>{values}</{config}></member></Conditions></member>"
        );
        Node::parse(xml.as_bytes()).unwrap()
    }

    fn listed(values: &[&str]) -> String {
        let members: String = values.iter().map(|value| format!("<member>{value}</member>")).collect();
        format!("<Values>{members}</Values>")
    }

    fn asked(path: &str, host: Option<&str>) -> Asked {
        Asked::of(&HttpGate { host: host.map(ToOwned::to_owned), ..HttpGate::get(path) }, "lb.example")
    }

    #[test]
    fn every_kind_of_condition_is_compared_as_a_load_balancer_does() {
        use Fit::{Matches, Maybe};
        let not = |want| Fit::Not(vec![want]);
        let host = |values: &[&str]| condition("host-header", "HostHeaderConfig", &listed(values));
        let path = |values: &[&str]| condition("path-pattern", "PathPatternConfig", &listed(values));
        let query = |key: &str, value: &str| {
            let pair = format!("<Values><member>{key}<Value>{value}</Value></member></Values>");
            condition("query-string", "QueryStringConfig", &pair)
        };
        let at = || asked("/Health?Stage=Green", Some("shop.example:8443"));
        for (rule, expected) in [
            (host(&["a.example", "*.EXAMPLE"]), Matches),
            (host(&["*.other"]), not(Want::Host("x.other".into()))),
            (path(&["/Heal?h"]), Matches),
            (path(&["/health"]), not(Want::Path("/health".into()))),
            (path(&["/Health?Stage*"]), not(Want::Path("/HealthxStage".into()))),
            (query("<Key>stage</Key>", "gr*"), Matches),
            (query("", "green"), Matches),
            (query("<Key>a</Key>", "b"), not(Want::Query("a=b".into()))),
            (condition("http-request-method", "HttpRequestMethodConfig", &listed(&["GET", "POST"])), Matches),
            (
                condition("http-request-method", "HttpRequestMethodConfig", &listed(&["POST"])),
                not(Want::Other("the method POST".into())),
            ),
            (condition("source-ip", "SourceIpConfig", &listed(&["10.0.0.0/8"])), Maybe),
            (
                condition("host-header", "HostHeaderConfig", "<RegexValues><member>x</member></RegexValues>"),
                Maybe,
            ),
            (condition("of-next-year", "OfNextYearConfig", &listed(&["x"])), Maybe),
        ] {
            assert_eq!(fit(&rule, &at()), expected, "{rule:?}");
        }
        let mut both = host(&["no.example"]);
        both.children[0].children.extend(path(&["/no"]).children.remove(0).children);
        assert!(matches!(fit(&both, &at()), Fit::Not(wants) if wants.len() == 2));
        assert_eq!(fit(&host(&["lb.*"]), &asked("/", None)), Matches);
    }

    #[test]
    fn wildcards_match_any_text_and_one_character() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("", "", true),
            ("?", "", false),
            ("a*c", "abbc", true),
            ("a*c", "abcd", false),
            ("*.a.*", "x.a.y", true),
            ("a?c*", "abc", true),
            ("abc", "ab", false),
        ] {
            assert_eq!(wildcard(pattern, text), expected, "{pattern} {text}");
        }
    }
}

//! Stickiness of target groups: the cookie `AWSALBTG` keeps a client on the group that answered it first, whatever the
//! weights have become, also where they are 0 (Elastic Load Balancing, "Target group stickiness").

use crate::simulator::wire::http_date;
use crate::simulator::{Millis, RouteRequest};
use serde_json::Value;

const COOKIE: &str = "AWSALBTG";
/// How long a browser keeps the cookie; how long the load balancer follows it is another matter.
const KEPT_MS: Millis = 7 * 86_400_000;

/// A group that a client is bound to, since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bond {
    pub group: String,
    pub since: Millis,
}

/// How long clients stay on their group by this action list; `None`: they do not.
pub(super) fn duration(actions: &[Value]) -> Option<Millis> {
    let forward = actions.iter().find(|action| action["Type"] == "forward")?;
    let stickiness = &forward["ForwardConfig"]["TargetGroupStickinessConfig"];
    let enabled = stickiness["Enabled"] == true || stickiness["Enabled"] == "true";
    let seconds = &stickiness["DurationSeconds"];
    let seconds = seconds.as_u64().or_else(|| seconds.as_str()?.parse().ok())?;
    enabled.then_some(seconds * 1_000)
}

impl Bond {
    /// The bond that a request's cookie tells of.
    pub fn of(request: &RouteRequest) -> Option<Bond> {
        let cookies = request.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("cookie"));
        let mut pairs =
            cookies.flat_map(|(_, value)| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let (_, value) = pairs.find(|(name, _)| *name == COOKIE)?;
        let text = String::from_utf8(unhex(value)?).ok()?;
        let (since, group) = text.split_once('|')?;
        Some(Bond { group: group.into(), since: since.parse().ok()? })
    }

    /// The value of the `Set-Cookie` header that binds a client so.
    pub fn set_cookie(&self, now: Millis) -> String {
        let value: String =
            format!("{}|{}", self.since, self.group).bytes().map(|byte| format!("{byte:02x}")).collect();
        format!("{COOKIE}={value}; Expires={}; Path=/", http_date(now + KEPT_MS))
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::Bond;
    use crate::simulator::RouteRequest;

    fn with_cookie(cookie: &str) -> RouteRequest {
        RouteRequest { headers: vec![("Cookie".into(), cookie.into())], ..RouteRequest::default() }
    }

    #[test]
    fn a_cookie_that_was_set_is_read_among_others() {
        let bond = Bond { group: "arn:aws:x:targetgroup/web/1".into(), since: 7 };
        let set = bond.set_cookie(0);
        let cookie = set.split(';').next().unwrap();
        assert_eq!(Bond::of(&with_cookie(&format!("a=b; {cookie}; c=d"))), Some(bond));
    }

    #[test]
    fn a_cookie_that_nobody_set_binds_nobody() {
        for cookie in ["", "AWSALBTG=", "AWSALBTG=zz", "AWSALBTG=é", "AWSALBTG=f", "AWSALBTG=616263"] {
            assert_eq!(Bond::of(&with_cookie(cookie)), None, "{cookie}");
        }
    }
}

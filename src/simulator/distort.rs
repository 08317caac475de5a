//! Answers that are damaged on their way: unreadable ones, those of a proxy, clocks that are wrong.

use super::wire::http_date;
use super::{Failure, Millis, WireResponse};

const PROXY_PAGE: &str = "<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center>\
                          <hr><center>proxy</center></body></html>\n";

/// What arrives of a response after this failure, at the world's time `now`.
pub(super) fn distort(response: WireResponse, failure: &Failure, now: Millis) -> WireResponse {
    match failure {
        // Half a document is none, in each of the protocols.
        Failure::Unreadable => {
            let half = response.body.len() / 2;
            WireResponse { body: response.body[..half].to_vec(), ..response }
        }
        Failure::Skewed { seconds } => with_date(response, &http_date(shifted(now, *seconds))),
        Failure::Dated(text) => with_date(response, text),
        Failure::Proxy { seconds } => {
            let headers = [("content-type", "text/html"), ("server", "proxy")];
            let page = WireResponse {
                status: 502,
                headers: headers.map(|(name, value)| (name.into(), value.into())).to_vec(),
                body: PROXY_PAGE.into(),
                ..response
            };
            with_date(page, &http_date(shifted(now, *seconds)))
        }
        Failure::LostAnswer | Failure::CutBefore => WireResponse { dropped: true, ..response },
        Failure::Error { .. }
        | Failure::Internal
        | Failure::Denied
        | Failure::Throttled
        | Failure::NotFound
        | Failure::Stale { .. } => response,
    }
}

fn shifted(now: Millis, seconds: i64) -> Millis {
    now.saturating_add_signed(seconds.saturating_mul(1_000))
}

fn with_date(mut response: WireResponse, date: &str) -> WireResponse {
    response.headers.retain(|(name, _)| name != "date");
    response.headers.push(("date".into(), date.into()));
    response
}

//! Backoff of a rolling service's content that ECS gave up: kept in a tag of the service, so that every run keeps to it.

use super::verdict::{last_refusal, went_back};
use super::{Ecs, LiveService};
use crate::engine::Trouble;
use crate::model::{Seconds, Timestamp, marks};

/// How long content that ECS gave up once is not sent again.
const FIRST: Seconds = 300;
/// The longest time: a registry or a capacity that was short is tried again without anybody asking.
const LONGEST: Seconds = 3_600;

/// Content that ECS gave up in a service and went back from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The revision id of the document.
    pub content: String,
    pub at: Timestamp,
    /// So often, one time after the other; 0: somebody wants it to be tried again.
    pub times: u32,
}

impl Refusal {
    /// The refusal that a service's tag tells, whatever its content.
    pub fn of(service: &LiveService) -> Option<Refusal> {
        let mut parts = service.tags.get(marks::REFUSED)?.split(' ');
        let content = parts.next().filter(|content| !content.is_empty())?.to_owned();
        let at = Timestamp(parts.next()?.strip_prefix("at=")?.parse().ok()?);
        let times = parts.next()?.strip_prefix("times=")?.parse().ok()?;
        Some(Refusal { content, at, times })
    }

    /// True if a service has refused something, whether that was noted or not, and nobody has lifted it.
    pub fn counts(service: &LiveService) -> bool {
        let content = service.tags.get(marks::CONTENT);
        match (Refusal::of(service), content.and_then(|content| last_refusal(service, content))) {
            (None, unnoted) => unnoted.is_some(),
            (Some(noted), unnoted) => noted.times > 0 || unnoted.is_some_and(|at| noted.at < at),
        }
    }

    /// The refusal of `content` that follows those that the service's tag tells.
    pub fn next(service: &LiveService, content: &str, at: Timestamp) -> Refusal {
        let before = Refusal::of(service).filter(|before| before.content == content);
        let times = before.map_or(0, |before| before.times).saturating_add(1);
        Refusal { content: content.to_owned(), at, times }
    }

    /// As the tag tells it: `0123456789abcdef at=1700000000 times=2`.
    pub fn to_tag(&self) -> String {
        format!("{} at={} times={}", self.content, self.at.0, self.times)
    }

    /// When the content may be sent again.
    pub fn until(&self) -> Timestamp {
        let Some(doublings) = self.times.checked_sub(1) else { return self.at };
        Timestamp(self.at.0.saturating_add((FIRST << doublings.min(16)).min(LONGEST)))
    }

    /// The fact and the ways out, for people.
    pub fn in_words(&self) -> String {
        let times = if self.times == 1 { String::new() } else { format!("{} times, last ", self.times) };
        format!(
            "ECS gave this content up {times}at {} and went back to what ran before; it is sent again after {}, or \
             commit a fix, or run `cutover retry`",
            self.at,
            self.until()
        )
    }
}

impl Ecs {
    /// The refusal by which `content` is not to be sent to the service now.
    pub(super) fn in_force(&self, live: &LiveService, content: &str) -> Option<Refusal> {
        let now = self.aws.clock().now();
        Refusal::of(live).filter(|refusal| refusal.content == content && now < refusal.until())
    }

    /// The refusal by which a sync would not send `content` now, noted or not.
    pub(super) fn foreseen(&self, live: &LiveService, content: &str) -> Option<Refusal> {
        let unnoted = last_refusal(live, content).filter(|at| {
            Refusal::of(live).filter(|noted| noted.content == content).is_none_or(|noted| noted.at < *at)
        });
        match unnoted {
            Some(at) => Some(Refusal::next(live, content, at)),
            None => self.in_force(live, content),
        }
    }

    /// The refusal by which `content` is not to be sent to the service now. One that nobody has noted yet, because the run
    /// that sent the content ended before ECS went back, is noted first.
    pub(super) async fn held_back(
        &self,
        live: &LiveService,
        content: &str,
    ) -> Result<Option<Refusal>, Trouble> {
        let refusal = self.foreseen(live, content);
        if let Some(refusal) = &refusal {
            self.tag_service(live, &[(marks::REFUSED, refusal.to_tag())]).await?;
        }
        Ok(refusal)
    }

    /// Lifts a service's refusal: the content is sent again with the next sync. The note stays, since the service itself
    /// may still tell of ECS's return, which would be noted anew.
    pub(super) async fn lift_refusal(&self, live: &LiveService) -> Result<(), Trouble> {
        let noted = Refusal::of(live);
        let content = live.tags.get(marks::CONTENT).cloned();
        let content = content.or(noted.as_ref().map(|noted| noted.content.clone())).unwrap_or_default();
        let went_back = went_back(&live.json);
        let Some(at) = noted.map(|noted| noted.at).max(went_back) else { return Ok(()) };
        self.tag_service(live, &[(marks::REFUSED, Refusal { content, at, times: 0 }.to_tag())]).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn service(tag: &str) -> LiveService {
        let json = json!({"serviceName": "web", "serviceArn": "arn:s", "status": "ACTIVE", "taskDefinition": "web:3",
            "tags": [{"key": marks::REFUSED, "value": tag}]});
        LiveService::parse(&json).unwrap().unwrap()
    }

    #[test]
    fn the_wait_doubles_from_five_minutes_to_an_hour_and_other_content_begins_anew() {
        let lifted = Refusal { content: "abc".into(), at: Timestamp(9), times: 0 };
        assert_eq!(lifted.until(), Timestamp(9));
        let mut refusal = Refusal::next(&service(&lifted.to_tag()), "abc", Timestamp(1_000));
        let mut waits = vec![];
        for _ in 0..6 {
            waits.push(refusal.until().0 - 1_000);
            assert_eq!(Refusal::of(&service(&refusal.to_tag())), Some(refusal.clone()));
            refusal = Refusal::next(&service(&refusal.to_tag()), "abc", Timestamp(1_000));
        }
        assert_eq!(waits, [300, 600, 1_200, 2_400, 3_600, 3_600]);
        assert_eq!(Refusal::next(&service(&refusal.to_tag()), "def", Timestamp(5)).times, 1);
    }

    #[test]
    fn a_tag_that_is_not_ours_is_no_refusal() {
        for tag in ["", "abc", "abc at=x times=1", "abc at=1"] {
            assert_eq!(Refusal::of(&service(tag)), None, "{tag}");
        }
    }
}

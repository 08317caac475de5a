//! Watches: what changes is told, so that nobody has to ask.

use super::calls::Verb;
use super::send::{Call, chain};
use super::status::clean;
use super::{Cluster, Resource};
use crate::engine::{Trouble, TroubleKind};
use futures_util::{Stream, StreamExt};
use kube::Api;
use kube::api::DynamicObject;
use kube::core::ApiResource;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event};
use serde_json::Value;

/// What a watch tells. After a break it begins anew with [`WatchEvent::ListBegins`], and what is not told until
/// [`WatchEvent::ListEnds`] is gone.
#[derive(Clone, Debug, PartialEq)]
pub enum WatchEvent {
    ListBegins,
    ListEnds,
    /// It is there, and like this.
    Is(Value),
    /// It is gone; how it was last.
    Gone(Value),
}

impl Cluster {
    /// Watches the objects of a kind in one namespace (`None`: in all) until the stream is dropped. A `selector` is
    /// written as kubectl's `-l`; empty for all. The stream does not end: after a trouble it goes on by itself, with a
    /// growing pause.
    pub fn watch(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        selector: &str,
    ) -> impl Stream<Item = Result<WatchEvent, Trouble>> + Send + use<> {
        let call = Call::many(Verb::Watch, resource, namespace);
        self.shared.calls.note(call.verb, &call.resource);
        let kind = ApiResource {
            group: resource.group.clone(),
            version: resource.version.clone(),
            api_version: resource.api_version(),
            kind: resource.kind.clone(),
            plural: resource.plural.clone(),
        };
        let client = self.shared.client.clone();
        let api: Api<DynamicObject> = match namespace.filter(|_| resource.namespaced) {
            Some(namespace) => Api::namespaced_with(client, namespace, &kind),
            None => Api::all_with(client, &kind),
        };
        let mut config = watcher::Config::default().page_size(500);
        if !selector.is_empty() {
            config = config.labels(selector);
        }
        let resource = resource.clone();
        watcher::watcher(api, config).default_backoff().map(move |event| match event {
            Ok(Event::Init) => Ok(WatchEvent::ListBegins),
            Ok(Event::InitDone) => Ok(WatchEvent::ListEnds),
            Ok(Event::InitApply(object) | Event::Apply(object)) => {
                json(&call, &resource, &object).map(WatchEvent::Is)
            }
            Ok(Event::Delete(object)) => json(&call, &resource, &object).map(WatchEvent::Gone),
            Err(error) => Err(failed(&call, &error)),
        })
    }
}

fn json(call: &Call, resource: &Resource, object: &DynamicObject) -> Result<Value, Trouble> {
    let mut value = serde_json::to_value(object)
        .map_err(|error| call.trouble(TroubleKind::Transient, format!("an event can't be read: {error}")))?;
    if let Some(fields) = value.as_object_mut() {
        fields.insert("apiVersion".into(), resource.api_version().into());
        fields.insert("kind".into(), resource.kind.as_str().into());
    }
    Ok(value)
}

fn failed(call: &Call, error: &watcher::Error) -> Trouble {
    let status = match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status))
        | watcher::Error::WatchError(status) => Some(status),
        _ => None,
    };
    let kind = match status.map(|status| status.code) {
        Some(401 | 403) => TroubleKind::Denied,
        Some(404) => TroubleKind::Missing,
        _ => TroubleKind::Transient,
    };
    let message = status.map_or_else(|| chain(error), |status| clean(&status.message, 600));
    call.trouble(kind, message)
}

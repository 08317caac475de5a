//! Reads of one object and of lists. A read that failed is an error, never absence.

use super::calls::Verb;
use super::resource::escape;
use super::send::{Ask, Call};
use super::status::Failure;
use super::{Cluster, Resource};
use crate::engine::{Trouble, TroubleKind};
use serde_json::Value;

/// Objects a page; larger ones make the API server's answers slow.
const PAGE: usize = 500;
/// A list of more objects is an error: a bound on memory.
const LIST_LIMIT: usize = 100_000;
/// How often a list whose continuation expired is begun anew.
const RESTARTS: usize = 3;

impl Cluster {
    /// One object; `None` if the server serves the kind but has no such object.
    ///
    /// # Errors
    /// [`TroubleKind::Missing`] if the kind is not served; otherwise those of the request.
    pub async fn get(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<Option<Value>, Trouble> {
        let call = Call::one(Verb::Get, resource, namespace, name);
        let path =
            resource.path(namespace, Some(name)).map_err(|why| call.trouble(TroubleKind::Rejected, why))?;
        match self.send(&call, &Ask::get(path)).await {
            Ok(object) => Ok(Some(object)),
            Err(Failure::Status(status)) if status.is_absence_of(name) => Ok(None),
            Err(failure) => Err(failure.into_trouble(&call)),
        }
    }

    /// All objects of a kind in one namespace (`None`: in all), page by page, each with its `apiVersion` and `kind`. A
    /// `selector` is written as kubectl's `-l`; empty for all.
    ///
    /// # Errors
    /// Those of the requests. A list that could not be read to its end is an error.
    pub async fn list(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        selector: &str,
    ) -> Result<Vec<Value>, Trouble> {
        self.list_where(resource, namespace, selector, "").await
    }

    /// [`Cluster::list`], of those only whose fields match as well, as with kubectl's `--field-selector`. Which fields
    /// can be asked for depends on the kind.
    ///
    /// # Errors
    /// Those of [`Cluster::list`].
    pub async fn list_where(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        selector: &str,
        fields: &str,
    ) -> Result<Vec<Value>, Trouble> {
        let call = Call::many(Verb::List, resource, namespace);
        let path = resource.path(namespace, None).map_err(|why| call.trouble(TroubleKind::Rejected, why))?;
        let mut query = format!("{path}?limit={PAGE}");
        if !selector.is_empty() {
            query.push_str(&format!("&labelSelector={}", escape(selector)));
        }
        if !fields.is_empty() {
            query.push_str(&format!("&fieldSelector={}", escape(fields)));
        }
        for _ in 0..RESTARTS {
            if let Some(items) = self.list_once(&call, &query, resource).await? {
                return Ok(items);
            }
        }
        let message = format!("the list changed faster than it could be read, {RESTARTS} times");
        Err(call.trouble(TroubleKind::Transient, message))
    }

    /// `None` if the list expired while it was read.
    async fn list_once(
        &self,
        call: &Call,
        query: &str,
        resource: &Resource,
    ) -> Result<Option<Vec<Value>>, Trouble> {
        let mut items = vec![];
        let mut next = query.to_owned();
        loop {
            let mut page = match self.send(call, &Ask::get(next)).await {
                Ok(page) => page,
                Err(Failure::Status(status)) if status.code == 410 => return Ok(None),
                Err(failure) => return Err(failure.into_trouble(call)),
            };
            let Some(Value::Array(found)) = page.get_mut("items").map(Value::take) else {
                // An empty list of some servers has `items: null`.
                if page.get("items").is_some_and(Value::is_null)
                    && page.pointer("/metadata/continue").is_none()
                {
                    return Ok(Some(items));
                }
                return Err(call.trouble(TroubleKind::Transient, "the answer is no list"));
            };
            items.extend(found.into_iter().map(|item| with_type(item, resource)));
            if items.len() > LIST_LIMIT {
                return Err(call.trouble(TroubleKind::Rejected, format!("there are more than {LIST_LIMIT}")));
            }
            let token = page.pointer("/metadata/continue").and_then(Value::as_str).unwrap_or_default();
            if token.is_empty() {
                return Ok(Some(items));
            }
            next = format!("{query}&continue={}", escape(token));
        }
    }
}

/// Elements of a list do not say what they are.
pub(super) fn with_type(item: Value, resource: &Resource) -> Value {
    let Value::Object(fields) = item else { return item };
    let mut typed = serde_json::Map::new();
    typed.insert("apiVersion".into(), resource.api_version().into());
    typed.insert("kind".into(), resource.kind.as_str().into());
    typed.extend(fields);
    Value::Object(typed)
}

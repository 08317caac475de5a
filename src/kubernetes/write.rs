//! Writes, and the dry run. Each is sent once; after a lost answer the caller has to look.

use super::InvalidField;
use super::calls::Verb;
use super::send::{Ask, Call, JSON};
use super::status::{Failure, Refusal};
use super::{Cluster, Resource};
use crate::engine::{Trouble, TroubleKind};
use http::Method;
use serde_json::{Value, json};

pub use crate::model::marks::FIELD_MANAGER;

/// The server gives a write up after that time, so that one sent under a lease can't happen after the lease's end.
const LIMIT: &str = "timeout=15s";

/// How an object is applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Apply {
    /// Takes fields from other managers.
    pub force: bool,
    /// Changes nothing; the answer is what would come of it.
    pub dry_run: bool,
}

/// What must still be so when an object is deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preconditions {
    pub uid: Option<String>,
    pub resource_version: Option<String>,
}

impl Preconditions {
    /// This very object, whatever changed about it.
    pub fn same_object(live: &Value) -> Preconditions {
        let text = |pointer: &str| live.pointer(pointer).and_then(Value::as_str).map(ToOwned::to_owned);
        Preconditions { uid: text("/metadata/uid"), resource_version: None }
    }

    /// This very object as it was read.
    pub fn unchanged(live: &Value) -> Preconditions {
        let version = live.pointer("/metadata/resourceVersion").and_then(Value::as_str);
        Preconditions { resource_version: version.map(ToOwned::to_owned), ..Preconditions::same_object(live) }
    }
}

/// What happens to what an object owns when it is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Propagation {
    /// It goes afterwards.
    #[default]
    Background,
    /// It goes first; the object stays, marked as being deleted, until then.
    Foreground,
    /// It stays.
    Orphan,
}

impl Propagation {
    fn name(self) -> &'static str {
        match self {
            Propagation::Background => "Background",
            Propagation::Foreground => "Foreground",
            Propagation::Orphan => "Orphan",
        }
    }
}

impl Cluster {
    /// Server-side apply as [`FIELD_MANAGER`] with strict validation; the answer is the object as it is then, or, of a
    /// dry run, as it would be. `body` has `apiVersion`, `kind` and `metadata.name`.
    ///
    /// # Errors
    /// [`Refusal`] says whether the object is refused or the request failed.
    pub async fn apply(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        body: &Value,
        how: Apply,
    ) -> Result<Value, Refusal> {
        let name = body.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        let verb = if how.dry_run { Verb::DryRun } else { Verb::Apply };
        let call = Call::one(verb, resource, namespace, name);
        let path = path(&call, resource, namespace, Some(name)).map_err(Refusal::Trouble)?;
        let mut query =
            format!("{path}?fieldManager={FIELD_MANAGER}&fieldValidation=Strict&force={}&{LIMIT}", how.force);
        if how.dry_run {
            query.push_str("&dryRun=All");
        }
        let ask = Ask::with_body(Method::PATCH, query, "application/apply-patch+yaml", body);
        match self.send(&call, &ask).await.map_err(|failure| failure.into_refusal(&call, body)) {
            Err(Refusal::Invalid { message, fields }) if how.dry_run && has_unknown(&fields) => {
                let all = self.unknown_fields(&call, resource, namespace, body).await;
                Err(Refusal::Invalid { message, fields: if all.is_empty() { fields } else { all } })
            }
            other => other,
        }
    }

    /// All fields that the schema does not know, if the server tells them. An apply ends at any one of them (it walks the
    /// fields in random order); the creation of the same object names them all, before it looks whether it is there.
    async fn unknown_fields(
        &self,
        call: &Call,
        resource: &Resource,
        namespace: Option<&str>,
        body: &Value,
    ) -> Vec<InvalidField> {
        let Ok(path) = path(call, resource, namespace, None) else { return vec![] };
        let query = format!("{path}?fieldManager={FIELD_MANAGER}&fieldValidation=Strict&dryRun=All&{LIMIT}");
        let ask = Ask::with_body(Method::POST, query, JSON, body);
        match self.send(call, &ask).await.map_err(|failure| failure.into_refusal(call, body)) {
            Err(Refusal::Invalid { fields, .. }) if has_unknown(&fields) => fields,
            _ => vec![],
        }
    }

    /// A JSON merge patch. With `metadata.resourceVersion` in it, it only holds for the object as it was read.
    ///
    /// # Errors
    /// [`TroubleKind::LookAgain`] if the object is not as it was read; otherwise those of the request.
    pub async fn merge_patch(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        name: &str,
        patch: &Value,
    ) -> Result<Value, Trouble> {
        let call = Call::one(Verb::Patch, resource, namespace, name);
        let path = path(&call, resource, namespace, Some(name))?;
        let query = format!("{path}?fieldManager={FIELD_MANAGER}&fieldValidation=Strict&{LIMIT}");
        let ask = Ask::with_body(Method::PATCH, query, "application/merge-patch+json", patch);
        self.send(&call, &ask).await.map_err(|failure| failure.into_trouble(&call))
    }

    /// A JSON patch: a list of operations. A dry run changes nothing; the answer is what would come of it.
    ///
    /// # Errors
    /// [`Refusal`] says whether the outcome is refused or the request failed; [`TroubleKind::LookAgain`] if an operation
    /// names another `metadata.resourceVersion` than the object has.
    pub async fn json_patch(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        name: &str,
        operations: &[Value],
        dry_run: bool,
    ) -> Result<Value, Refusal> {
        let call = Call::one(if dry_run { Verb::DryRun } else { Verb::Patch }, resource, namespace, name);
        let path = path(&call, resource, namespace, Some(name)).map_err(Refusal::Trouble)?;
        let dry = if dry_run { "&dryRun=All" } else { "" };
        let query = format!("{path}?fieldManager={FIELD_MANAGER}&fieldValidation=Strict&{LIMIT}{dry}");
        let body = Value::Array(operations.to_vec());
        let ask = Ask::with_body(Method::PATCH, query, "application/json-patch+json", &body);
        self.send(&call, &ask).await.map_err(|failure| failure.into_refusal(&call, &body))
    }

    /// Replaces an object's `status` as a whole, whatever else changes about it.
    ///
    /// # Errors
    /// [`TroubleKind::Missing`] if the object is gone; otherwise those of the request.
    pub async fn replace_status(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        name: &str,
        status: &Value,
    ) -> Result<(), Trouble> {
        let call = Call::one(Verb::Patch, resource, namespace, name);
        let path = path(&call, resource, namespace, Some(name))?;
        let query = format!("{path}/status?fieldManager={FIELD_MANAGER}&{LIMIT}");
        let patch = json!([{"op": "add", "path": "/status", "value": status}]);
        let ask = Ask::with_body(Method::PATCH, query, "application/json-patch+json", &patch);
        self.send(&call, &ask).await.map(|_| ()).map_err(|failure| failure.into_trouble(&call))
    }

    /// Creates an object that is not there yet.
    ///
    /// # Errors
    /// [`TroubleKind::LookAgain`] if it is there by now; otherwise those of the request.
    pub async fn create(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        body: &Value,
    ) -> Result<Value, Trouble> {
        let name = body.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        let call = Call::one(Verb::Create, resource, namespace, name);
        let path = path(&call, resource, namespace, None)?;
        let query = format!("{path}?fieldManager={FIELD_MANAGER}&fieldValidation=Strict&{LIMIT}");
        let ask = Ask::with_body(Method::POST, query, JSON, body);
        self.send(&call, &ask).await.map_err(|failure| failure.into_trouble(&call))
    }

    /// Replaces an object; with `metadata.resourceVersion` in `body`, only as it was read.
    ///
    /// # Errors
    /// [`TroubleKind::LookAgain`] if it is not as it was read, [`TroubleKind::Missing`] if it is gone; otherwise those of
    /// the request.
    pub async fn replace(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        body: &Value,
    ) -> Result<Value, Trouble> {
        let name = body.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        let call = Call::one(Verb::Replace, resource, namespace, name);
        let path = path(&call, resource, namespace, Some(name))?;
        let query = format!("{path}?fieldManager={FIELD_MANAGER}&fieldValidation=Strict&{LIMIT}");
        let ask = Ask::with_body(Method::PUT, query, JSON, body);
        self.send(&call, &ask).await.map_err(|failure| failure.into_trouble(&call))
    }

    /// Deletes an object, if it is still the one that is meant. One that is not there is no error; one with finalizers
    /// or with [`Propagation::Foreground`] is only marked at first.
    ///
    /// # Errors
    /// [`TroubleKind::LookAgain`] if the preconditions do not hold; otherwise those of the request.
    pub async fn delete(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        name: &str,
        preconditions: &Preconditions,
        propagation: Propagation,
    ) -> Result<(), Trouble> {
        let call = Call::one(Verb::Delete, resource, namespace, name);
        let path = path(&call, resource, namespace, Some(name))?;
        let mut conditions = serde_json::Map::new();
        for (field, value) in
            [("uid", &preconditions.uid), ("resourceVersion", &preconditions.resource_version)]
        {
            if let Some(value) = value {
                conditions.insert(field.into(), value.as_str().into());
            }
        }
        let body = json!({"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation.name(),
            "preconditions": conditions});
        let ask = Ask::with_body(Method::DELETE, format!("{path}?{LIMIT}"), JSON, &body);
        match self.send(&call, &ask).await {
            Ok(_) => Ok(()),
            Err(Failure::Status(status)) if status.is_absence_of(name) => Ok(()),
            Err(failure) => Err(failure.into_trouble(&call)),
        }
    }
}

fn path(
    call: &Call,
    resource: &Resource,
    namespace: Option<&str>,
    name: Option<&str>,
) -> Result<String, Trouble> {
    resource.path(namespace, name).map_err(|why| call.trouble(TroubleKind::Rejected, why))
}

fn has_unknown(fields: &[InvalidField]) -> bool {
    fields.iter().any(|field| field.is_unknown())
}

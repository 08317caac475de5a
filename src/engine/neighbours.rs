//! Other applications of the same process: what passes from one to another is handed over, and never deleted in between.

use crate::model::Application;
use futures_util::future::BoxFuture;
use std::collections::BTreeMap;

/// Another application's claim to a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elsewhere {
    /// `application shop declares it`
    pub why: String,
    /// False if its documents can't be read just now, so that it only may be so.
    pub is_certain: bool,
}

/// What one application can know of the others that go to the same place.
pub trait Neighbours: Send + Sync {
    /// Of these resources (named as [`crate::plan::Owned::resource`]) those that another application declares, or may.
    fn declared<'a>(&'a self, resources: &'a [String]) -> BoxFuture<'a, BTreeMap<String, Elsewhere>>;

    /// Whether an application that `is_owner` does not declare the resource any more, by its present documents. `None` if it
    /// is not seen from here: that says nothing.
    fn gave_up<'a>(
        &'a self,
        is_owner: &'a (dyn Fn(&Application) -> bool + Send + Sync),
        resource: &'a str,
    ) -> BoxFuture<'a, Option<bool>>;
}

/// No other application is known.
pub struct NoNeighbours;

impl Neighbours for NoNeighbours {
    fn declared<'a>(&'a self, _: &'a [String]) -> BoxFuture<'a, BTreeMap<String, Elsewhere>> {
        Box::pin(async { BTreeMap::new() })
    }

    fn gave_up<'a>(
        &'a self,
        _: &'a (dyn Fn(&Application) -> bool + Send + Sync),
        _: &'a str,
    ) -> BoxFuture<'a, Option<bool>> {
        Box::pin(async { None })
    }
}

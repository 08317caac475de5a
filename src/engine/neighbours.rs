//! Other applications of the same process: what passes from one to another is handed over, and never deleted in between.

use crate::model::Application;
use futures_util::future::BoxFuture;
use std::collections::BTreeMap;

/// What one application can know of the others that go to the same place.
pub trait Neighbours: Send + Sync {
    /// Of these resources (named as [`crate::plan::Owned::resource`]) those that another application declares, or may, with
    /// the reason: `application shop declares it`.
    fn declared<'a>(&'a self, resources: &'a [String]) -> BoxFuture<'a, BTreeMap<String, String>>;

    /// True if an application that `is_owner` is among them and does not declare the resource any more, which is known
    /// from its present documents. False if it is not seen from here: that says nothing.
    fn gave_up<'a>(
        &'a self,
        is_owner: &'a (dyn Fn(&Application) -> bool + Send + Sync),
        resource: &'a str,
    ) -> BoxFuture<'a, bool>;
}

/// No other application is known.
pub struct NoNeighbours;

impl Neighbours for NoNeighbours {
    fn declared<'a>(&'a self, _: &'a [String]) -> BoxFuture<'a, BTreeMap<String, String>> {
        Box::pin(async { BTreeMap::new() })
    }

    fn gave_up<'a>(
        &'a self,
        _: &'a (dyn Fn(&Application) -> bool + Send + Sync),
        _: &'a str,
    ) -> BoxFuture<'a, bool> {
        Box::pin(async { false })
    }
}

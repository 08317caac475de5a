//! Earlier commits of one Application, from the mirror of its repository.

use super::ports::Repositories;
use super::reconcile::read_documents;
use crate::engine::History;
use crate::model::{AppKey, Application, Manifests};
use futures_util::future::BoxFuture;
use std::sync::Arc;

/// The source of an Application as its spec names it.
pub(super) struct Past {
    repositories: Arc<dyn Repositories>,
    key: AppKey,
    application: Application,
}

impl Past {
    pub fn of(
        repositories: &Arc<dyn Repositories>,
        key: &AppKey,
        application: &Application,
    ) -> Arc<dyn History> {
        let (repositories, key) = (Arc::clone(repositories), key.clone());
        Arc::new(Past { repositories, key, application: application.clone() })
    }
}

impl History for Past {
    fn documents<'a>(&'a self, commit: &'a str) -> BoxFuture<'a, Result<Manifests, String>> {
        Box::pin(async move {
            let read = read_documents(Arc::clone(&self.repositories), &self.key, &self.application, commit);
            let read = read.await.map(|(manifests, _)| manifests);
            read.map_err(|look| look.failure().unwrap_or_default())
        })
    }
}

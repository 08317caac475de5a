//! Where Applications are registered, what Git holds, and who hears of it.

use super::{REPOSITORY, Sandbox};
use crate::controller::{
    Applications, Documents, Found, Occurrence, Registration, Repositories, RepositoryKey, SourceTrouble,
    Voice,
};
use crate::engine::{Trouble, TroubleKind};
use crate::model::{AppKey, ApplicationStatus, Source, SourceFile};
use futures_util::future::BoxFuture;
use std::collections::{BTreeMap, BTreeSet};
use tokio::sync::mpsc;

/// A Deployment with slots.
const SHIPPED: &str = "\
apiVersion: v1
kind: Service
metadata: {name: x}
spec: {selector: {app: x}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: x}
spec:
  selector: {matchLabels: {app: x}}
  template:
    metadata: {labels: {app: x}}
    spec: {containers: [{name: app, image: 'x:1', ports: [{containerPort: 8080}], readinessProbe: {httpGet: {port: 8080}}}]}
---
apiVersion: cutover.dev/v1alpha1
kind: BlueGreen
metadata: {name: x}
spec:
  workloadRef: {kind: Deployment, name: x}
  container: {name: app, port: 8080}
  traffic: {service: x}
";

impl Applications for Sandbox {
    fn watch(&self) -> mpsc::Receiver<Registration> {
        let mut inner = self.inner();
        let (sender, receiver) = mpsc::channel(20_000);
        for registered in inner.registered.values() {
            sender.try_send(Registration::Is(Box::new(registered.clone()))).expect("room");
        }
        sender.try_send(Registration::Listed).expect("room");
        inner.registrations = Some(sender);
        receiver
    }

    fn write_status<'a>(
        &'a self,
        key: &'a AppKey,
        status: &'a ApplicationStatus,
    ) -> BoxFuture<'a, Result<(), Trouble>> {
        Box::pin(async move {
            let (sender, registered) = {
                let mut inner = self.inner();
                inner.status_writes += 1;
                if inner.held.as_ref().is_some_and(|held| !held.contains(key)) {
                    inner.faults.push(format!("the status of {key} was written without its seat"));
                }
                let Some(registered) = inner.registered.get_mut(key) else { return Ok(()) };
                registered.status = status.clone();
                (inner.registrations.clone(), inner.registered[key].clone())
            };
            if let Some(sender) = sender {
                // A full channel only delays the echo.
                let _ = sender.try_send(Registration::Is(Box::new(registered)));
            }
            Ok(())
        })
    }

    /// As an API server does it: what is going goes with its last finalizer.
    fn guard<'a>(&'a self, key: &'a AppKey, uid: &'a str, on: bool) -> BoxFuture<'a, Result<(), Trouble>> {
        Box::pin(async move {
            let mut inner = self.inner();
            inner.guards.push((key.clone(), on));
            if inner.guards_are_denied {
                let (doing, message) = ("patch applications".into(), "forbidden".into());
                return Err(Trouble { kind: TroubleKind::Denied, doing, message });
            }
            let Some(registered) = inner.registered.get_mut(key).filter(|one| one.uid == uid) else {
                return Ok(());
            };
            registered.is_guarded = on;
            let registration = match registered.is_going && !on {
                true => Registration::Gone(key.clone()),
                false => Registration::Is(Box::new(registered.clone())),
            };
            if let Some(sender) = &inner.registrations {
                sender.try_send(registration).expect("room");
            }
            Ok(())
        })
    }
}

impl Repositories for Sandbox {
    fn look(
        &self,
        repository: &RepositoryKey,
        revisions: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, Result<Found, SourceTrouble>>, SourceTrouble> {
        let mut inner = self.inner();
        inner.looks += 1;
        if inner.git_is_away || repository.url != REPOSITORY {
            return Err(SourceTrouble { message: "the server is away".into(), is_transient: true });
        }
        let found = revisions.iter().map(|revision| {
            let found = inner.git.get(revision).map(|(found, _)| found.clone());
            let none = || SourceTrouble { message: format!("no {revision}"), is_transient: false };
            (revision.clone(), found.ok_or_else(none))
        });
        Ok(found.collect())
    }

    fn tree_ids(
        &self,
        _: &RepositoryKey,
        commit: &str,
        paths: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, Result<String, SourceTrouble>>, SourceTrouble> {
        let inner = self.inner();
        let folders =
            inner.git.values().find(|(found, _)| found.commit == commit).map(|(_, folders)| folders);
        let ids = paths.iter().map(|path| {
            let none = || SourceTrouble { message: format!("no folder {path}"), is_transient: false };
            (path.clone(), folders.and_then(|folders| folders.get(path)).cloned().ok_or_else(none))
        });
        Ok(ids.collect())
    }

    fn documents(
        &self,
        _: &RepositoryKey,
        commit: &str,
        source: &Source,
    ) -> Result<Documents, SourceTrouble> {
        let path = &source.path;
        let inner = self.inner();
        if inner.mirror_is_new {
            return Err(SourceTrouble { message: "the server is away".into(), is_transient: true });
        }
        let id = inner.past.iter().rev().find(|(found, _)| found.commit == commit);
        let id = id.and_then(|(_, folders)| folders.get(path)).cloned().unwrap_or_default();
        let text = match id.contains("@wrong") {
            true => "kind: [".to_owned(),
            false if id.contains("@child") => format!(
                "apiVersion: cutover.dev/v1alpha1\nkind: Application\nmetadata: {{name: forbidden}}\nspec: {{source: \
                 {{repoURL: '{REPOSITORY}'}}, destination: {{kubernetes: {{namespace: shop}}}}}}\n"
            ),
            false if path.starts_with("apps/ecs-") => format!(
                "apiVersion: ecs.cutover.dev/v1alpha1\nkind: TaskDefinition\nmetadata: {{name: x}}\nspec: {{family: x, \
                 containerDefinitions: [{{name: app, image: '{id}'}}]}}\n"
            ),
            false if inner.ships => format!(
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: x}}\ndata: {{id: '{id}'}}\n---\n{SHIPPED}"
            ),
            false => {
                format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: x}}\ndata: {{id: '{id}'}}\n")
            }
        };
        Ok(Documents {
            files: vec![SourceFile { path: format!("{path}/x.yaml"), bytes: text.into_bytes() }],
            notices: inner.skipped.clone(),
        })
    }
}

impl Voice for Sandbox {
    fn tell(&self, occurrence: &Occurrence) {
        let mut inner = self.inner();
        let key = &occurrence.application;
        if inner.held.as_ref().is_some_and(|held| !held.contains(key)) {
            inner.faults.push(format!("{:?} of {key} was told without its seat", occurrence.kind));
        }
        inner.told.push(occurrence.clone());
    }
}

//! All members of the ApplySet without regard to documents, for the end of an application.

use super::lists::Lists;
use super::owned::{kept, turn_of};
use crate::engine::{Trouble, TroubleKind};
use crate::kubernetes::Kinds;
use crate::model::{HookPhase, ObjectKey, Turn};
use crate::plan::{Live, Owned};
use crate::platform::kubernetes::Kubernetes;
use crate::platform::kubernetes::inventory::place;
use crate::platform::kubernetes::prune::held_by;
use crate::platform::kubernetes::slots::Protection;
use crate::platform::withhold::withhold;
use serde_json::Value;
use std::collections::BTreeSet;

impl Kubernetes {
    /// Everything that the application owns. What stays whatever happens is `in_use`: its own namespace, and what pruning
    /// keeps by the object's own word or for want of one. What other objects refer to goes, as these do.
    pub(in crate::platform::kubernetes) async fn read_members(&self) -> Result<Live, Trouble> {
        match self.read_members_once().await {
            // A kind went since the cluster's kinds were asked for.
            Err(trouble) if trouble.kind == TroubleKind::Missing => {
                self.cluster.refresh_kinds().await?;
                self.read_members_once().await
            }
            other => other,
        }
    }

    async fn read_members_once(&self) -> Result<Live, Trouble> {
        let (kinds, parent) =
            tokio::try_join!(self.cluster.kinds(), self.inventory.read(&self.cluster, &self.identity))?;
        let kinds = self.all_kinds(kinds, &parent.group_kinds).await?;
        let mut lists = self.lists(&kinds, &parent, &[]).await?;
        match parent.resource_version {
            Some(_) => self.doubt(&kinds, &parent, &mut lists).await,
            // Nothing leads to the members, or there never were any: only a look everywhere tells.
            None => self.look_everywhere(&kinds, &mut lists).await,
        }
        let mut owned = self.all_owned(&lists).await;
        withhold(&*self.neighbours, &mut owned, |_| false).await;
        let incomplete = lists.incomplete();
        self.inventory.note(lists.led_to(&self.identity), BTreeSet::new(), incomplete.is_none(), None);
        Ok(Live { owned, incomplete, beyond: lists.beyond(), ..Live::default() })
    }

    /// Looks for members among all kinds, in all namespaces as far as they may be listed. Of kinds that may not be listed
    /// what is there stays, and that is told.
    async fn look_everywhere(&self, kinds: &Kinds, lists: &mut Lists) {
        let unread = self.find_everywhere(kinds, lists).await;
        let (denied, unread): (Vec<_>, Vec<_>) =
            unread.into_iter().partition(|trouble| trouble.kind == TroubleKind::Denied);
        unread.iter().for_each(|trouble| lists.miss(&trouble.to_string()));
        if let Some(first) = denied.first() {
            lists.tell(format!(
                "{} is missing, so its objects were looked for, but not wherever that may not be listed ({first}, and {} more): \
                 what there is of it there is left as it runs",
                place(&self.identity),
                denied.len() - 1
            ));
        }
    }

    /// The kinds of the cluster, asked for anew if one of the inventory is not among them: it may have come since.
    async fn all_kinds(
        &self,
        kinds: std::sync::Arc<Kinds>,
        wanted: &BTreeSet<String>,
    ) -> Result<std::sync::Arc<Kinds>, Trouble> {
        let is_known = |name: &String| {
            let (group, kind) = super::parse_group_kind(name);
            kinds.preferred(group, kind).is_some()
        };
        match wanted.iter().all(is_known) {
            true => Ok(kinds),
            false => self.cluster.refresh_kinds().await,
        }
    }

    async fn all_owned(&self, lists: &Lists) -> Vec<Owned> {
        let bare = self.bare_definitions(lists, &BTreeSet::new()).await;
        let protection = Protection::find(lists.members(&self.identity), &[]);
        let called: BTreeSet<ObjectKey> =
            lists.members(&self.identity).flat_map(|(key, live)| called_by(key, live)).collect();
        let owned = |(key, live): (&ObjectKey, &Value)| {
            let own = key.is("", "Namespace") && key.name == self.identity.namespace();
            let own = own.then(|| {
                format!(
                    "it is the application's own namespace, and everything in it would go; if that is meant: kubectl delete \
                     namespace {}",
                    key.name
                )
            });
            Owned {
                document: key.label(),
                resource: key.to_string(),
                target_groups: protection.target_groups(key),
                in_use: own.or_else(|| kept(key, live, bare.contains(key))),
                is_kept_for_now: false,
                steered_by: None,
                leaving: held_by(live),
                turn: turn(key, live, &called),
                slot: None,
            }
        };
        lists.members(&self.identity).map(owned).collect()
    }
}

/// When an object's turn is in a deletion, which begins with the last one: what leads requests anywhere is first, then
/// Services, then everything else in the reverse order of its apply. A Service that the API server itself calls stays as long
/// as what runs behind it: without it nothing that it answers for can be deleted.
fn turn(key: &ObjectKey, live: &Value, called: &BTreeSet<ObjectKey>) -> Turn {
    let first = |rank| Turn { phase: HookPhase::SyncFail, wave: 0, rank };
    match (key.group.as_str(), key.kind.as_str()) {
        ("networking.k8s.io", "Ingress") | ("elbv2.k8s.aws", "TargetGroupBinding") => first(1),
        ("gateway.networking.k8s.io", kind) if kind.ends_with("Route") => first(1),
        ("", "Service") if !called.contains(key) => first(0),
        _ => turn_of(key, live),
    }
}

/// The Services that the API server calls because of this object: those of webhooks, conversions and API servers.
fn called_by(key: &ObjectKey, live: &Value) -> Vec<ObjectKey> {
    let mut found = vec![];
    let mut note = |service: Option<&Value>| {
        let text = |field: &str| service?.get(field)?.as_str().map(ToOwned::to_owned);
        if let (Some(namespace), Some(name)) = (text("namespace"), text("name")) {
            found.push(ObjectKey {
                group: String::new(),
                kind: "Service".into(),
                namespace: Some(namespace),
                name,
            });
        }
    };
    match key.group.as_str() {
        "admissionregistration.k8s.io" => {
            let webhooks = live["webhooks"].as_array().into_iter().flatten();
            webhooks.for_each(|webhook| note(webhook.pointer("/clientConfig/service")));
        }
        "apiextensions.k8s.io" => note(live.pointer("/spec/conversion/webhook/clientConfig/service")),
        "apiregistration.k8s.io" => note(live.pointer("/spec/service")),
        _ => {}
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::rank;
    use serde_json::json;

    fn key(group: &str, kind: &str, name: &str) -> ObjectKey {
        ObjectKey {
            group: group.into(),
            kind: kind.into(),
            namespace: Some("shop".into()),
            name: name.into(),
        }
    }

    #[test]
    fn traffic_goes_first_and_what_the_api_server_calls_with_its_pods() {
        let service = json!({"service": {"namespace": "shop", "name": "hook"}});
        let webhook = json!({"webhooks": [{"clientConfig": service}]});
        let registration = key("admissionregistration.k8s.io", "ValidatingWebhookConfiguration", "v");
        let called: BTreeSet<ObjectKey> = called_by(&registration, &webhook).into_iter().collect();
        assert_eq!(called, [key("", "Service", "hook")].into());
        let definition = key("apiextensions.k8s.io", "CustomResourceDefinition", "d");
        let conversion = json!({"spec": {"conversion": {"webhook": {"clientConfig": service}}}});
        assert_eq!(called_by(&definition, &conversion), [key("", "Service", "hook")]);
        let api = json!({"spec": service});
        assert_eq!(
            called_by(&key("apiregistration.k8s.io", "APIService", "a"), &api),
            [key("", "Service", "hook")]
        );

        let plain = json!({});
        let early = json!({"metadata": {"annotations": {"cutover.dev/wave": "-5"}}});
        let mut order = [
            (key("", "ConfigMap", "settings"), &plain),
            (key("apps", "Deployment", "web"), &plain),
            (
                key("apps", "Deployment", "late"),
                &json!({"metadata": {"annotations": {"cutover.dev/wave": "3"}}}),
            ),
            (key("", "Service", "web"), &early),
            (key("", "Service", "hook"), &plain),
            (key("networking.k8s.io", "Ingress", "web"), &early),
            (key("example.dev", "Thing", "one"), &plain),
            (registration, &plain),
        ];
        order.sort_by_key(|(key, live)| std::cmp::Reverse(turn(key, live, &called)));
        let names: Vec<String> = order.iter().map(|(key, _)| format!("{}/{}", key.kind, key.name)).collect();
        assert_eq!(
            names,
            [
                "Ingress/web",
                "Service/web",
                "Deployment/late",
                "ValidatingWebhookConfiguration/v",
                "Thing/one",
                "Deployment/web",
                "ConfigMap/settings",
                "Service/hook",
            ]
        );
        assert_eq!(rank("", "Service"), rank("", "ConfigMap"));
    }
}

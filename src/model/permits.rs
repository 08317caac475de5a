//! Whether an Application may do what it asks for.

use super::{
    Allowed, AllowedDestinations, Ancestor, AppKey, Application, ControllerConfiguration, Destination,
    Lineage, Pattern, Permission, RepositoryPattern,
};

/// What an Application may touch, or a sentence for each thing that it asks for and may not. `own_namespace` is the
/// controller's.
///
/// The first permission whose namespaces fit counts. Without one, Applications in the controller's own namespace and
/// those of a folder (whose namespace is empty) may do everything; others may sync from any repository that the operator
/// keeps no credentials for into their own namespace of this cluster, and nothing else.
///
/// # Errors
/// Everything that is not allowed.
pub fn permits(
    configuration: &ControllerConfiguration,
    own_namespace: &str,
    key: &AppKey,
    application: &Application,
) -> Result<Allowed, Vec<String>> {
    let fits = |permission: &&Permission| permission.namespaces.iter().any(|p| p.fits(&key.namespace));
    let named = configuration.permissions.iter().find(fits);
    if key.namespace.is_empty() || named.is_none() && key.namespace == own_namespace {
        return Ok(Allowed::everything());
    }
    let mut refused = vec![];
    let source = &application.source;
    match named {
        Some(permission) if !permission.repositories.iter().any(|p| p.fits(&source.repo_url)) => {
            refused.push("spec.source.repoURL: this repository is not allowed".to_owned());
        }
        None if source.secret_ref.is_none() && has_credential(configuration, &source.repo_url) => {
            refused.push(
                "spec.source.repoURL: the operator's credentials for this repository may be used only where a permission \
                 names it; name a Secret of your own in spec.source.secretRef"
                    .to_owned(),
            );
        }
        _ => {}
    }
    let usual = Permission {
        namespaces: vec![],
        repositories: vec![RepositoryPattern("*".into())],
        destinations: AllowedDestinations::default(),
        cluster_kinds: vec![],
        service_account_required: false,
    };
    let permission = named.unwrap_or(&usual);
    let own = || vec![Pattern(key.namespace.clone())];
    let allowed = Allowed {
        namespaces: permission.destinations.namespaces.clone().unwrap_or_else(own),
        cluster_kinds: permission.cluster_kinds.clone(),
        aws: permission.destinations.load_balancers,
        within: None,
    };
    check_destination(permission, &allowed, application, &mut refused);
    if refused.is_empty() {
        return Ok(allowed);
    }
    let end = match named {
        Some(_) => format!("the operator's permissions for namespace {} end there", key.namespace),
        None => format!(
            "no permission of the operator is for namespace {}, so only this cluster, that namespace and public repositories are",
            key.namespace
        ),
    };
    Err(refused.into_iter().map(|sentence| format!("{sentence} ({end})")).collect())
}

/// As [`permits`], for an Application that `lineage` made: it may do what its own namespace allows and each of them may do as
/// well, and acts as the service account that they act as.
///
/// # Errors
/// Everything that is not allowed.
pub fn permits_within(
    configuration: &ControllerConfiguration,
    own_namespace: &str,
    lineage: &Lineage,
    key: &AppKey,
    application: &Application,
) -> Result<Allowed, Vec<String>> {
    let mut allowed = permits(configuration, own_namespace, key, application)?;
    let mut refused = vec![];
    for ancestor in lineage.ancestors() {
        // What an Application may do is said by its namespace.
        match permits(configuration, own_namespace, &ancestor.key, application) {
            Ok(bounds) => allowed = allowed.and_within(bounds),
            Err(sentences) => {
                let beyond = |sentence| {
                    format!("is beyond Application {}, which it comes from: {sentence}", ancestor.key)
                };
                refused.extend(sentences.into_iter().map(beyond));
            }
        }
        refused.extend(other_account(ancestor, key, application));
    }
    if refused.is_empty() { Ok(allowed) } else { Err(refused) }
}

/// Why an Application would have other rights than the service account that the one that made it acts as.
fn other_account(ancestor: &Ancestor, key: &AppKey, application: &Application) -> Option<String> {
    let account = ancestor.service_account.as_ref()?;
    let namespace = &ancestor.key.namespace;
    let is_same = application.service_account_name.as_ref() == Some(account) && key.namespace == *namespace;
    (!is_same).then(|| {
        format!(
            "spec.serviceAccountName: Application {}, which it comes from, acts as {account} of namespace {namespace}, and so \
             has everything that it makes: name that account, in that namespace",
            ancestor.key
        )
    })
}

fn has_credential(configuration: &ControllerConfiguration, url: &str) -> bool {
    configuration.repositories.iter().any(|credential| credential.url.fits(url))
}

fn check_destination(
    permission: &Permission,
    allowed: &Allowed,
    application: &Application,
    refused: &mut Vec<String>,
) {
    let destinations = &permission.destinations;
    match &application.destination {
        Destination::Ecs { region, cluster } => {
            let (arn_region, name) = cluster_name(cluster);
            let region = region.as_deref().or(arn_region);
            let fits = destinations.ecs.iter().any(|ecs| {
                let in_region = match (&ecs.region, region) {
                    (None, _) => true,
                    (Some(pattern), Some(region)) => pattern.fits(region),
                    (Some(pattern), None) => pattern.0 == "*",
                };
                in_region && ecs.cluster.fits(name)
            });
            if !fits {
                let place = region.map_or_else(String::new, |region| format!(" in {region}"));
                refused.push(format!("spec.destination.ecs: cluster {name}{place} is not allowed"));
            }
        }
        Destination::Kubernetes { namespace, context, region: _, kubeconfig_secret_ref } => {
            let elsewhere = context.is_some() || kubeconfig_secret_ref.is_some();
            if elsewhere && !destinations.other_clusters {
                refused.push("spec.destination.kubernetes: other clusters are not allowed".to_owned());
            }
            if !elsewhere && !destinations.this_cluster {
                refused.push("spec.destination.kubernetes: this cluster is not allowed".to_owned());
            }
            if !allowed.has_namespace(namespace) {
                refused.push(format!(
                    "spec.destination.kubernetes.namespace: namespace {namespace} is not allowed"
                ));
            }
            let as_controller = kubeconfig_secret_ref.is_none() && application.service_account_name.is_none();
            if permission.service_account_required && as_controller {
                refused.push(
                    "spec.serviceAccountName: is missing, and the controller's own rights are not lent"
                        .to_owned(),
                );
            }
        }
    }
}

/// The region that an ARN names, and the cluster's name.
fn cluster_name(cluster: &str) -> (Option<&str>, &str) {
    match (cluster.split(':').nth(3), cluster.split_once(":cluster/")) {
        (Some(region), Some((_, name))) if cluster.starts_with("arn:") => (Some(region), name),
        _ => (None, cluster),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn configuration() -> ControllerConfiguration {
        let value = json!({
            "permissions": [
                {"namespaces": ["team-a", "team-a-*"], "repositories": ["https://git.example/team-a/*"],
                 "destinations": {"namespaces": ["team-a*"], "ecs": [{"region": "eu-*", "cluster": "team-a"}]},
                 "clusterKinds": ["Namespace"], "serviceAccountRequired": true},
                {"namespaces": ["ops"], "repositories": ["*"], "clusterKinds": ["*"],
                 "destinations": {"loadBalancers": true, "thisCluster": false, "otherClusters": true, "namespaces": ["*"], "ecs": [{"cluster": "*"}]}}
            ],
            "repositories": [{"url": "https://git.example/*", "secretRef": {"name": "git"}}]
        });
        serde_json::from_value(value).unwrap()
    }

    fn asked(namespace: &str, spec: Value) -> Result<Allowed, Vec<String>> {
        let mut whole = json!({"source": {"repoURL": "https://git.example/team-a/deploy.git"}});
        for (field, value) in spec.as_object().unwrap() {
            whole[field] = value.clone();
        }
        let application: Application = serde_json::from_value(whole).unwrap();
        let key = AppKey { namespace: namespace.into(), name: "shop".into() };
        permits(&configuration(), "cutover", &key, &application)
    }

    fn kubernetes(namespace: &str) -> Value {
        json!({"kubernetes": {"namespace": namespace}})
    }

    #[test]
    fn the_controllers_own_namespace_and_a_folder_may_do_everything() {
        for namespace in ["cutover", ""] {
            let ecs = asked(namespace, json!({"destination": {"ecs": {"cluster": "prod"}}}));
            assert_eq!(ecs, Ok(Allowed::everything()));
        }
    }

    #[test]
    fn without_a_permission_a_namespace_has_itself() {
        let own = json!({"repoURL": "https://elsewhere.example/deploy.git"});
        let allowed = asked("team-b", json!({"source": own, "destination": kubernetes("team-b")})).unwrap();
        assert!(allowed.has_namespace("team-b") && !allowed.has_namespace("team-bb"));
        assert!(!allowed.has_cluster_kind("", "Namespace") && !allowed.aws);
        let secret = json!({"repoURL": "https://git.example/team-b/x.git", "secretRef": {"name": "git"}});
        assert!(asked("team-b", json!({"source": secret, "destination": kubernetes("team-b")})).is_ok());
        for (spec, want) in [
            (json!({"source": own, "destination": kubernetes("team-a")}), "namespace team-a is not allowed"),
            (
                json!({"source": own, "destination": {"ecs": {"cluster": "prod"}}}),
                "cluster prod is not allowed",
            ),
            (
                json!({"source": own, "destination": {"kubernetes":
                    {"namespace": "team-b", "kubeconfigSecretRef": {"name": "k"}}}}),
                "other clusters are not allowed",
            ),
            (json!({"destination": kubernetes("team-b")}), "the operator's credentials for this repository"),
        ] {
            let refused = asked("team-b", spec).unwrap_err();
            assert_eq!(refused.len(), 1, "{refused:?}");
            assert!(refused[0].contains(want), "{refused:?}");
            assert!(
                refused[0].contains("no permission of the operator is for namespace team-b"),
                "{refused:?}"
            );
        }
    }

    #[test]
    fn a_permission_allows_what_it_names_and_nothing_else() {
        let account =
            |destination: Value| json!({"destination": destination, "serviceAccountName": "deployer"});
        let allowed = asked("team-a-dev", account(kubernetes("team-a-web"))).unwrap();
        assert!(allowed.has_namespace("team-a") && !allowed.has_namespace("default"));
        assert!(allowed.has_cluster_kind("", "Namespace"));
        for (region, cluster) in
            [(Some("eu-central-1"), "team-a"), (None, "arn:aws:ecs:eu-west-1:123456789012:cluster/team-a")]
        {
            let destination = json!({"ecs": {"region": region, "cluster": cluster}});
            assert!(asked("team-a", json!({"destination": destination})).is_ok(), "{cluster}");
        }
        let everything_wrong = json!({
            "source": {"repoURL": "https://git.example/team-b/deploy.git"},
            "destination": {"kubernetes": {"namespace": "kube-system", "context": "prod"}}
        });
        let end = " (the operator's permissions for namespace team-a end there)";
        let want = [
            "spec.source.repoURL: this repository is not allowed",
            "spec.destination.kubernetes: other clusters are not allowed",
            "spec.destination.kubernetes.namespace: namespace kube-system is not allowed",
            "spec.serviceAccountName: is missing, and the controller's own rights are not lent",
        ];
        assert_eq!(asked("team-a", everything_wrong), Err(want.map(|text| format!("{text}{end}")).to_vec()));
        for (destination, want) in [
            (json!({"ecs": {"region": "us-east-1", "cluster": "team-a"}}), "cluster team-a in us-east-1"),
            (json!({"ecs": {"cluster": "team-a"}}), "cluster team-a is"),
            (
                json!({"ecs": {"cluster": "arn:aws:ecs:us-east-1:1:cluster/team-a"}}),
                "cluster team-a in us-east-1",
            ),
        ] {
            let refused = asked("team-a", json!({"destination": destination})).unwrap_err();
            assert!(refused[0].contains(want), "{refused:?}");
        }
    }

    fn child(lineage: &str, namespace: &str, spec: Value) -> Result<Allowed, Vec<String>> {
        let application: Application = serde_json::from_value(spec).unwrap();
        let key = AppKey { namespace: namespace.into(), name: "child".into() };
        permits_within(&configuration(), "cutover", &Lineage::parse(lineage).unwrap(), &key, &application)
    }

    #[test]
    fn a_child_has_at_most_what_its_parents_have() {
        let of_a = || json!({"repoURL": "https://git.example/team-a/deploy.git"});
        let spec = |namespace: &str| json!({"source": of_a(), "destination": kubernetes(namespace), "serviceAccountName": "deployer"});
        // In the controller's own namespace it would have everything.
        let allowed = child("team-a/root", "cutover", spec("team-a-web")).unwrap();
        assert!(allowed.has_namespace("team-a-web") && !allowed.has_namespace("kube-system"));
        assert!(
            allowed.has_cluster_kind("", "Namespace")
                && !allowed.has_cluster_kind("", "Node")
                && !allowed.has_aws()
        );
        for (lineage, namespace, spec, want) in [
            ("team-a/root", "cutover", spec("kube-system"), "namespace kube-system is not allowed"),
            (
                "cutover/top > team-a/root",
                "cutover",
                spec("kube-system"),
                "namespace kube-system is not allowed",
            ),
            (
                "team-a/root",
                "cutover",
                json!({"source": {"repoURL": "https://git.example/b.git"}, "destination": kubernetes("team-a"),
                    "serviceAccountName": "deployer"}),
                "spec.source.repoURL: this repository is not allowed",
            ),
            (
                "team-a/root",
                "cutover",
                json!({"source": of_a(), "destination": {"ecs": {"region": "eu-central-1", "cluster": "prod"}}}),
                "cluster prod in eu-central-1 is not allowed",
            ),
            (
                "team-a/root as deployer",
                "team-a",
                json!({"source": of_a(), "destination": kubernetes("team-a"), "serviceAccountName": "admin"}),
                "acts as deployer of namespace team-a",
            ),
            ("team-a/root as deployer", "cutover", spec("team-a"), "acts as deployer of namespace team-a"),
        ] {
            let refused = child(lineage, namespace, spec).unwrap_err();
            assert_eq!(refused.len(), 1, "{refused:?}");
            assert!(
                refused[0].contains(want) && refused[0].contains("Application team-a/root"),
                "{refused:?}"
            );
        }
        assert!(child("team-a/root as deployer", "team-a", spec("team-a")).is_ok());
        // Without permissions of their own two namespaces have nothing in common.
        let other = json!({"source": {"repoURL": "https://elsewhere.example/x.git"}, "destination": kubernetes("team-c")});
        assert!(child("team-b/root", "team-c", other).is_err());
    }

    #[test]
    fn other_clusters_only_means_not_this_one() {
        let elsewhere = json!({"kubernetes": {"namespace": "x", "kubeconfigSecretRef": {"name": "k"}}});
        assert!(asked("ops", json!({"destination": elsewhere})).unwrap().aws);
        let here = asked("ops", json!({"destination": kubernetes("x")})).unwrap_err();
        assert!(here[0].contains("this cluster is not allowed"), "{here:?}");
        assert!(asked("ops", json!({"destination": {"ecs": {"cluster": "any"}}})).is_ok());
    }
}

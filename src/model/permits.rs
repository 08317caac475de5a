//! Whether an Application may do what it asks for.

use super::{
    Allowed, AllowedDestinations, AppKey, Application, ControllerConfiguration, Destination, Pattern,
    Permission, RepositoryPattern,
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

    #[test]
    fn other_clusters_only_means_not_this_one() {
        let elsewhere = json!({"kubernetes": {"namespace": "x", "kubeconfigSecretRef": {"name": "k"}}});
        assert!(asked("ops", json!({"destination": elsewhere})).unwrap().aws);
        let here = asked("ops", json!({"destination": kubernetes("x")})).unwrap_err();
        assert!(here[0].contains("this cluster is not allowed"), "{here:?}");
        assert!(asked("ops", json!({"destination": {"ecs": {"cluster": "any"}}})).is_ok());
    }
}

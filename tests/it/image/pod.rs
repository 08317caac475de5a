//! What kubelet does with a Deployment's pod, as far as it concerns the program.

use super::container::{Container, Image, Wanted};
use crate::kube_support::{Space, User};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{ConfigMap, PodSpec, ServiceAccount};
use kube::api::{Api, PostParams};
use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

pub struct Pod {
    pub container: Container,
    /// Where its metrics and probes are.
    pub address: String,
    _volumes: TempDir,
}

impl Pod {
    /// Starts the only container of the Deployment's template, with its volumes, its environment and the token of its
    /// service account. Pods share the machine's network here, so both servers take ports that are free.
    pub async fn start(image: &Image, space: &Space, name: &str) -> Pod {
        let deployments: Api<Deployment> = Api::namespaced(space.client.clone(), &space.name);
        let deployment = deployments.get(name).await.expect("the Deployment");
        let pod = deployment.spec.and_then(|spec| spec.template.spec).expect("a template");
        let user = pod.security_context.as_ref().and_then(|context| context.run_as_user);
        assert_eq!(image.config["User"], format!("{0}:{0}", user.expect("a user")), "image and Deployment");
        let volumes = tempfile::tempdir().expect("a folder");
        std::fs::set_permissions(volumes.path(), Permissions::from_mode(0o755)).expect("permissions");
        let [container] = &pod.containers[..] else { panic!("one container: {pod:#?}") };

        let mut arguments = container.args.clone().unwrap_or_default();
        let listens = arguments.iter_mut().find(|argument| argument.starts_with("--listen=0.0.0.0:"));
        *listens.expect("--listen") = "--listen=127.0.0.1:0".to_owned();
        arguments.push("--web=127.0.0.1:0".to_owned());

        let server = space.cluster.config(User::Admin).await.cluster_url;
        let mut environment = vec![
            format!("KUBERNETES_SERVICE_HOST={}", server.host().expect("a host")),
            format!("KUBERNETES_SERVICE_PORT={}", server.port_u16().expect("a port")),
        ];
        for variable in container.env.iter().flatten() {
            let path = variable.value_from.as_ref().and_then(|from| from.field_ref.as_ref());
            let value = match path.map(|field| field.field_path.as_str()) {
                Some("metadata.namespace") => space.name.clone(),
                Some(path) => panic!("{path} is not known here"),
                None => variable.value.clone().unwrap_or_default(),
            };
            environment.push(format!("{}={value}", variable.name));
        }

        let mut folders = vec![account(space, &pod, volumes.path()).await];
        for mount in container.volume_mounts.iter().flatten() {
            let folder = volume(space, &pod, &mount.name, volumes.path()).await;
            folders.push((mount.mount_path.clone(), folder, mount.read_only != Some(true)));
        }
        let mut container = Container::start(image, &Wanted { arguments, environment, folders });
        let address = tokio::task::block_in_place(|| {
            container.until("its servers", |log| {
                let (_, rest) = log.split_once("metrics on ")?;
                Some(rest.split([',', '"']).next()?.to_owned())
            })
        });
        Pod { container, address, _volumes: volumes }
    }

    /// What a probe is answered.
    pub fn probe(&self, path: &str) -> Result<u16, ureq::Error> {
        tokio::task::block_in_place(|| {
            Ok(ureq::get(format!("{}{path}", self.address)).call()?.status().as_u16())
        })
    }
}

/// A new token of the pod's service account, and what else kubelet puts there.
async fn account(space: &Space, pod: &PodSpec, volumes: &Path) -> (String, PathBuf, bool) {
    let accounts: Api<ServiceAccount> = Api::namespaced(space.client.clone(), &space.name);
    let name = pod.service_account_name.as_deref().expect("a service account");
    let request = TokenRequest { spec: Some(TokenRequestSpec::default()), ..TokenRequest::default() };
    let made = accounts.create_token_request(name, &PostParams::default(), &request).await.expect("a token");
    let authorities: Api<ConfigMap> = Api::namespaced(space.client.clone(), &space.name);
    let authority =
        authorities.get("kube-root-ca.crt").await.expect("the authority").data.unwrap_or_default();
    let token = made.status.and_then(|status| status.token).expect("a token");
    let folder = volumes.join("account");
    std::fs::create_dir(&folder).expect("a folder");
    for (file, text) in [("token", &token), ("ca.crt", &authority["ca.crt"]), ("namespace", &space.name)] {
        std::fs::write(folder.join(file), text).expect("a file");
    }
    ("/var/run/secrets/kubernetes.io/serviceaccount".to_owned(), folder, false)
}

/// An empty folder of the pod's user, or the files of a ConfigMap.
async fn volume(space: &Space, pod: &PodSpec, name: &str, volumes: &Path) -> PathBuf {
    let folder = volumes.join(name);
    std::fs::create_dir(&folder).expect("a folder");
    let volume = pod.volumes.iter().flatten().find(|volume| volume.name == name).expect("the volume");
    if let Some(source) = &volume.config_map {
        let maps: Api<ConfigMap> = Api::namespaced(space.client.clone(), &space.name);
        for (file, text) in maps.get(&source.name).await.expect("the ConfigMap").data.unwrap_or_default() {
            std::fs::write(folder.join(file), text).expect("a file");
        }
    } else {
        assert!(volume.empty_dir.is_some(), "not known here: {volume:#?}");
        let group = pod.security_context.as_ref().and_then(|context| context.fs_group);
        let group = u32::try_from(group.expect("a group")).expect("a group");
        chown(&folder, None, Some(group)).expect("a group");
        std::fs::set_permissions(&folder, Permissions::from_mode(0o2775)).expect("permissions");
    }
    folder
}

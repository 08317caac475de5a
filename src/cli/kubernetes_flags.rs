//! How a Kubernetes cluster is reached.

use super::error::CliError;
use crate::kubernetes::{Cluster, Connect, KubeconfigSource};
use crate::model::Destination;
use clap::Args;
use std::path::PathBuf;

/// How the cluster is reached. What is left out is found as kubectl finds it and, in a pod, is the pod's own cluster.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Kubernetes")]
pub struct ClusterFlags {
    /// A kubeconfig [default: KUBECONFIG, ~/.kube/config, the pod's service account]
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// A context of the kubeconfig [default: the Application's, then the current one]
    #[arg(long, value_name = "CONTEXT")]
    pub context: Option<String>,
    /// Let the kubeconfig run the program that it names for credentials (`aws eks get-token`)
    #[arg(long, env = "CUTOVER_ALLOW_EXEC", value_parser = clap::builder::BoolishValueParser::new())]
    pub allow_exec: bool,
}

/// The cluster, and how objects are written to it.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Kubernetes")]
pub struct KubernetesFlags {
    #[command(flatten)]
    pub cluster: ClusterFlags,
    /// Where objects go that name no namespace [default: the Application's]
    #[arg(long, value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// Take fields from other managers of an object instead of stopping at them
    #[arg(long)]
    pub force_conflicts: bool,
}

impl KubernetesFlags {
    /// The destination that the flags name by themselves; `None` without a namespace.
    pub fn destination(&self) -> Option<Destination> {
        let namespace = self.namespace.clone()?;
        Some(Destination::Kubernetes {
            namespace,
            context: self.cluster.context.clone(),
            region: None,
            kubeconfig_secret_ref: None,
        })
    }

    /// The first flag that is given and only makes sense for a Kubernetes cluster.
    pub fn given(&self) -> Option<&'static str> {
        let flags = [
            ("--namespace", self.namespace.is_some()),
            ("--context", self.cluster.context.is_some()),
            ("--kubeconfig", self.cluster.kubeconfig.is_some()),
            ("--force-conflicts", self.force_conflicts),
        ];
        flags.into_iter().find(|(_, given)| *given).map(|(flag, _)| flag)
    }
}

impl ClusterFlags {
    /// What a client for the cluster of `context` is made with.
    pub fn options(&self, context: Option<String>) -> Connect {
        let kubeconfig = match &self.kubeconfig {
            Some(file) => KubeconfigSource::Files(vec![file.clone()]),
            None => KubeconfigSource::Default,
        };
        Connect { kubeconfig, context, allow_exec: self.allow_exec, impersonate: None }
    }

    /// A client for the cluster of `context`.
    ///
    /// # Errors
    /// If there is no usable kubeconfig, or it asks for more than is allowed.
    pub async fn connect(&self, context: Option<String>) -> Result<Cluster, CliError> {
        Ok(Cluster::connect(self.options(context)).await?)
    }
}

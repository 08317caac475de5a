//! Where a verb sends the documents, and as whom.

use super::error::CliError;
use super::kubernetes_flags::KubernetesFlags;
use super::source_flags::Chosen;
use crate::aws::{Aws, Connect};
use crate::model::{Application, Destination};
use crate::platform::kubernetes::Forcing;
use crate::sites::{Accounts, EcsTarget, KubernetesTarget, Target};
use clap::Args;
use std::net::{IpAddr, ToSocketAddrs};

/// The cluster, and how it and AWS are reached. Flags win over the Application file.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Destination")]
pub struct DestinationFlags {
    /// The ECS cluster (name or ARN); without an Application file this or --namespace is needed
    #[arg(long, value_name = "CLUSTER")]
    pub cluster: Option<String>,
    /// The application's name, which marks what is its own [default: the last part of the path]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    #[command(flatten)]
    pub kubernetes: KubernetesFlags,
    #[command(flatten)]
    pub aws: AwsFlags,
}

/// How AWS is reached. What is left out comes from AWS's own environment variables and files.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "AWS")]
pub struct AwsFlags {
    /// The AWS region [default: AWS_REGION, or the profile's]
    #[arg(long, value_name = "REGION")]
    pub region: Option<String>,
    /// A profile of ~/.aws/config [default: AWS_PROFILE]
    #[arg(long, value_name = "PROFILE")]
    pub profile: Option<String>,
    /// Another endpoint than AWS's own, for instance `cutover simulate` [default: AWS_ENDPOINT_URL]
    #[arg(long, value_name = "URL")]
    pub endpoint_url: Option<String>,
    /// Pass the time N times faster; only for `cutover simulate --time-scale N` on this machine
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub time_scale: u32,
}

impl DestinationFlags {
    /// The application that `chosen` and these flags say together.
    ///
    /// # Errors
    /// Those of [`Chosen::application`]; flags that speak of another platform than the application's.
    pub fn application(&self, chosen: &Chosen) -> Result<Application, CliError> {
        let made_up = match (&self.cluster, self.kubernetes.destination()) {
            (Some(_), Some(_)) => {
                return Err(CliError::usage(
                    "--cluster means ECS and --namespace means Kubernetes: give one of them",
                ));
            }
            (Some(cluster), None) => Some(Destination::Ecs { region: None, cluster: cluster.clone() }),
            (None, kubernetes) => kubernetes,
        };
        let mut application = chosen.application(made_up, self.name.as_deref())?;
        self.override_destination(&mut application.destination)?;
        Ok(application)
    }

    fn override_destination(&self, destination: &mut Destination) -> Result<(), CliError> {
        let known_region = match destination {
            Destination::Ecs { cluster, region } => {
                if let Some(flag) = self.kubernetes.given() {
                    return Err(CliError::usage(format!(
                        "{flag} speaks of a Kubernetes cluster, and this application goes to ECS"
                    )));
                }
                if let Some(named) = &self.cluster {
                    cluster.clone_from(named);
                }
                region
            }
            Destination::Kubernetes { namespace, context, region, .. } => {
                if self.cluster.is_some() {
                    return Err(CliError::usage(
                        "--cluster names an ECS cluster, and this application goes to Kubernetes",
                    ));
                }
                if self.aws.time_scale > 1 {
                    return Err(CliError::usage(
                        "--time-scale is for ECS: the time of a Kubernetes cluster is real",
                    ));
                }
                if let Some(named) = &self.kubernetes.namespace {
                    namespace.clone_from(named);
                }
                if self.kubernetes.cluster.context.is_some() {
                    context.clone_from(&self.kubernetes.cluster.context);
                }
                region
            }
        };
        if self.aws.region.is_some() {
            known_region.clone_from(&self.aws.region);
        }
        Ok(())
    }

    /// The application's destination, connected.
    ///
    /// # Errors
    /// If a client can't be made: no region, no kubeconfig, a credential that can't be had.
    pub async fn connect(&self, application: &Application) -> Result<Target, CliError> {
        match &application.destination {
            Destination::Ecs { cluster, region } => {
                let aws = self.aws.connect(region.clone()).await?;
                let target = EcsTarget::new(aws, application, cluster, self.aws.time_scale);
                Ok(Target::Ecs(Box::new(target)))
            }
            Destination::Kubernetes { namespace, context, region, .. } => {
                let cluster = self.kubernetes.cluster.connect(context.clone()).await?;
                let force = match self.kubernetes.force_conflicts {
                    true => Forcing::Always,
                    false => Forcing::Never,
                };
                let aws = Accounts::new(self.aws.options(region.clone())?).region(None);
                let target = KubernetesTarget::new(cluster, application, namespace, force, aws);
                Ok(Target::Kubernetes(Box::new(target)))
            }
        }
    }
}

impl AwsFlags {
    /// Clients. Sends nothing yet.
    ///
    /// # Errors
    /// If no region is known, or time is to pass faster somewhere else than in a simulator.
    pub async fn connect(&self, region: Option<String>) -> Result<Aws, CliError> {
        Ok(Aws::connect(self.options(region)?).await?)
    }

    /// What clients are made with, for when they are needed.
    ///
    /// # Errors
    /// If time is to pass faster somewhere else than in a simulator.
    pub fn options(&self, region: Option<String>) -> Result<Connect, CliError> {
        let endpoint_url = self.endpoint_url.clone().or_else(|| {
            std::env::var("AWS_ENDPOINT_URL").ok().filter(|url| !url.is_empty() && self.time_scale > 1)
        });
        if self.time_scale > 1 && !endpoint_url.as_deref().is_some_and(is_on_this_machine) {
            return Err(CliError::usage(
                "--time-scale shortens every wait, so it is refused for anything but a \
                                        simulator on this machine",
            )
            .hint("name the simulator with --endpoint-url or AWS_ENDPOINT_URL"));
        }
        Ok(Connect {
            region: self.region.clone().or(region),
            profile: self.profile.clone(),
            endpoint_url,
            time_scale: self.time_scale,
            ..Connect::default()
        })
    }
}

/// True for URLs whose host is a loopback address.
fn is_on_this_machine(url: &str) -> bool {
    let Ok(url) = url.parse::<http::Uri>() else { return false };
    let Some(host) = url.host() else { return false };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    match host.parse::<IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) if host == "localhost" => (host, 80)
            .to_socket_addrs()
            .is_ok_and(|mut addresses| addresses.all(|address| address.ip().is_loopback())),
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::is_on_this_machine;

    #[test]
    fn time_is_never_shortened_for_anything_but_this_machine() {
        for url in ["http://127.0.0.1:4566", "http://127.8.0.1/", "http://[::1]:1"] {
            assert!(is_on_this_machine(url), "{url}");
        }
        for url in
            ["", "https://ecs.eu-central-1.amazonaws.com", "http://10.0.0.1", "http://127.0.0.1.example/"]
        {
            assert!(!is_on_this_machine(url), "{url}");
        }
    }
}

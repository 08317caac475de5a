//! Reading what matters out of Kubernetes objects as the API server sends them.

use crate::simulator::queue::TargetKey;
use crate::simulator::{Behaviour, ExternalTarget, release};
use serde_json::Value;
use std::collections::BTreeMap;

/// The objects a controller sees, of any number of namespaces, each as the API server's JSON.
#[derive(Clone, Debug, Default)]
pub struct Observed<'a> {
    /// `elbv2.k8s.aws/v1beta1` TargetGroupBindings.
    pub bindings: Vec<&'a Value>,
    pub services: Vec<&'a Value>,
    /// `discovery.k8s.io/v1` EndpointSlices.
    pub slices: Vec<&'a Value>,
    /// Only for their images: they say what answers at a pod's address. May be left out.
    pub pods: Vec<&'a Value>,
}

/// Namespace and name.
pub(super) type ObjectKey = (String, String);

/// A TargetGroupBinding, as far as it is understood.
#[derive(Debug)]
pub(super) struct Binding<'a> {
    pub key: ObjectKey,
    pub generation: i64,
    pub observed_generation: Option<i64>,
    pub service: &'a str,
    /// A name or a number.
    pub port: &'a Value,
    /// The target group's ARN or its name.
    pub group: &'a str,
}

pub(super) fn text<'a>(object: &'a Value, pointer: &str) -> Option<&'a str> {
    object.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty())
}

pub(super) fn key_of(object: &Value) -> ObjectKey {
    let part = |pointer| text(object, pointer).unwrap_or_default().to_string();
    (part("/metadata/namespace"), part("/metadata/name"))
}

/// True for an object that is being deleted.
pub(super) fn is_going(object: &Value) -> bool {
    text(object, "/metadata/deletionTimestamp").is_some()
}

impl<'a> Binding<'a> {
    /// Reads a binding; the error is a sentence without the binding's name.
    pub fn parse(object: &'a Value) -> Result<Binding<'a>, String> {
        let spec = |pointer: &str| text(object, pointer);
        if let Some(kind) = spec("/spec/targetType").filter(|kind| *kind != "ip") {
            return Err(format!("its targetType is {kind}; only ip is simulated"));
        }
        let group = spec("/spec/targetGroupARN").or(spec("/spec/targetGroupName"));
        Ok(Binding {
            key: key_of(object),
            generation: object.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or(0),
            observed_generation: object.pointer("/status/observedGeneration").and_then(Value::as_i64),
            service: spec("/spec/serviceRef/name").ok_or("its spec.serviceRef.name is missing")?,
            port: object.pointer("/spec/serviceRef/port").ok_or("its spec.serviceRef.port is missing")?,
            group: group.ok_or("it has neither spec.targetGroupARN nor spec.targetGroupName")?,
        })
    }

    /// The addresses of the service's ready endpoints, with the name of the pod behind each where a slice tells it. No
    /// service means no addresses: what was registered has to go.
    pub fn endpoints(&self, observed: &Observed) -> Result<BTreeMap<TargetKey, Option<ObjectKey>>, String> {
        let (namespace, mut found) = (&self.key.0, BTreeMap::new());
        let is_mine = |service: &&&Value| {
            text(service, "/metadata/namespace") == Some(namespace)
                && text(service, "/metadata/name") == Some(self.service)
        };
        let Some(service) = observed.services.iter().find(is_mine) else { return Ok(found) };
        let ports = service.pointer("/spec/ports").and_then(Value::as_array).into_iter().flatten();
        let port = ports.into_iter().find(|port| match self.port {
            Value::Number(_) => port["port"] == *self.port,
            name => port["name"] == *name,
        });
        let port = port.ok_or_else(|| format!("the service {} has no port {}", self.service, self.port))?;
        // A service's only port may have no name; its slices then say "" or nothing.
        let name = text(port, "/name").unwrap_or_default();
        let slices = observed.slices.iter().filter(|slice| {
            text(slice, "/metadata/namespace") == Some(namespace)
                && text(slice, "/metadata/labels/kubernetes.io~1service-name") == Some(self.service)
                && text(slice, "/addressType") == Some("IPv4")
                && !is_going(slice)
        });
        for slice in slices {
            let ports = slice["ports"].as_array().into_iter().flatten();
            let numbers = ports
                .filter(|port| text(port, "/name").unwrap_or_default() == name)
                .filter_map(|port| u16::try_from(port["port"].as_u64()?).ok());
            for number in numbers {
                for endpoint in slice["endpoints"].as_array().into_iter().flatten() {
                    // Not said means ready.
                    if endpoint.pointer("/conditions/ready") == Some(&Value::Bool(false)) {
                        continue;
                    }
                    let is_pod = text(endpoint, "/targetRef/kind") == Some("Pod");
                    let pod = text(endpoint, "/targetRef/name").filter(|_| is_pod);
                    let pod = pod.map(|pod| (namespace.clone(), pod.to_string()));
                    for ip in endpoint["addresses"].as_array().into_iter().flatten().filter_map(Value::as_str)
                    {
                        found.insert((ip.to_string(), number), pod.clone());
                    }
                }
            }
        }
        Ok(found)
    }
}

/// What a pod answers with on a port: the container that declares the port, or the first one.
pub(super) fn program_of(pod: &Value, port: u16) -> ExternalTarget {
    let containers = pod.pointer("/spec/containers").and_then(Value::as_array);
    let declares = |container: &&Value| {
        let ports = container["ports"].as_array().into_iter().flatten();
        ports.into_iter().any(|declared| declared["containerPort"] == port)
    };
    let containers = containers.map(Vec::as_slice).unwrap_or_default();
    let container = containers.iter().find(declares).or(containers.first()).unwrap_or(&Value::Null);
    let image = container["image"].as_str().unwrap_or_default();
    let environment = container["env"].as_array().into_iter().flatten();
    let told =
        environment.filter(|variable| variable["name"] == "SIM_BEHAVIOUR").find_map(|v| v["value"].as_str());
    let release = release(image);
    let behaviour = Behaviour::parse(told.unwrap_or(&release));
    ExternalTarget { image: image.into(), release, behaviour, ..ExternalTarget::default() }
}

/// True for a pod whose containers run no more and will not again.
pub(super) fn has_ended(pod: &Value) -> bool {
    matches!(text(pod, "/status/phase"), Some("Succeeded" | "Failed"))
}

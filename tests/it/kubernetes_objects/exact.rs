//! How much of what people write can be compared without a dry run.

use super::support::{apply_only, deployment, shop};
use crate::kube_support::Space;
use cutover::engine::Platform;
use cutover::kubernetes::Verb;
use cutover::plan::WouldBe;

/// Objects of many kinds as people write them: with defaults left out and written out, odd quantities, nulls, empty
/// lists and maps, zeros.
const KINDS: &str = r#"
apiVersion: v1
kind: ServiceAccount
metadata: {name: web}
imagePullSecrets: [{name: registry}]
automountServiceAccountToken: false
---
apiVersion: v1
kind: Secret
metadata: {name: plain}
type: Opaque
stringData: {password: hunter2, url: "postgres://u:p@db/x"}
---
apiVersion: v1
kind: Secret
metadata: {name: encoded}
data: {a: aHVudGVyMg==}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, annotations: {note: ""}}
data: {level: info, empty: "", app.ini: "a=1\nb=2\n"}
binaryData: {raw: AAEC}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  type: ClusterIP
  selector: {app: web}
  ports:
  - {name: http, port: 80, targetPort: http}
  - {name: dns, port: 53, protocol: UDP}
  - {name: dns-tcp, port: 53}
---
apiVersion: v1
kind: Service
metadata: {name: headless}
spec: {clusterIP: None, publishNotReadyAddresses: false, selector: {app: db}, ports: [{port: 5432}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, creationTimestamp: null}
spec:
  replicas: 2
  paused: false
  strategy: {}
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}, creationTimestamp: null}
    spec:
      serviceAccountName: web
      hostNetwork: false
      terminationGracePeriodSeconds: 30
      securityContext: {}
      nodeSelector: {}
      tolerations: []
      affinity:
        podAntiAffinity:
          preferredDuringSchedulingIgnoredDuringExecution:
          - weight: 100
            podAffinityTerm: {topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {app: web}}}
      topologySpreadConstraints:
      - {maxSkew: 1, topologyKey: zone, whenUnsatisfiable: ScheduleAnyway, labelSelector: {matchLabels: {app: web}}}
      initContainers:
      - {name: init, image: 'busybox:1', command: [sh, -c, "true"], resources: {}}
      containers:
      - name: app
        image: web:1
        args: []
        ports: [{name: http, containerPort: 8080}, {name: dns, containerPort: 53, protocol: UDP}]
        env:
        - {name: LEVEL, value: debug}
        - {name: EMPTY, value: ""}
        - {name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
        - {name: CPU, valueFrom: {resourceFieldRef: {resource: limits.cpu}}}
        - {name: PASSWORD, valueFrom: {secretKeyRef: {name: plain, key: password}}}
        envFrom: [{configMapRef: {name: settings}}]
        resources:
          requests: {cpu: 0.5, memory: 128974848}
          limits: {cpu: 1000m, memory: 1024Mi, ephemeral-storage: 1.5Gi}
        livenessProbe: {httpGet: {path: /healthz, port: http, httpHeaders: [{name: X, value: "1"}]}, initialDelaySeconds: 0}
        readinessProbe: {tcpSocket: {port: 8080}, periodSeconds: 5}
        startupProbe: {exec: {command: [cat, /ready]}}
        lifecycle: {preStop: {exec: {command: [sleep, "5"]}}}
        securityContext: {runAsNonRoot: true, allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
        volumeMounts: [{name: tmp, mountPath: /tmp}, {name: conf, mountPath: /etc/app, readOnly: true}]
      volumes:
      - {name: tmp, emptyDir: {}}
      - {name: cache, emptyDir: {sizeLimit: 1024Mi}}
      - {name: conf, configMap: {name: settings, items: [{key: app.ini, path: app.ini}]}}
      - {name: tls, secret: {secretName: encoded}}
      - name: token
        projected:
          sources:
          - serviceAccountToken: {path: token}
          - downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}]}
          - configMap: {name: settings}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: headless
  replicas: 1
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: db, image: 'db:1', volumeMounts: [{name: data, mountPath: /data}]}]}
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1024Mi}}}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent}
spec:
  selector: {matchLabels: {app: agent}}
  updateStrategy: {rollingUpdate: {maxUnavailable: 10%}}
  template:
    metadata: {labels: {app: agent}}
    spec:
      hostPID: false
      tolerations: [{operator: Exists}]
      containers: [{name: agent, image: 'agent:1', securityContext: {privileged: false}}]
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
spec:
  schedule: "0 3 * * *"
  jobTemplate:
    spec:
      template:
        spec: {restartPolicy: OnFailure, containers: [{name: job, image: 'job:1'}]}
---
apiVersion: batch/v1
kind: Job
metadata: {name: import}
spec: {backoffLimit: 0, template: {spec: {restartPolicy: Never, containers: [{name: job, image: 'job:1'}]}}}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: db}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: StatefulSet, name: db}
  maxReplicas: 3
  metrics:
  - {type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}}
  - {type: Pods, pods: {metric: {name: rps}, target: {type: AverageValue, averageValue: 1000m}}}
  behavior: {scaleDown: {stabilizationWindowSeconds: 60}}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web}
spec: {maxUnavailable: 1, selector: {matchLabels: {app: web}}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: web}
rules:
- {apiGroups: [""], resources: [secrets], verbs: [get], resourceNames: [plain]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: web}
roleRef: {kind: Role, name: web, apiGroup: rbac.authorization.k8s.io}
subjects: [{kind: ServiceAccount, name: web, namespace: default}, {kind: User, name: jane}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: SPACE-reader}
rules: [{nonResourceURLs: [/healthz], verbs: [get]}]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec:
  tls: [{hosts: [shop.example], secretName: encoded}]
  rules: [{host: shop.example, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web}
spec:
  podSelector: {}
  policyTypes: [Ingress, Egress]
  ingress: [{from: [{podSelector: {}}], ports: [{port: 8080}]}]
  egress: []
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {accessModes: [ReadWriteOnce], storageClassName: "", resources: {requests: {storage: 1.5Gi}}}
---
apiVersion: v1
kind: ResourceQuota
metadata: {name: all}
spec: {hard: {requests.cpu: 1000m, pods: 100, limits.memory: 2048Mi}}
---
apiVersion: v1
kind: LimitRange
metadata: {name: all}
spec: {limits: [{type: Container, default: {cpu: 500m, memory: 512Mi}, defaultRequest: {cpu: 0.1, memory: 64Mi}}]}
---
apiVersion: scheduling.k8s.io/v1
kind: PriorityClass
metadata: {name: SPACE-high}
value: 1000
globalDefault: false
description: ""
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: SPACE-fast}
provisioner: example.dev/none
parameters: {type: fast}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: SPACE-hook}
webhooks:
- name: hook.SPACE.dev
  admissionReviewVersions: [v1]
  sideEffects: None
  failurePolicy: Ignore
  clientConfig: {service: {name: hook, namespace: default, path: /}}
  rules: [{apiGroups: [SPACE.dev], apiVersions: [v1], operations: [CREATE], resources: [nothings]}]
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.SPACE.dev}
spec:
  group: SPACE.dev
  scope: Namespaced
  names: {kind: Thing, plural: things, shortNames: [th]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}}
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties:
              size: {type: integer, default: 3, maximum: 65535}
              ratio: {type: number}
              rules: {type: array, items: {type: object, properties: {name: {type: string}, on: {type: boolean, default: true}}}}
              free: {type: object, x-kubernetes-preserve-unknown-fields: true}
              tags: {type: object, additionalProperties: {type: object, properties: {a: {type: string}}}}
          status: {type: object, x-kubernetes-preserve-unknown-fields: true}
---
apiVersion: SPACE.dev/v1
kind: Thing
metadata: {name: one, finalizers: [SPACE.dev/hold]}
spec:
  ratio: 1.0
  rules: [{name: a, on: true}]
  free: {deep: {list: [1, two, {three: 3}], empty: {}}}
  tags: {x: {a: b}, y: {}}
status: {}
"#;

/// What costs a dry run although nothing changed, and why: a default in the elements of a list that is kept as a whole.
const INCONCLUSIVE: [&str; 0] = [];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn objects_of_many_kinds_are_known_to_be_unchanged_without_a_dry_run() {
    let space = Space::new("exact").await;
    let app = deployment(&space, &KINDS.replace("SPACE", &space.name));
    let platform = shop(&space).await;
    apply_only(&platform, &app).await;
    let platform = shop(&space).await;
    let live = platform.read_live(&app).await.expect("read");
    let changed: Vec<String> = live
        .objects
        .values()
        .filter(|object| object.would_be != WouldBe::Same)
        .map(|object| {
            format!(
                "{}: {:#?}\nlive {:#}",
                object.key,
                object.would_be,
                object.live.clone().unwrap_or_default()
            )
        })
        .collect();
    let counts = platform.cluster().call_counts();
    let asked: Vec<&str> =
        counts.by_verb.get(&Verb::DryRun).into_iter().flatten().map(|(kind, _)| kind.as_str()).collect();
    release(&platform, &space.name).await;
    assert!(changed.is_empty(), "planned as changed:\n{}", changed.join("\n"));
    assert_eq!(asked, INCONCLUSIVE, "{counts:?}");
    assert_eq!(counts.writes(), 0);
}

/// Lets go of what lies in no namespace.
async fn release(platform: &cutover::platform::kubernetes::Kubernetes, space: &str) {
    use cutover::kubernetes::{Preconditions, Propagation, Resource};
    let thing = Resource::known(&format!("{space}.dev"), "v1", "Thing", "things", true);
    let patch = serde_json::json!({"metadata": {"finalizers": null}});
    platform.cluster().merge_patch(&thing, Some(space), "one", &patch).await.expect("let go");
    for (group, kind, plural, name) in [
        ("rbac.authorization.k8s.io", "ClusterRole", "clusterroles", format!("{space}-reader")),
        ("scheduling.k8s.io", "PriorityClass", "priorityclasses", format!("{space}-high")),
        ("storage.k8s.io", "StorageClass", "storageclasses", format!("{space}-fast")),
        (
            "admissionregistration.k8s.io",
            "ValidatingWebhookConfiguration",
            "validatingwebhookconfigurations",
            format!("{space}-hook"),
        ),
        (
            "apiextensions.k8s.io",
            "CustomResourceDefinition",
            "customresourcedefinitions",
            format!("things.{space}.dev"),
        ),
    ] {
        let resource = Resource::known(group, "v1", kind, plural, false);
        let any = Preconditions::default();
        platform
            .cluster()
            .delete(&resource, None, &name, &any, Propagation::Background)
            .await
            .expect("deleted");
    }
}

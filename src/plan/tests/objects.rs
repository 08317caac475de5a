use super::super::*;
use super::cluster::*;
use super::plain;
use crate::model::*;
use serde_json::{Value, json};

fn plan(rows: Vec<(Value, Option<Value>, WouldBe)>) -> Plan {
    let (manifests, live) = cluster(rows);
    assemble(&application(), "4f1c2d3", &manifests, &live)
}

fn hook(name: &str, phase: HookPhase, would_be: WouldBe, live: bool) -> (ObjectKey, Object, LiveObject) {
    let body = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": {"template": {"spec": {}}}});
    let (key, live) = found(&body, live.then(|| applied(&body)), would_be);
    let document = object(body);
    (key, Object { turn: Turn { phase, ..document.turn }, ..document }, live)
}

#[test]
fn every_kind_of_change_says_what_happens_and_shows_it() {
    let settings = config_map("settings", json!({"level": "info", "nginx.conf": "a\nb\n"}));
    let mut drifted = applied(&settings);
    drifted["data"]["level"] = json!("trace");
    let old = config_map("old", json!({"a": "b"}));
    let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "import"},
        "spec": {"template": {"spec": {"containers": [{"name": "app", "image": "import:2"}]}}}});
    let mut ran = applied(&job);
    ran["spec"] = json!({"backoffLimit": 6, "template": {"spec": {"containers": [
        {"name": "app", "image": "import:1", "imagePullPolicy": "Always"}]}}});
    let web = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "front"},
        "spec": {"replicas": 2}});
    let conflict =
        |field: &str| FieldConflict { manager: "kubectl-client-side-apply".into(), field: field.into() };
    let plan = plan(vec![
        (settings.clone(), Some(drifted), WouldBe::Object(applied(&settings))),
        (
            config_map("new", json!({"a": "b"})),
            None,
            WouldBe::Object(applied(&config_map("new", json!({"a": "b"})))),
        ),
        (config_map("same", json!({})), Some(applied(&config_map("same", json!({})))), WouldBe::Same),
        (old.clone(), Some(old.clone()), WouldBe::Object(applied(&old))),
        (job, Some(ran), WouldBe::Unasked),
        (web.clone(), Some(applied(&web)), WouldBe::Conflicts(vec![conflict(".spec.replicas")])),
        (
            config_map("typo", json!({})),
            None,
            WouldBe::Refused {
                message: "apps/shop/typo.yaml:4: spec: unknown field".into(),
                field: Some("spec".into()),
            },
        ),
        (
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "front"}}),
            None,
            WouldBe::Object(json!({})),
        ),
        (
            json!({"apiVersion": "e.dev/v1", "kind": "Thing", "metadata": {"name": "one"}, "spec": {"size": 3}}),
            None,
            WouldBe::Unasked,
        ),
    ]);
    let typo = plan.items.iter().find(|item| item.name == "typo").unwrap();
    assert_eq!(typo.origin.as_ref().unwrap().line, 4);
    insta::assert_snapshot!(plain(&plan), @r"
    shop at 4f1c2d3

    + create Namespace/front: does not exist yet
        --- live (none)
        +++ git apps/shop/front.yaml:1
        @@ -0,0 +1,4 @@
        +apiVersion: v1
        +kind: Namespace
        +metadata:
        +  name: front

    + create ConfigMap/prod/new: does not exist yet
        --- live (none)
        +++ git apps/shop/new.yaml:1
        @@ -0,0 +1,6 @@
        +apiVersion: v1
        +kind: ConfigMap
        +metadata:
        +  name: new
        +data:
        +  a: b

    * adopt ConfigMap/prod/old: exists without our labels; differs in metadata.namespace
        --- live old
        +++ git apps/shop/old.yaml:1
        @@ -2,5 +2,9 @@
         kind: ConfigMap
         metadata:
           name: old
        +  namespace: prod
        +  labels:
        +    applyset.kubernetes.io/part-of: applyset-x-v1
        +    cutover.dev/application: shop
         data:
           a: b

    ~ update ConfigMap/prod/settings: differs in data.level
        --- live settings
        +++ git apps/shop/settings.yaml:1
        @@ -4,7 +4,7 @@ metadata
           name: settings
           namespace: prod
         data:
        -  level: trace
        +  level: info
           nginx.conf: |
             a
             b

    ! blocked ConfigMap/prod/typo: apps/shop/typo.yaml:4: spec: unknown field

    + create Thing.e.dev/prod/one: does not exist yet; its kind or namespace comes with this sync
        --- live (none)
        +++ git apps/shop/one.yaml:1
        @@ -0,0 +1,6 @@
        +apiVersion: e.dev/v1
        +kind: Thing
        +metadata:
        +  name: one
        +spec:
        +  size: 3

    ! blocked Deployment.apps/front/web: .spec.replicas belongs to kubectl-client-side-apply, with other values; take them with --force-conflicts (spec.sync.forceConflicts: true), leave them to their managers with spec.ignoreDifferences, or take them out of the document

    ± replace Job.batch/prod/import: its template can't be changed: the Job is deleted and runs anew
        --- live import
        +++ git apps/shop/import.yaml:1
        @@ -7,4 +7,4 @@ spec › template
             spec:
               containers:
                 - name: app
        -          image: import:1
        +          image: import:2

    = unchanged ConfigMap/prod/same: is as declared

    Plan: 3 to create, 1 to update, 1 to replace, 0 to prune, 1 to adopt, 1 unchanged, 2 blocked; no traffic moves.
    ");
}

#[test]
fn hooks_say_when_they_run_and_those_of_failures_are_no_change() {
    let (mut manifests, mut live) = (Manifests::default(), Live::default());
    for (key, document, found) in [
        hook("migrate", HookPhase::PreSync, WouldBe::Unasked, true),
        hook("smoke", HookPhase::PostSync, WouldBe::Unasked, false),
        hook("seed", HookPhase::PreSync, WouldBe::Same, false),
        hook("alert", HookPhase::SyncFail, WouldBe::Unasked, false),
    ] {
        manifests.objects.insert(key.clone(), document);
        live.objects.insert(key, found);
    }
    let plan = assemble(&application(), "4f1c2d3", &manifests, &live);
    let said: Vec<String> =
        plan.items.iter().map(|item| format!("{} {}: {}", item.change, item.document(), item.why)).collect();
    assert_eq!(
        said,
        [
            "replace Job/migrate: runs before the sync again, since something changed; the Job of the last run is deleted",
            "unchanged Job/seed: runs before the sync, and has for this content",
            "create Job/smoke: runs after the sync",
            "unchanged Job/alert: runs only if a sync fails",
        ]
    );
    manifests.objects.retain(|key, _| matches!(key.name.as_str(), "alert" | "seed"));
    assert!(!assemble(&application(), "4f1c2d3", &manifests, &live).has_changes());
}

#[test]
fn an_object_that_was_not_read_blocks_and_one_that_changes_only_in_ownership_says_so() {
    let settings = config_map("settings", json!({"a": "b"}));
    let mut elsewhere = applied(&settings);
    elsewhere["metadata"]["managedFields"] = json!([]);
    elsewhere["metadata"]["resourceVersion"] = json!("72");
    let (manifests, mut live) =
        cluster(vec![(settings.clone(), Some(elsewhere), WouldBe::Object(applied(&settings)))]);
    let item = assemble(&application(), "c", &manifests, &live).items.remove(0);
    assert_eq!((item.change, item.diff, item.fields.len()), (Change::Update, None, 0));
    assert!(item.why.contains("is as declared; only which fields"), "{}", item.why);
    live.objects.clear();
    let item = assemble(&application(), "c", &manifests, &live).items.remove(0);
    assert_eq!((item.change, item.why.as_str()), (Change::Blocked, "was not read"));
}

#[test]
fn a_long_new_document_is_cut_in_text_and_whole_in_json() {
    let keys = (0..500).map(|number| (format!("k{number}"), json!("v"))).collect::<serde_json::Map<_, _>>();
    let plan = plan(vec![(config_map("long", Value::Object(keys)), None, WouldBe::Object(json!({})))]);
    let text = plain(&plan);
    assert!(text.lines().count() < 120 && text.contains("more lines (-o json has all)"), "{text}");
    assert!(to_json(&plan).unwrap().to_string().contains("k499"));
}

/// Every place where a secret may be, in all kinds of change.
#[test]
fn no_secret_is_in_any_output_of_a_plan() {
    let full = |secret: &str| {
        vec![
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "annotations": {
                "kubectl.kubernetes.io/last-applied-configuration": format!("{{\"data\": \"{secret}\"}}")}},
                "data": {"a": secret}, "stringData": {"b": secret}}),
            config_map(
                "c",
                json!({"DB_PASSWORD": secret, "app.ini": format!("user=a\npassword={secret}\n")}),
            ),
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "annotations": {"api-token": secret}},
                "spec": {"template": {"spec": {"containers": [{"name": "a", "command": ["x", "--password", secret],
                    "args": [format!("--dsn=amqp://u:{secret}@mq")], "env": [{"name": "API_KEY", "value": secret}],
                    "livenessProbe": {"httpGet": {"httpHeaders": [{"name": "Authorization", "value": secret}]}}}]}}}}),
            json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}, "spec": {"template": {"spec": {
                "containers": [{"name": "a", "env": [{"name": "TOKEN", "value": secret}]}]}}}}),
            json!({"apiVersion": "e.dev/v1", "kind": "Database", "metadata": {"name": "x"}, "spec": {"adminPassword": secret,
                "url": format!("https://a:{secret}@h/"), "tokens": [secret], "auth": {"password": secret}}}),
        ]
    };
    let (before, after) = (full("hunter2-old"), full("hunter2-new"));
    for kind in 0..4 {
        let rows = before.iter().zip(&after).map(|(old, new)| match kind {
            0 => (new.clone(), None, WouldBe::Object(applied(new))),
            1 => (new.clone(), Some(applied(old)), WouldBe::Object(applied(new))),
            2 => (new.clone(), Some(old.clone()), WouldBe::Object(applied(new))),
            _ => (new.clone(), Some(applied(old)), WouldBe::Unasked),
        });
        let plan = plan(rows.collect());
        assert_eq!(plan.items.iter().filter(|item| item.diff.is_some()).count(), 5, "{kind}");
        let texts = [
            plain(&plan),
            render_plan(&plan, &Palette::coloured()),
            to_json(&plan).unwrap().to_string(),
            format!("{plan:?}"),
        ];
        for text in texts {
            assert!(!text.contains("hunter2"), "{kind}: {text}");
        }
        if kind == 1 {
            assert!(plain(&plan).contains("‹masked, changed›"));
        }
    }
}

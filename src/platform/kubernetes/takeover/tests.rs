use super::*;

const BEFORE: &str = "2026-01-01T00:00:00Z";
const OURS: &str = "2026-01-02T00:00:00Z";
const LATER: &str = "2026-01-03T00:00:00Z";

fn entry(manager: &str, operation: &str, time: &str, fields: Value) -> Value {
    json!({"manager": manager, "operation": operation, "apiVersion": "v1", "time": time,
        "fieldsType": "FieldsV1", "fieldsV1": fields})
}

/// A ConfigMap with the keys `a` and `b`, of which the document has `a`.
fn live(entries: Vec<Value>) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "resourceVersion": "7",
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"},
        "managedFields": entries}, "data": {"a": "1", "b": "2"}})
}

fn body() -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "1"}})
}

fn both() -> Value {
    json!({"f:data": {".": {}, "f:a": {}, "f:b": {}},
        "f:metadata": {"f:annotations": {".": {}, (format!("f:{LAST_APPLIED}")): {}}}})
}

fn ours() -> Value {
    entry("cutover", "Apply", OURS, json!({"f:data": {"f:a": {}}}))
}

fn goes(former: &Former) -> Vec<String> {
    let Former::Taken(takeover) = former else { return vec![format!("{former:?}")] };
    let kept = |path: &String| !path.contains("annotations");
    takeover.goes.paths().into_iter().filter(kept).collect()
}

#[test]
fn what_a_former_manager_declared_and_git_does_not_goes() {
    for (what, entries) in [
        ("an adoption", vec![entry("kubectl-client-side-apply", "Update", LATER, both())]),
        ("server-side", vec![entry("argocd-controller", "Apply", BEFORE, both())]),
        ("adopted before", vec![entry("helm", "Update", BEFORE, both()), ours()]),
        ("in the same second", vec![entry("helm", "Update", OURS, both()), ours()]),
        ("an edit at the adoption", vec![entry("kubectl-edit", "Update", BEFORE, both())]),
    ] {
        let former = former(&live(entries), &body(), &[], false);
        assert_eq!(goes(&former), ["data.b"], "{what}");
        let Former::Taken(takeover) = former else { unreachable!() };
        let [then] = &takeover.entries[..] else { panic!("{what}: {:?}", takeover.entries) };
        assert_eq!((&then["manager"], &then["operation"]), (&json!("cutover"), &json!("Apply")), "{what}");
        assert_eq!(then["fieldsV1"]["f:data"], json!({".": {}, "f:a": {}, "f:b": {}}), "{what}");
        assert!(takeover.drops_note, "{what}");
        assert!(!then["fieldsV1"].to_string().contains(LAST_APPLIED), "{what}");
    }
}

#[test]
fn fields_of_controllers_and_edits_after_the_adoption_are_none_of_former_managers() {
    for entries in [
        vec![],
        vec![entry("my-operator", "Update", BEFORE, both())],
        vec![ours(), entry("kubectl-edit", "Update", LATER, both())],
        vec![ours(), entry("kubectl-edit", "Update", BEFORE, both())],
    ] {
        assert_eq!(former(&live(entries.clone()), &body(), &[], false), Former::None, "{entries:?}");
    }
    let mut reported = entry("kubectl", "Update", BEFORE, json!({"f:status": {"f:x": {}}}));
    reported["subresource"] = "status".into();
    assert_eq!(former(&live(vec![reported]), &body(), &[], false), Former::None);
}

#[test]
fn a_field_that_a_controller_has_too_stays() {
    let entries = vec![
        entry("kubectl-client-side-apply", "Update", BEFORE, both()),
        entry("my-operator", "Update", BEFORE, json!({"f:data": {"f:b": {}}})),
    ];
    assert_eq!(goes(&former(&live(entries), &body(), &[], false)), [""; 0]);
}

#[test]
fn a_tool_that_still_writes_is_named_with_what_it_has_until_force_is_asked_for() {
    let written = live(vec![ours(), entry("argocd-controller", "Apply", LATER, both())]);
    let Former::Writing(message) = former(&written, &body(), &[], false) else { panic!("not told") };
    for word in ["argocd-controller", LATER, "data.b", "--force-conflicts"] {
        assert!(message.contains(word), "{word}: {message}");
    }
    assert_eq!(goes(&former(&written, &body(), &[], true)), ["data.b"]);
    let same = json!({"f:data": {"f:a": {}}});
    let written = live(vec![ours(), entry("argocd-controller", "Apply", LATER, same)]);
    assert_eq!(former(&written, &body(), &[], false), Former::None, "it has nothing that Git has not");
}

#[test]
fn kept_and_ignored_fields_stay_with_whoever_has_them() {
    let fields = json!({"f:spec": {"f:replicas": {}, "f:paused": {}, "f:template": {"f:spec": {"f:containers":
        {"k:{\"name\":\"app\"}": {".": {}, "f:image": {}, "f:tty": {}}}}}}});
    let mut entry = entry("kubectl-client-side-apply", "Update", BEFORE, fields);
    entry["apiVersion"] = "apps/v1".into();
    let live = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "w", "managedFields": [entry]},
        "spec": {"replicas": 3, "paused": true, "template": {"spec": {"containers": [{"name": "app", "image": "a:1", "tty": true}]}}}});
    let body = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "w"},
        "spec": {"template": {"spec": {"containers": [{"name": "app"}]}}}});
    let ignored = ["/spec/template/spec/containers/0/image".to_owned()];
    let former = former(&live, &body, &ignored, false);
    assert_eq!(goes(&former), ["spec.paused", "spec.template.spec.containers[app].tty"]);
    let Former::Taken(takeover) = former else { unreachable!() };
    let kept = &takeover.entries[0];
    assert_eq!(kept["manager"], "kubectl-client-side-apply");
    assert_eq!(
        FieldSet::parse(&kept["fieldsV1"]).paths(),
        ["spec.replicas", "spec.template.spec.containers[app].image"]
    );
    assert!(takeover.managers == ["kubectl-client-side-apply"]);
    // What is left of it is no reason for another takeover.
    let mut then = live.clone();
    then["metadata"]["managedFields"] = Value::Array(takeover.entries.clone());
    then["spec"] =
        json!({"replicas": 3, "template": {"spec": {"containers": [{"name": "app", "image": "a:1"}]}}});
    assert_eq!(super::former(&then, &body, &ignored, false), Former::None);
    // Nor does it make a later edit one of a former manager.
    let edit = json!({"f:spec": {"f:paused": {}}});
    let entries = then["metadata"]["managedFields"].as_array_mut().expect("entries");
    entries.push(self::entry("kubectl-edit", "Update", BEFORE, edit));
    then["spec"]["paused"] = true.into();
    assert_eq!(super::former(&then, &body, &ignored, false), Former::None);
}

#[test]
fn plain_text_that_was_applied_by_us_is_counted_as_data() {
    let ours = entry("cutover", "Apply", OURS, json!({"f:stringData": {".": {}, "f:a": {}, "f:b": {}}}));
    let mut live = live(vec![ours]);
    live["kind"] = "Secret".into();
    let mut body = body();
    body["kind"] = "Secret".into();
    let former = former(&live, &body, &[], false);
    assert_eq!(goes(&former), ["data.b"]);
}

use super::*;
use crate::diff::noise::Random;
use crate::diff::{MASKED, MASKED_CHANGED};
use serde_json::{Map, Value, json};

fn deployment(image: &str, secret: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "resourceVersion": image, "generation": 3, "uid": "u", "managedFields": [],
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": secret, "deployment.kubernetes.io/revision": "3",
                "cutover.dev/record": "x", "cutover.dev/wave": "1"},
            "labels": {"app.kubernetes.io/name": "web", "applyset.kubernetes.io/part-of": "applyset-x-v1"}},
        "spec": {"template": {"spec": {"containers": [
            {"name": "side", "image": "side:1"},
            {"name": "app", "image": image, "args": ["--token", secret, "--verbose"], "env": [
                {"name": "LEVEL", "value": "info"}, {"name": "DB_PASSWORD", "value": secret},
                {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}},
                {"name": "URL", "value": format!("postgres://u:{secret}@db/x")}]}],
            "imagePullSecrets": [{"name": "registry"}], "automountServiceAccountToken": false,
            "volumes": [{"name": "tls", "secret": {"secretName": "web-tls"}}]}}},
        "status": {"replicas": 3}})
}

fn lines(found: &Comparison) -> String {
    let diff = found.unified("live", "git").expect("a difference");
    let hunks = diff.hunks.iter().map(|hunk| {
        let lines = hunk.lines.iter().map(|line| format!("{}{}\n", line.side.sign(), line.text));
        format!("{}\n{}", hunk.header(), lines.collect::<String>())
    });
    hunks.collect()
}

#[test]
fn one_changed_element_is_one_hunk_and_its_path_names_it() {
    let (live, wanted) = (deployment("web:1", "hunter2"), deployment("web:2", "hunter2"));
    let found = Comparison::of_objects(&meaning(&live, false), &meaning(&wanted, false));
    let paths: Vec<&str> = found.changes.iter().map(|change| change.path.as_str()).collect();
    assert_eq!(paths, ["spec.template.spec.containers[app].image"]);
    insta::assert_snapshot!(lines(&found), @r"
    @@ -13,7 +13,7 @@ spec › template › spec › containers
             - name: side
               image: side:1
             - name: app
    -          image: web:1
    +          image: web:2
               args:
                 - --token
                 - ‹masked›
    ");
}

#[test]
fn what_tools_and_the_server_note_means_nothing_and_what_people_say_does() {
    let meant = meaning(&deployment("web:1", "s"), false);
    assert_eq!(
        meant["metadata"],
        json!({"name": "web", "annotations": {"cutover.dev/wave": "1"}, "labels": {"app.kubernetes.io/name": "web"}})
    );
    assert!(meant.get("status").is_none());
    let marked = meaning(&deployment("web:1", "s"), true);
    assert_eq!(marked["metadata"]["labels"]["applyset.kubernetes.io/part-of"], "applyset-x-v1");
}

#[test]
fn secrets_are_hidden_and_shown_as_changed_and_references_to_them_are_not() {
    let (live, wanted) = (deployment("web:1", "hunter2"), deployment("web:1", "hunter3"));
    let found = Comparison::of_objects(&meaning(&live, false), &meaning(&wanted, false));
    let paths: Vec<&str> = found.changes.iter().map(|change| change.path.as_str()).collect();
    let app = "spec.template.spec.containers[app]";
    assert_eq!(
        paths,
        [format!("{app}.args[1]"), format!("{app}.env[DB_PASSWORD].value"), format!("{app}.env[URL].value")]
    );
    assert!(!format!("{found:?}{:?}", found.unified("a", "b")).contains("hunter"), "{found:?}");
    let created = Comparison::of_objects(&Value::Null, &meaning(&wanted, false));
    let text = lines(&created);
    for shown in
        ["key: password", "secretName: web-tls", "name: registry", "automountServiceAccountToken: false"]
    {
        assert!(text.contains(shown), "{shown} is not in\n{text}");
    }
    assert_eq!(text.matches(MASKED).count(), 3, "{text}");
}

#[test]
fn names_of_labels_and_topologies_are_no_secrets() {
    let term = serde_json::json!({"kind": "Deployment", "spec": {"topologySpreadConstraints": [{"topologyKey": "kubernetes.io/hostname",
        "matchLabelKeys": ["pod-template-hash"]}]}});
    let text = lines(&Comparison::of_objects(&Value::Null, &meaning(&term, false)));
    assert!(
        text.contains("topologyKey: kubernetes.io/hostname") && text.contains("- pod-template-hash"),
        "{text}"
    );
}

#[test]
fn a_secret_shows_its_keys_and_that_they_changed() {
    let secret = |value: &str| {
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "type": "Opaque",
        "data": {"same": "aHVudGVyMg==", "other": value}})
    };
    let found = Comparison::of_objects(&secret("aHVudGVyMw=="), &secret("aHVudGVyNA=="));
    insta::assert_snapshot!(lines(&found), @r"
    @@ -5,4 +5,4 @@
     type: Opaque
     data:
       same: ‹masked›
    -  other: ‹masked›
    +  other: ‹masked, changed›
    ");
}

#[test]
fn lists_are_paired_by_what_names_their_elements_and_moves_show() {
    let ports = |ports: Value| json!({"kind": "Service", "spec": {"ports": ports}});
    let cases = [
        (
            json!([{"port": 80}, {"port": 443}]),
            json!([{"port": 80, "name": "a"}, {"port": 443}]),
            "spec.ports[80].name",
        ),
        (json!([{"port": 80}]), json!([{"port": 80}, {"port": 81}]), "spec.ports[81]"),
        (json!(["a", "b"]), json!(["a", "c"]), "spec.ports[1]"),
        (json!(["a", "b"]), json!(["b"]), "spec.ports"),
        (json!([{"name": "a"}, {"name": "b"}]), json!([{"name": "b"}, {"name": "a"}]), "spec.ports"),
    ];
    for (before, after, path) in cases {
        let found = Comparison::of_objects(&ports(before), &ports(after));
        assert_eq!(found.changes.len(), 1, "{found:?}");
        assert_eq!(found.changes[0].path, path);
        assert!(!found.unified("a", "b").expect("a diff").hunks.is_empty(), "{path}");
    }
}

#[test]
fn the_declared_part_of_a_live_object_has_no_defaults_in_it() {
    let live = json!({"spec": {"backoffLimit": 6, "template": {"spec": {"containers": [
        {"name": "a", "image": "a:1", "imagePullPolicy": "Always"}, {"name": "b", "image": "b:1"}], "dnsPolicy": "ClusterFirst"}}}});
    let declared = json!({"spec": {"template": {"spec": {"containers": [{"name": "a", "image": "a:2"}]}}}});
    assert_eq!(
        declared_part(&live, &declared),
        json!({"spec": {"template": {"spec": {"containers": [{"name": "a", "image": "a:1"}, {"name": "b", "image": "b:1"}]}}}})
    );
}

#[test]
fn what_others_say_about_an_object_is_told_without_its_secrets() {
    let object = deployment("web:1", "hun\"ter2");
    let said = r#"env[1].value: Invalid value: "hun\"ter2": no; web:1 is fine"#;
    assert_eq!(
        without_secrets(said, &object),
        r#"env[1].value: Invalid value: "‹masked›": no; web:1 is fine"#
    );
}

/// Puts a secret where secrets are, at a random depth of a random object.
fn planted(random: &mut Random, secret: &str, depth: usize) -> Value {
    let name = ["DB_PASSWORD", "apiKey", "client-secret", "token", "AUTH", "privateKey"][random.below(6)];
    let mut inner = Map::new();
    inner.insert(name.into(), json!(secret));
    let here = match random.below(6) {
        0 => json!({"env": [{"name": "LEVEL", "value": "info"}, {"name": name, "value": secret}]}),
        1 => json!({"data": inner}),
        2 => json!({"args": ["run", format!("--{}", name.to_lowercase()), secret]}),
        3 => json!({"url": format!("amqp://user:{secret}@mq:5672/")}),
        4 => json!({"config.ini": format!("level = info\npassword = {secret}\n")}),
        _ => json!({"settings": inner, "plain": [1, true, "x"]}),
    };
    if depth == 0 {
        return here;
    }
    let below = planted(random, secret, depth - 1);
    match random.below(3) {
        0 => json!({"spec": below, "more": here}),
        1 => json!({"items": [{"name": "a", "spec": below}, {"name": "b"}], "here": here}),
        _ => json!({"list": [below, here]}),
    }
}

#[test]
fn no_planted_secret_gets_into_a_difference_and_every_changed_one_shows() {
    for seed in 0..500 {
        let depth = Random(seed).below(5);
        let object = |secret: &str| {
            let mut object = planted(&mut Random(seed), secret, depth);
            object["kind"] = json!("Thing");
            object
        };
        let (before, after) = (object("hunter2-old"), object("hunter2-new"));
        for (before, after) in
            [(&before, &after), (&Value::Null, &after), (&after, &json!({})), (&json!({}), &after)]
        {
            let found = Comparison::of_objects(before, after);
            let shown = format!("{found:?} {:?} {}", found.unified("a", "b"), json!(found.changes));
            assert!(!shown.contains("hunter2"), "seed {seed}: {shown}");
        }
        let found = Comparison::of_objects(&before, &after);
        assert!(
            json!(found.unified("a", "b")).to_string().contains(MASKED_CHANGED),
            "seed {seed}: {found:?}"
        );
        assert!(
            !without_secrets(&format!("invalid: {after}"), &after).contains("hunter2-new"),
            "seed {seed}"
        );
    }
}

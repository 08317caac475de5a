use super::super::*;
use super::plain;
use super::shop::*;
use crate::model::*;
use serde_json::{Value, json};

/// A rolling worker: its documents and its live state.
fn worker(declared: Value, live_fields: Value) -> (Manifests, Live) {
    let mut manifests = Manifests::default();
    let task_definition = task_definition("worker", "shop/worker:1");
    let live = Live {
        services: [("worker".to_owned(), running("worker", 7, live_fields))].into(),
        revisions: vec![registered(&task_definition, 7)],
        ..Live::default()
    };
    manifests.task_definitions.insert("worker".into(), task_definition);
    manifests.services.insert("worker".into(), service("worker", declared));
    (manifests, live)
}

fn plan(manifests: &Manifests, live: &Live) -> Plan {
    assemble(&application(), "4f1c2d3", manifests, live)
}

fn only_service(plan: &Plan) -> &PlanItem {
    let mut services = plan.items.iter().filter(|item| item.is(Kind::Service));
    let service = services.next().unwrap();
    assert!(services.next().is_none());
    service
}

#[test]
fn everything_is_created_where_nothing_is() {
    let (manifests, _) = worker(json!({"desiredCount": 2}), json!({}));
    insta::assert_snapshot!(plain(&plan(&manifests, &Live::default())), @r#"
    shop at 4f1c2d3

    + create TaskDefinition/worker (worker:new): registers a revision of family worker
        --- live (none)
        +++ git apps/shop/worker.yaml:3
        @@ -0,0 +1,14 @@
        +family: worker
        +networkMode: awsvpc
        +cpu: "1024"
        +memory: "2048"
        +containerDefinitions:
        +  - name: app
        +    image: shop/worker:1
        +    portMappings:
        +      - containerPort: 8080
        +    environment:
        +      - name: LOG_LEVEL
        +        value: info
        +      - name: DB_PASSWORD
        +        value: ‹masked›

    + create Service/worker: does not exist yet
        --- live (none)
        +++ git apps/shop/worker.yaml:20
        @@ -0,0 +1,2 @@
        +desiredCount: 2
        +taskDefinition: worker:new

    Plan: 2 to create, 0 to update, 0 to replace, 0 to prune, 0 unchanged; no traffic moves.
    "#);
}

#[test]
fn a_service_as_declared_is_unchanged() {
    let (manifests, live) =
        worker(json!({"desiredCount": 3, "launchType": "FARGATE", "propagateTags": "NONE"}), json!({}));
    let plan = plan(&manifests, &live);
    assert!(!plan.has_changes(), "{}", plain(&plan));
    assert_eq!(plan.summary(), Summary { unchanged: 2, ..Summary::default() });
}

#[test]
fn a_changed_service_is_updated_and_its_secrets_are_hidden() {
    let (mut manifests, live) =
        worker(json!({"desiredCount": 5, "healthCheckGracePeriodSeconds": 30}), json!({}));
    let document = manifests.task_definitions.get_mut("worker").unwrap();
    document.spec["containerDefinitions"][0]["environment"][1]["value"] = json!("hunter3");
    let plan = plan(&manifests, &live);
    let texts = [
        plain(&plan),
        render_plan(&plan, &Palette::coloured()),
        to_json(&plan).unwrap().to_string(),
        format!("{plan:?}"),
    ];
    for text in texts {
        assert!(!text.contains("hunter"), "{text}");
    }
    insta::assert_snapshot!(plain(&plan), @r"
    shop at 4f1c2d3

    + create TaskDefinition/worker (worker:new): registers a revision; differs from worker:7 in containerDefinitions[app].environment[DB_PASSWORD].value
        --- live worker:7
        +++ git apps/shop/worker.yaml:3
        @@ -11,4 +11,4 @@ containerDefinitions › name: app › environment
               - name: LOG_LEVEL
                 value: info
               - name: DB_PASSWORD
        -        value: ‹masked›
        +        value: ‹masked, changed›

    ~ update Service/worker: differs in desiredCount (3 → 5), healthCheckGracePeriodSeconds and taskDefinition; ECS starts new tasks
        --- live worker
        +++ git apps/shop/worker.yaml:20
        @@ -1,2 +1,3 @@
        -desiredCount: 3
        -taskDefinition: worker:7
        +desiredCount: 5
        +healthCheckGracePeriodSeconds: 30
        +taskDefinition: worker:new

    Plan: 1 to create, 1 to update, 0 to replace, 0 to prune, 0 unchanged; no traffic moves.
    ");
}

#[test]
fn a_field_that_cant_be_updated_replaces_the_service() {
    let (manifests, live) = worker(json!({"launchType": "EC2"}), json!({}));
    let plan = plan(&manifests, &live);
    assert_eq!(only_service(&plan).change, Change::Replace);
    assert!(
        only_service(&plan).why.starts_with("launchType can't be changed"),
        "{}",
        only_service(&plan).why
    );
}

#[test]
fn a_service_without_our_mark_is_adopted_and_one_of_others_is_left_alone() {
    let (manifests, live) = worker(json!({"desiredCount": 3}), json!({"tags": []}));
    assert_eq!(only_service(&plan(&manifests, &live)).change, Change::Adopt);

    let (manifests, live) = worker(json!({"launchType": "EC2"}), json!({"tags": []}));
    assert_eq!(
        only_service(&plan(&manifests, &live)).change,
        Change::Blocked,
        "never deletes what is not ours"
    );

    let tags = json!([{"key": "cutover.dev/application", "value": "bank"}]);
    let (manifests, live) = worker(json!({"desiredCount": 9}), json!({"tags": tags}));
    let plan = plan(&manifests, &live);
    assert_eq!(only_service(&plan).change, Change::Blocked);
    assert!(only_service(&plan).why.contains("application bank"));
}

#[test]
fn a_deleted_service_is_created_anew() {
    for (status, says) in [("INACTIVE", "does not exist yet"), ("DRAINING", "drained")] {
        let (manifests, live) = worker(json!({}), json!({"status": status}));
        let plan = plan(&manifests, &live);
        assert_eq!(only_service(&plan).change, Change::Create);
        assert!(only_service(&plan).why.contains(says), "{}", only_service(&plan).why);
    }
}

#[test]
fn a_strategy_of_ecs_is_named_and_moves_no_rule_of_ours() {
    let declared = json!({"deploymentConfiguration": {"strategy": "CANARY"}});
    let (manifests, live) = worker(declared, json!({}));
    let plan = plan(&manifests, &live);
    assert!(only_service(&plan).why.ends_with("ECS itself moves the traffic (CANARY)"));
    assert_eq!(plan.traffic, []);
}

#[test]
fn a_revision_of_the_same_content_is_used_and_not_registered_again() {
    let (mut manifests, mut live) = worker(json!({}), json!({}));
    let newer = task_definition("worker", "shop/worker:2");
    live.revisions.insert(0, registered(&newer, 9));
    assert_eq!(plan(&manifests, &live).items[0].resource, "worker:7", "an older revision with this content");

    live.revisions[1].content = None;
    assert_eq!(plan(&manifests, &live).items[0].resource, "worker:7", "found by comparing");

    live.revisions[1].content = Some("made by an older version of the program".into());
    assert_eq!(plan(&manifests, &live).items[0].resource, "worker:7", "found by comparing");

    live.revisions[1].described.as_mut().unwrap()["status"] = json!("INACTIVE");
    assert_eq!(plan(&manifests, &live).items[0].resource, "worker:new", "a deregistered one can't be used");

    manifests.task_definitions.insert("worker".into(), newer);
    assert_eq!(plan(&manifests, &live).items[0].resource, "worker:9");
    live.revisions[0].described = None;
    assert_eq!(plan(&manifests, &live).items[0].resource, "worker:9", "the tag alone tells");
}

#[test]
fn a_revision_named_by_arn_is_taken_as_it_is() {
    let (mut manifests, live) = worker(json!({}), json!({}));
    let document = manifests.services.get_mut("worker").unwrap();
    document.task_definition = TaskDefinitionRef::External("worker:7".into());
    assert_eq!(only_service(&plan(&manifests, &live)).change, Change::Unchanged);
    let document = manifests.services.get_mut("worker").unwrap();
    document.task_definition = TaskDefinitionRef::External("arn:aws:ecs:r:1:task-definition/worker:8".into());
    assert_eq!(only_service(&plan(&manifests, &live)).change, Change::Update);
}

#[test]
fn what_left_git_is_pruned_or_the_plan_says_why_not() {
    let (manifests, mut live) = worker(json!({}), json!({}));
    let owned =
        |name: &str| Owned { document: format!("Service/{name}"), resource: name.into(), ..Owned::default() };
    live.owned = ["worker", "b", "c", "old"].map(owned).to_vec();
    let refused = plan(&manifests, &live);
    assert_eq!(refused.summary().prune, 0);
    let withheld = refused.items.iter().find(|item| item.document() == "Application/shop").expect("told");
    assert!(withheld.change == Change::Blocked && withheld.why.contains("pruneLimit"), "{withheld:?}");
    assert!(refused.has_changes(), "what is not done is not in sync");
    assert!(withheld.turn > Turn { phase: HookPhase::Sync, wave: 99, rank: 5 }, "it holds nothing else up");

    live.owned = ["worker", "old"].map(owned).to_vec();
    let mut application = application();
    application.sync.prune_limit = "1".into();
    let plan = assemble(&application, "4f1c2d3", &manifests, &live);
    insta::assert_snapshot!(plain(&plan), @r"
    shop at 4f1c2d3

    - prune Service/old: is no longer in Git

    = unchanged TaskDefinition/worker (worker:7): has this content
    = unchanged Service/worker: is as declared

    Plan: 0 to create, 0 to update, 0 to replace, 1 to prune, 2 unchanged; no traffic moves.
    ");
}

#[test]
fn a_coloured_plan_reads_like_this() {
    let (manifests, live) = worker(json!({"desiredCount": 5}), json!({}));
    let coloured = render_plan(&plan(&manifests, &live), &Palette::coloured());
    insta::assert_snapshot!(coloured.replace('\u{1b}', "␛"), @r"
    ␛[1mshop at 4f1c2d3␛[0m

    ␛[33m~ update Service/worker: differs in desiredCount (3 → 5); no new tasks␛[0m
    ␛[1m    --- live worker␛[0m
    ␛[1m    +++ git apps/shop/worker.yaml:20␛[0m
    ␛[2m    @@ -1,1 +1,1 @@␛[0m
    ␛[31m    -desiredCount: 3␛[0m
    ␛[32m    +desiredCount: 5␛[0m

    ␛[2m= unchanged TaskDefinition/worker (worker:7): has this content␛[0m

    ␛[1mPlan: 0 to create, 1 to update, 0 to replace, 0 to prune, 1 unchanged; no traffic moves.␛[0m
    ");
}

#[test]
fn a_suspended_or_observed_application_says_so() {
    let (manifests, live) = worker(json!({}), json!({}));
    let mut application = application();
    application.suspend = true;
    application.sync.mode = SyncMode::Observe;
    let plan = assemble(&application, "4f1c2d3", &manifests, &live);
    assert_eq!(plan.notices.len(), 2);
}

#[test]
fn the_json_of_a_plan_is_stable() {
    let (manifests, live) = worker(json!({"desiredCount": 5}), json!({}));
    let document = to_json(&plan(&manifests, &live)).unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(&document).unwrap(), @r#"
    {
      "apiVersion": "cutover.dev/v1alpha1",
      "kind": "Plan",
      "hasChanges": true,
      "summary": {
        "create": 0,
        "update": 1,
        "replace": 0,
        "prune": 0,
        "adopt": 0,
        "unchanged": 1,
        "blocked": 0,
        "rules": 0
      },
      "application": "shop",
      "commit": "4f1c2d3",
      "items": [
        {
          "kind": "TaskDefinition",
          "name": "worker",
          "resource": "worker:7",
          "change": "unchanged",
          "why": "has this content",
          "fields": [],
          "diff": null,
          "origin": {
            "file": "apps/shop/worker.yaml",
            "line": 3
          }
        },
        {
          "kind": "Service",
          "name": "worker",
          "resource": "worker",
          "change": "update",
          "why": "differs in desiredCount (3 → 5); no new tasks",
          "fields": [
            {
              "path": "desiredCount",
              "before": 3,
              "after": 5
            }
          ],
          "diff": {
            "before": "live worker",
            "after": "git apps/shop/worker.yaml:20",
            "hunks": [
              {
                "beforeStart": 1,
                "beforeLines": 1,
                "afterStart": 1,
                "afterLines": 1,
                "heading": "",
                "lines": [
                  {
                    "side": "before",
                    "text": "desiredCount: 3"
                  },
                  {
                    "side": "after",
                    "text": "desiredCount: 5"
                  }
                ]
              }
            ]
          },
          "origin": {
            "file": "apps/shop/worker.yaml",
            "line": 20
          }
        }
      ],
      "traffic": [],
      "notices": []
    }
    "#);
}

#[test]
fn what_aws_and_repositories_say_does_not_reach_the_terminal_raw() {
    let (manifests, mut live) = worker(
        json!({}),
        json!({"tags": [{"key": "cutover.dev/application", "value": "\u{1b}[2Jevil\u{9b}31m"}]}),
    );
    live.owned = vec![Owned {
        document: "Service/x".into(),
        resource: "x\u{1b}[31m\u{202e}".into(),
        ..Owned::default()
    }];
    let text = plain(&plan(&manifests, &live));
    assert!(!text.contains(['\u{1b}', '\u{9b}', '\u{202e}']), "{text:?}");
}

//! The operator's configuration of a controller: the example is valid, and what is wrong is told with file and line.

use cutover::config::{load, load_controller};
use cutover::model::{
    AppKey, ControllerConfiguration, NotificationTarget, PlatformKind, SourceFile, permits,
};

fn read(text: &str) -> Result<ControllerConfiguration, Vec<String>> {
    let file = SourceFile { path: "controller.yaml".into(), bytes: text.as_bytes().to_vec() };
    load_controller(&file).map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

fn wrong(spec: &str) -> Vec<String> {
    let head =
        "apiVersion: cutover.dev/v1alpha1\nkind: ControllerConfiguration\nmetadata: {name: cutover}\nspec:\n";
    let problems = read(&format!("{head}{spec}")).unwrap_err();
    let place = |text: &String| text.replace("ControllerConfiguration/cutover: ", "");
    problems.iter().map(place).collect()
}

#[test]
fn the_example_is_valid_and_means_what_it_says() {
    let configuration = read(include_str!("../../examples/controller.yaml")).unwrap();
    assert_eq!(configuration.permissions.len(), 2);
    assert!(configuration.repositories[0].url.fits("https://git.example/team-a/deploy.git"));
    assert_eq!(configuration.webhooks.github.unwrap().secret_files, ["/etc/cutover/webhooks/github"]);
    let told: Vec<&str> = configuration.notifications.iter().map(|told| told.name.as_str()).collect();
    assert_eq!(told, ["team-a", "audit", "commits"]);
    assert!(configuration.notifications[0].is_about("team-a-dev/shop"));
    assert!(!configuration.notifications[0].is_about("team-b/shop"));
    let NotificationTarget::Github(status) = &configuration.notifications[2].to else {
        panic!("{configuration:?}", configuration = configuration.notifications)
    };
    assert_eq!(status.token_file, "/etc/cutover/github/token");
}

#[test]
fn an_empty_spec_is_the_usual_configuration() {
    let head = "apiVersion: cutover.dev/v1alpha1\nkind: ControllerConfiguration\nmetadata: {name: cutover}\nspec: {}\n";
    assert_eq!(read(head), Ok(ControllerConfiguration::default()));
}

#[test]
fn what_is_wrong_is_told_with_file_and_line() {
    let spec = "  permisions: []
  permissions:
    - namespaces: []
      repositories: [git.example/team-a]
      destinations: {thisCluster: maybe}
    - repositories: [\"https://git.example/a/../*\"]
  repositories:
    - {url: \"https://*.example/x\", secretRef: {name: git}}
    - {url: \"*\", secretRef: {name: git}}
";
    assert_eq!(
        wrong(spec),
        [
            "controller.yaml:5: permisions: unknown field, did you mean \"permissions\"?",
            "controller.yaml:7: permissions[0].namespaces: is empty",
            "controller.yaml:9: permissions[0].destinations.thisCluster: expected true or false, found the text \"maybe\"",
            "controller.yaml:10: permissions[1]: the field \"namespaces\" is missing",
        ]
    );
    let spec = "  permissions:
    - namespaces: [a]
      repositories:
        - git.example/team-a
        - https://git.example/a/../*
  repositories:
    - {url: \"https://*.example/x\", secretRef: {name: git}}
    - {url: \"*\", secretRef: {name: git}}
  webhooks:
    github: {secretFiles: [secret]}
  notifications:
    - {name: a, to: {webhook: {url: \"ftp://x\"}}}
    - {name: a, to: {gitlab: {tokenFile: /t, apiURL: \"http://gitlab.example/api/v4\"}}}
";
    assert_eq!(
        wrong(spec),
        [
            "controller.yaml:8: permissions[0].repositories[0]: fits no repository; write it like https://git.example/team-a/*, or * for all",
            "controller.yaml:9: permissions[0].repositories[1]: fits no repository; write it like https://git.example/team-a/*, or * for all",
            "controller.yaml:11: repositories[0].url: must name the host: the credentials are sent to it",
            "controller.yaml:12: repositories[1].url: must name the host: the credentials are sent to it",
            "controller.yaml:14: webhooks.github.secretFiles[0]: must be a file's whole path, beginning with /",
            "controller.yaml:16: notifications[0].to.webhook.url: is not a URL that begins with https:// or http://",
            "controller.yaml:17: notifications[1].name: is the name of another notification, too",
            "controller.yaml:17: notifications[1].to.gitlab.apiURL: must begin with https://: the token is sent to it",
        ]
    );
    let kinds = "  notifications: [{name: a, kinds: [RolloutFaild], to: {slack: {urlFile: /u}, webhook: {url: \"https://x\"}}}]\n";
    let problems = wrong(kinds);
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].contains("did you mean \"RolloutFailed\"?"), "{problems:?}");
    assert!(problems[1].contains("there can be only one of github, gitlab, slack, webhook"), "{problems:?}");
}

#[test]
fn a_configuration_among_the_documents_of_an_application_is_refused() {
    let bytes = include_str!("../../examples/controller.yaml").as_bytes().to_vec();
    let file = SourceFile { path: "apps/controller.yaml".into(), bytes };
    for platform in [PlatformKind::Ecs, PlatformKind::Kubernetes] {
        let problems = load(std::slice::from_ref(&file), Some(platform)).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].message.contains("no part of an application"), "{problems:?}");
    }
    let other = read("apiVersion: cutover.dev/v1alpha1\nkind: Application\nmetadata: {name: a}\nspec: {}\n");
    let other = other.unwrap_err();
    assert!(other.iter().any(|text| text.contains("may hold a ControllerConfiguration")), "{other:?}");
}

#[test]
fn the_examples_of_applications_are_permitted_where_their_owner_is() {
    let bytes = include_str!("../../examples/cluster.yaml").as_bytes().to_vec();
    let file = SourceFile { path: "cluster.yaml".into(), bytes };
    let application = cutover::config::load_application(&file).unwrap();
    let key = AppKey { namespace: "cutover".into(), name: application.name.clone() };
    assert!(permits(&ControllerConfiguration::default(), "cutover", &key, &application).is_ok());
}

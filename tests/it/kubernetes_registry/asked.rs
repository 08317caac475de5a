//! `cutover promote|abort|retry|suspend|resume --app`, with something that answers in place of the controller.

use super::support::{applications, shop, space, told_of, watch};
use crate::cli_support::{Desk, Ran};
use crate::kube_support::{Space, User};
use cutover::controller::{Applications, Request, RequestVerb};
use cutover::model::{ApplicationStatus, HandledRequest, HealthState, Timestamp};

struct Rig {
    space: Space,
    desk: Desk,
}

impl Rig {
    async fn new(purpose: &str) -> Rig {
        Rig { space: space(purpose).await, desk: tokio::task::block_in_place(Desk::new) }
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = self.desk.command(arguments);
        command.env("KUBECONFIG", self.space.cluster.kubeconfig(User::Admin));
        command.args(["--app", "shop", "--app-namespace", &self.space.name]);
        let ran = tokio::task::block_in_place(|| self.desk.ran(command));
        let tidy = |text: String| text.replace(&self.space.name, "[namespace]");
        Ran { code: ran.code, stdout: tidy(ran.stdout), stderr: tidy(ran.stderr) }
    }
}

/// Promotes, and refuses everything else; takes note of who is suspended.
async fn answer(space: &Space) {
    let registry = applications(space, User::Admin).await;
    let mut news = watch(&registry).await;
    tokio::spawn(async move {
        loop {
            let is = told_of(&mut news, "somebody asks", |_| true).await;
            let handled = |request: &Request| HandledRequest {
                request: request.text.clone(),
                done: request.verb == RequestVerb::Promote,
                message: format!("{:?} of {:?}", request.verb, request.workload),
                time: Timestamp(1_764_105_556),
            };
            let health = if is.is_suspended { HealthState::Suspended } else { HealthState::Healthy };
            let handled_request = is.request.as_ref().map(handled);
            let status = ApplicationStatus { health, handled_request, ..ApplicationStatus::default() };
            if status != is.status {
                registry.write_status(&is.key, &status).await.expect("written");
            }
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn a_controller_is_asked_and_its_answer_is_the_end() {
    let rig = Rig::new("asked").await;
    insta::assert_snapshot!("there_is_no_such_application", rig.run(&["promote"]).whole());
    rig.space.apply(&shop(&rig.space).to_string()).await;
    insta::assert_snapshot!("nobody_answers", rig.run(&["promote", "--timeout", "1s"]).whole());
    let unheard = rig.run(&["abort", "web", "--no-wait", "-o", "json"]);
    assert_eq!(unheard.code, Some(0), "{}", unheard.whole());
    let request = unheard.json()["request"].as_str().expect("a request").to_owned();
    assert!(request.starts_with("abort web 20"), "{request}");
    answer(&rig.space).await;
    insta::assert_snapshot!("it_is_done", rig.run(&["promote", "web"]).whole());
    insta::assert_snapshot!("it_is_refused", rig.run(&["retry"]).whole());
    insta::assert_snapshot!("suspended", rig.run(&["suspend"]).whole());
    insta::assert_snapshot!("resumed", rig.run(&["resume"]).whole());
    let json = rig.run(&["promote", "-o", "json"]);
    assert_eq!((json.code, &json.json()["handled"]["done"]), (Some(0), &true.into()), "{}", json.whole());
    let mut stubborn = shop(&rig.space);
    stubborn["spec"]["suspend"] = true.into();
    rig.space.apply(&stubborn.to_string()).await;
    insta::assert_snapshot!("it_is_suspended_in_its_spec", rig.run(&["resume"]).whole());
}

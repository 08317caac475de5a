//! A checkout with an application of a namespace of its own, and the binary on it.

use crate::cli_support::{Desk, Ran};
use crate::kube_support::{Space, User};
use std::process::{Child, Command, Stdio};

pub struct KubeDesk {
    pub desk: Desk,
    pub space: Space,
}

impl KubeDesk {
    /// With these documents committed as `deploy/shop.yaml`; `spec` is added to the Application's.
    pub async fn new(purpose: &str, spec: &str, documents: &str) -> KubeDesk {
        let space = Space::new(purpose).await;
        let desk = tokio::task::block_in_place(Desk::new);
        let application = format!(
            "apiVersion: cutover.dev/v1alpha1\nkind: Application\nmetadata: {{name: shop}}\nspec:\n  \
             source: {{repoURL: ., path: deploy}}\n  destination: {{kubernetes: {{namespace: {}}}}}\n  {spec}\n",
            space.name
        );
        desk.write("deploy/shop.yaml", documents);
        tokio::task::block_in_place(|| desk.commit("First"));
        // Not committed: the namespace has another name each time, and commits shall have the same.
        desk.write(".git/info/exclude", "shop.yaml\n!deploy/shop.yaml\n");
        desk.write("shop.yaml", &application);
        KubeDesk { desk, space }
    }

    /// Replaces texts in the documents and commits that.
    pub fn change(&self, changes: &[(&str, &str)], message: &str) {
        let mut text = self.desk.read("deploy/shop.yaml");
        for (from, to) in changes {
            assert!(text.contains(from), "the documents do not have {from}");
            text = text.replace(from, to);
        }
        self.desk.write("deploy/shop.yaml", &text);
        tokio::task::block_in_place(|| self.desk.commit(message));
    }

    pub fn command(&self, user: User, arguments: &[&str]) -> Command {
        let mut command = self.desk.command(arguments);
        command.env("KUBECONFIG", self.space.cluster.kubeconfig(user));
        command
    }

    /// Runs the binary to its end, as the one who may do everything.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        self.run_as(User::Admin, arguments)
    }

    pub fn run_as(&self, user: User, arguments: &[&str]) -> Ran {
        let command = self.command(user, arguments);
        self.tidy(tokio::task::block_in_place(|| self.desk.ran(command)))
    }

    /// Runs a verb on the application.
    pub fn verb(&self, verb: &str, flags: &[&str]) -> Ran {
        self.run(&[&[verb, "-f", "shop.yaml"], flags].concat())
    }

    /// Starts a verb on the application.
    pub fn start(&self, verb: &str, flags: &[&str]) -> Child {
        let mut command = self.command(User::Admin, &[&[verb, "-f", "shop.yaml"], flags].concat());
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program")
    }

    /// The end of a started verb.
    pub fn end(&self, child: Child) -> Ran {
        self.tidy(tokio::task::block_in_place(|| self.desk.end(child)))
    }

    /// What differs between two runs is named instead.
    fn tidy(&self, ran: Ran) -> Ran {
        let tidy = |text: String| text.replace(&self.space.name, "[namespace]");
        Ran { code: ran.code, stdout: tidy(ran.stdout), stderr: tidy(ran.stderr) }
    }
}

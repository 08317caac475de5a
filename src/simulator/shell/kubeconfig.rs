//! The Kubernetes client of the file that a person names on the command line.

use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};
use std::error::Error;
use std::path::Path;

/// A client for a context of a kubeconfig file, or for its current one. Nothing is executed: a user who logs in by a
/// program (`exec`, `auth-provider`) is refused.
///
/// # Errors
/// A sentence, if the file can't be read, does not have the context, or wants something executed. It holds no
/// credentials.
pub async fn client_of(file: &Path, context: Option<&str>) -> Result<Client, String> {
    let wrong = |error: &dyn Error| format!("the kubeconfig {}: {}", file.display(), chain(error));
    let read = Kubeconfig::read_from(file).map_err(|error| match error {
        // Its own words show the lines round the place, and they may hold a token.
        KubeconfigError::Parse(error) => {
            let place = error.location().map(|at| format!(" (line {}, column {})", at.line(), at.column()));
            let place = place.unwrap_or_default();
            format!("the kubeconfig {}: it does not have the form of a kubeconfig{place}", file.display())
        }
        error => wrong(&error),
    })?;
    let options = KubeConfigOptions { context: context.map(String::from), ..KubeConfigOptions::default() };
    let config = Config::from_custom_kubeconfig(read, &options).await.map_err(|error| wrong(&error))?;
    let user = &config.auth_info;
    for (field, used) in [("exec", user.exec.is_some()), ("auth-provider", user.auth_provider.is_some())] {
        if used {
            return Err(format!(
                "the kubeconfig {}: the user of this context logs in with a program ({field}), and the simulator \
                 starts none; name a context whose user has a token or a client certificate",
                file.display()
            ));
        }
    }
    Client::try_from(config).map_err(|error| wrong(&error))
}

/// An error with its causes.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::client_of;

    fn kubeconfig(user: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: here\n\
             clusters: [{{name: c, cluster: {{server: 'http://127.0.0.1:1'}}}}]\n\
             contexts: [{{name: here, context: {{cluster: c, user: u}}}}, {{name: other, context: {{cluster: c, user: plain}}}}]\n\
             users: [{{name: u, user: {user}}}, {{name: plain, user: {{token: hush-hush}}}}]\n"
        );
        std::fs::write(file.path(), text).expect("written");
        file
    }

    #[tokio::test]
    async fn a_user_who_logs_in_by_a_program_is_refused_and_the_program_not_started() {
        let trace = tempfile::tempdir().expect("a folder");
        let marker = trace.path().join("ran");
        let exec = format!(
            "{{exec: {{apiVersion: client.authentication.k8s.io/v1, command: touch, args: ['{}'], interactiveMode: Never}}}}",
            marker.display()
        );
        for (user, word) in
            [(exec.as_str(), "(exec)"), ("{auth-provider: {name: gcp, config: {}}}", "(auth-provider)")]
        {
            let file = kubeconfig(user);
            let error = client_of(file.path(), None).await.err().expect("refused");
            assert!(error.contains(word) && error.contains("starts none"), "{error}");
            assert!(client_of(file.path(), Some("other")).await.is_ok(), "another user of the same file");
        }
        assert!(!marker.exists());
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_used_is_named_without_its_secrets() {
        let file = kubeconfig("{token: hush-hush}");
        let error = client_of(file.path(), Some("absent")).await.err().expect("refused");
        assert!(error.contains("absent") && error.contains(&file.path().display().to_string()), "{error}");
        let error = client_of("/does/not/exist".as_ref(), None).await.err().expect("refused");
        assert!(error.contains("/does/not/exist"), "{error}");
        std::fs::write(file.path(), "users: [{name: u, user: {token: [hush-hush]}}]").expect("written");
        let error = client_of(file.path(), None).await.err().expect("refused");
        assert!(error.contains("line 1, column 33") && !error.contains("hush-hush"), "{error}");
    }
}

//! What a kubeconfig may make this program do. One that a person has on their machine may name files, and programs if
//! that is allowed; one that comes as bytes may do neither.

use kube::config::{AuthInfo, Cluster, ExecInteractiveMode, Kubeconfig, KubeconfigError};
use std::io::IsTerminal;

/// A kubeconfig given as bytes is no larger than that.
const BYTES_LIMIT: usize = 1 << 20;

/// Reads a kubeconfig that is not this machine's own.
pub(super) fn parse_bytes(bytes: &[u8]) -> Result<Kubeconfig, String> {
    if bytes.len() > BYTES_LIMIT {
        return Err(format!("the kubeconfig is larger than {BYTES_LIMIT} bytes"));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| "the kubeconfig is not UTF-8 text".to_owned())?;
    Kubeconfig::from_yaml(text).map_err(|error| explain(&error))
}

/// Refuses what is not allowed to the one user and cluster that a context names.
pub(super) fn check(
    user: Option<&AuthInfo>,
    cluster: Option<&Cluster>,
    inline_only: bool,
    allow_exec: bool,
) -> Result<(), String> {
    if let Some(user) = user {
        check_exec(user, inline_only, allow_exec)?;
    }
    if cluster.is_some_and(|cluster| cluster.proxy_url.as_deref().is_some_and(|url| !url.is_empty())) {
        return Err("the cluster's `proxy-url` is not supported; connect without a proxy".into());
    }
    if !inline_only {
        return Ok(());
    }
    let files = [
        ("certificate-authority", cluster.and_then(|cluster| cluster.certificate_authority.as_deref())),
        ("client-certificate", user.and_then(|user| user.client_certificate.as_deref())),
        ("client-key", user.and_then(|user| user.client_key.as_deref())),
    ];
    for (field, value) in files {
        if value.is_some() {
            return Err(format!(
                "a kubeconfig that is not this machine's own reads no files: give `{field}-data` in place of `{field}`"
            ));
        }
    }
    if user.is_some_and(|user| user.token_file.is_some()) {
        return Err("a kubeconfig that is not this machine's own reads no files: give `token` in place of \
                    `tokenFile`"
            .into());
    }
    Ok(())
}

fn check_exec(user: &AuthInfo, inline_only: bool, allow_exec: bool) -> Result<(), String> {
    let what = if let Some(exec) = &user.exec {
        format!("runs `{}`", exec.command.as_deref().unwrap_or_default())
    } else if let Some(provider) = &user.auth_provider {
        format!("has the auth-provider `{}`, which may run a program", provider.name)
    } else {
        return Ok(());
    };
    if inline_only {
        return Err(format!(
            "its user {what}, and a kubeconfig that is not this machine's own never runs anything; give it a token \
             or `client-certificate-data` and `client-key-data`"
        ));
    }
    if !allow_exec {
        return Err(format!(
            "its user {what} to get credentials, which has to be allowed explicitly: pass --allow-exec if you trust \
             this kubeconfig, or use a token or a client certificate"
        ));
    }
    Ok(())
}

/// A plugin that asks a person only gets the terminal if there is one; otherwise its output is ours to report.
pub(super) fn tame_exec(user: &mut AuthInfo) {
    if let Some(exec) = &mut user.exec
        && !std::io::stdin().is_terminal()
        && exec.interactive_mode != Some(ExecInteractiveMode::Always)
    {
        exec.interactive_mode = Some(ExecInteractiveMode::Never);
    }
}

/// What is wrong with a kubeconfig, without the text around it, which may hold a token.
pub(super) fn explain(error: &KubeconfigError) -> String {
    match error {
        KubeconfigError::Parse(error) => match error.location() {
            Some(location) => format!("it is not a kubeconfig in YAML: line {}", location.line()),
            None => "it is not a kubeconfig in YAML".into(),
        },
        KubeconfigError::LoadContext(name) => {
            format!("it has no context `{name}`; see `kubectl config get-contexts`")
        }
        KubeconfigError::CurrentContextNotSet => {
            "it has no current-context; name one with destination.kubernetes.context".into()
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(user: &str, cluster: &str, inline_only: bool, allow_exec: bool) -> Option<String> {
        let text = format!(
            "apiVersion: v1\nkind: Config\nusers: [{{name: u, user: {user}}}]\nclusters: [{{name: c, cluster: {cluster}}}]\n"
        );
        let config = parse_bytes(text.as_bytes()).expect("a kubeconfig");
        let user = config.auth_infos[0].auth_info.as_ref();
        let cluster = config.clusters[0].cluster.as_ref();
        check(user, cluster, inline_only, allow_exec).err()
    }

    const SERVER: &str = "{server: 'https://h'}";
    const EXEC: &str =
        "{exec: {apiVersion: client.authentication.k8s.io/v1, command: aws, args: [eks, get-token]}}";

    #[test]
    fn a_program_is_run_only_where_that_was_allowed() {
        assert_eq!(refused(EXEC, SERVER, false, true), None);
        let why = refused(EXEC, SERVER, false, false).expect("refused");
        assert!(why.contains("`aws`") && why.contains("--allow-exec"), "{why}");
        let provider = "{auth-provider: {name: gcp, config: {cmd-path: /bin/sh}}}";
        assert!(refused(provider, SERVER, false, false).is_some());
    }

    #[test]
    fn a_foreign_kubeconfig_runs_and_reads_nothing_whatever_is_allowed() {
        for user in [
            EXEC,
            "{auth-provider: {name: gcp, config: {cmd-path: /bin/sh}}}",
            "{tokenFile: /etc/passwd}",
            "{client-certificate: /a}",
            "{client-key: /a}",
        ] {
            assert!(refused(user, SERVER, true, true).is_some(), "{user}");
        }
        assert!(
            refused("{token: x}", "{server: 'https://h', certificate-authority: /a}", true, true).is_some()
        );
        assert_eq!(refused("{token: x}", SERVER, true, true), None);
    }

    #[test]
    fn what_is_wrong_with_a_kubeconfig_is_told_without_its_text() {
        let why = parse_bytes(b"users:\n  - name: u\n    user: {token: [hunter2}\n").expect_err("no YAML");
        assert!(!why.contains("hunter2"), "{why}");
        assert!(parse_bytes(&vec![b'#'; BYTES_LIMIT + 1]).is_err());
    }
}

//! What a ControllerConfiguration must say beyond its shape.

use super::envelope::Document;
use super::problems::Problems;
use crate::model::{CommitStatus, ControllerConfiguration, NotificationTarget};
use std::collections::BTreeSet;

/// Notes what is wrong with the configuration.
pub fn check(document: &Document, configuration: &ControllerConfiguration, problems: &mut Problems) {
    let mut note = |path: String, message: &str| problems.note(document, &path, message);
    let unusable = "fits no repository; write it like https://git.example/team-a/*, or * for all";
    for (index, permission) in configuration.permissions.iter().enumerate() {
        for (at, pattern) in permission.repositories.iter().enumerate() {
            if !pattern.is_usable() {
                note(format!("permissions[{index}].repositories[{at}]"), unusable);
            }
        }
    }
    for (index, credential) in configuration.repositories.iter().enumerate() {
        // A credential for all hosts would be sent to whichever host an Application names.
        if credential.url.0 == "*" || host(&credential.url.0).is_some_and(|host| host.contains('*')) {
            note(format!("repositories[{index}].url"), "must name the host: the credentials are sent to it");
        } else if !credential.url.is_usable() {
            note(format!("repositories[{index}].url"), unusable);
        }
    }
    for (name, sender) in configuration.webhooks.by_name() {
        for (at, path) in sender.iter().flat_map(|sender| sender.secret_files.iter().enumerate()) {
            check_file(path, &format!("webhooks.{name}.secretFiles[{at}]"), &mut note);
        }
    }
    let mut names = BTreeSet::new();
    for (index, notification) in configuration.notifications.iter().enumerate() {
        let path = format!("notifications[{index}]");
        if !names.insert(&notification.name) {
            note(format!("{path}.name"), "is the name of another notification, too");
        }
        match &notification.to {
            NotificationTarget::Slack { url_file } => {
                check_file(url_file, &format!("{path}.to.slack.urlFile"), &mut note);
            }
            NotificationTarget::Webhook { url, secret_file } => {
                if !is_url(url, &["https://", "http://"]) {
                    note(
                        format!("{path}.to.webhook.url"),
                        "is not a URL that begins with https:// or http://",
                    );
                }
                if let Some(file) = secret_file {
                    check_file(file, &format!("{path}.to.webhook.secretFile"), &mut note);
                }
            }
            NotificationTarget::Github(status) => {
                check_status(status, &format!("{path}.to.github"), &mut note);
            }
            NotificationTarget::Gitlab(status) => {
                check_status(status, &format!("{path}.to.gitlab"), &mut note);
            }
        }
    }
}

fn check_status(status: &CommitStatus, path: &str, note: &mut impl FnMut(String, &str)) {
    check_file(&status.token_file, &format!("{path}.tokenFile"), note);
    let is_local = |url: &str| is_url(url, &["http://127.0.0.1", "http://localhost", "http://[::1]"]);
    if status.api_url.as_ref().is_some_and(|url| !is_url(url, &["https://"]) && !is_local(url)) {
        note(format!("{path}.apiURL"), "must begin with https://: the token is sent to it");
    }
    if status.target_url.as_ref().is_some_and(|url| !is_url(url, &["https://", "http://"])) {
        note(format!("{path}.targetURL"), "is not a URL that begins with https:// or http://");
    }
}

fn check_file(file: &str, path: &str, note: &mut impl FnMut(String, &str)) {
    if !file.starts_with('/') || file.chars().any(char::is_control) {
        note(path.to_owned(), "must be a file's whole path, beginning with /");
    }
}

fn is_url(url: &str, starts: &[&str]) -> bool {
    let clean = url.bytes().all(|b| b.is_ascii_graphic());
    clean
        && starts
            .iter()
            .any(|start| url.strip_prefix(start).is_some_and(|rest| !rest.is_empty() || start.len() > 8))
}

fn host(pattern: &str) -> Option<&str> {
    let rest = pattern.split_once("://").map_or(pattern, |(_, rest)| rest);
    rest.split(['/', ':']).next()
}

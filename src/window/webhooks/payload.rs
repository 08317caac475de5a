//! The URLs of the repository that a payload tells of. Nothing else in it is looked at.

use serde_json::Value;

/// URLs that are taken from one payload, and how long one may be.
const URLS: usize = 16;
const URL_BYTES: usize = 2048;

/// Where providers write the URLs under which a repository can be cloned or seen. The page that people see has the same
/// host and path as the URL to clone, and is all that Bitbucket Cloud tells.
const FIELDS: &[&str] = &[
    "clone_url",
    "ssh_url",
    "git_url",
    "html_url",
    "git_http_url",
    "git_ssh_url",
    "http_url",
    "web_url",
    "url",
    "homepage",
];

/// The URLs in the body of a delivery, which is JSON, or a form whose field `payload` holds it: what GitHub sends
/// unless told otherwise. For the generic provider it is `{"repository": URL}` or `{"repositories": [URL, …]}`.
///
/// # Errors
/// If the body can't be read.
pub(super) fn repository_urls(body: &[u8]) -> Result<Vec<String>, &'static str> {
    let json: Value = match body.strip_prefix(b"payload=") {
        Some(form) => {
            serde_json::from_slice(&unescape(form.split(|b| *b == b'&').next().unwrap_or_default()))
        }
        None => serde_json::from_slice(body),
    }
    .map_err(|_| "the body is no JSON")?;
    let mut urls: Vec<String> = vec![];
    let mut add = |value: Option<&Value>| {
        let Some(Value::String(url)) = value else { return };
        let fits = !url.trim().is_empty() && url.len() <= URL_BYTES && urls.len() < URLS;
        if fits && !urls.contains(url) {
            urls.push(url.clone());
        }
    };
    add(json.get("repository"));
    json.get("repositories").and_then(Value::as_array).into_iter().flatten().for_each(|url| add(Some(url)));
    // Azure DevOps has it in the resource that an event is about.
    let resource = json.get("resource").and_then(|resource| resource.get("repository"));
    if let Some(url) = resource.and_then(|repository| repository.get("remoteUrl")) {
        add(Some(url));
        add(url.as_str().and_then(azure_ssh).map(Value::String).as_ref());
    }
    for repository in [json.get("repository"), json.get("project")].into_iter().flatten() {
        FIELDS.iter().for_each(|field| add(repository.get(field)));
        let links = repository.get("links");
        add(links.and_then(|links| links.get("html")).and_then(|link| link.get("href")));
        let clones = links.and_then(|links| links.get("clone")).and_then(Value::as_array);
        clones.into_iter().flatten().for_each(|link| add(link.get("href")));
    }
    Ok(urls)
}

/// Under which URL a repository of Azure DevOps is reached over ssh: there alone host and path are others than over https.
fn azure_ssh(url: &str) -> Option<String> {
    let (_, rest) = url.split_once("://")?;
    let (authority, path) = rest.split_once('/')?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let (owner, name) = path.split_once("/_git/")?;
    let owner = match host.strip_suffix(".visualstudio.com") {
        Some(organisation) => format!("{organisation}/{owner}"),
        None if host == "dev.azure.com" => owner.to_owned(),
        None => return None,
    };
    Some(format!("git@ssh.dev.azure.com:v3/{owner}/{name}"))
}

/// A value of a form, without its escapes. What is no escape is left as it is.
fn unescape(form: &[u8]) -> Vec<u8> {
    let digit = |at: usize| form.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let mut out = Vec::with_capacity(form.len());
    let mut at = 0;
    while let Some(byte) = form.get(at) {
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push(u8::try_from(high * 16 + low).unwrap_or_default());
                at += 2;
            }
            (b'+', ..) => out.push(b' '),
            _ => out.push(*byte),
        }
        at += 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cut down to what is near the URLs, from the documentation of each provider.
    const PAYLOADS: &[(&str, &str)] = &[
        (
            "GitHub push",
            r#"{"ref":"refs/heads/main","repository":{"id":1,"full_name":"acme/deploy","html_url":"https://github.com/acme/deploy","url":"https://api.github.com/repos/acme/deploy","git_url":"git://github.com/acme/deploy.git","ssh_url":"git@github.com:acme/deploy.git","clone_url":"https://github.com/acme/deploy.git"}}"#,
        ),
        (
            "GitHub form",
            "payload=%7B%22repository%22%3A%7B%22clone_url%22%3A%22https%3A%2F%2Fgithub.com%2Facme%2Fdeploy.git%22%7D%7D&x=1",
        ),
        (
            "GitLab push",
            r#"{"object_kind":"push","project":{"name":"Deploy","web_url":"http://example.com/acme/deploy","git_ssh_url":"git@example.com:acme/deploy.git","git_http_url":"http://example.com/acme/deploy.git","homepage":"http://example.com/acme/deploy","url":"git@example.com:acme/deploy.git","ssh_url":"git@example.com:acme/deploy.git","http_url":"http://example.com/acme/deploy.git"},"repository":{"name":"Deploy","url":"git@example.com:acme/deploy.git","homepage":"http://example.com/acme/deploy"}}"#,
        ),
        (
            "Gitea push",
            r#"{"ref":"refs/heads/main","repository":{"html_url":"http://localhost:3000/acme/deploy","ssh_url":"ssh://git@localhost:2222/acme/deploy.git","clone_url":"http://localhost:3000/acme/deploy.git"}}"#,
        ),
        (
            "Bitbucket Cloud",
            r#"{"push":{"changes":[]},"repository":{"full_name":"acme/deploy","links":{"self":{"href":"https://api.bitbucket.org/2.0/repositories/acme/deploy"},"html":{"href":"https://bitbucket.org/acme/deploy"}}}}"#,
        ),
        (
            "Bitbucket Data Center",
            r#"{"eventKey":"repo:refs_changed","repository":{"slug":"deploy","links":{"clone":[{"href":"ssh://git@git.example:7999/acme/deploy.git","name":"ssh"},{"href":"https://git.example/scm/acme/deploy.git","name":"http"}],"self":[{"href":"https://git.example/projects/ACME/repos/deploy/browse"}]}}}"#,
        ),
        (
            "Azure DevOps",
            r#"{"eventType":"git.push","resource":{"refUpdates":[{"name":"refs/heads/main"}],"repository":{"id":"278d5cd2","name":"deploy","url":"https://dev.azure.com/acme/_apis/git/repositories/278d5cd2","remoteUrl":"https://acme@dev.azure.com/acme/shop/_git/deploy"}},"resourceContainers":{}}"#,
        ),
        (
            "Azure DevOps, old host",
            r#"{"eventType":"git.push","resource":{"repository":{"remoteUrl":"https://acme.visualstudio.com/shop/_git/deploy"}}}"#,
        ),
        ("Azure DevOps, no push", r#"{"eventType":"workitem.updated","resource":{"id":2}}"#),
        ("generic, one", r#"{"repository":"https://git.example/acme/deploy.git"}"#),
        ("generic, several", r#"{"repositories":["https://git.example/a.git","git@git.example:b.git"]}"#),
        ("ping", r#"{"zen":"Keep it logically awesome.","hook_id":1}"#),
        ("not an object", "[1,2]"),
        (
            "hostile",
            r#"{"repository":{"clone_url":["x"],"links":{"clone":"x","html":7}},"project":9,"repositories":[1,null,""," "]}"#,
        ),
    ];

    #[test]
    fn each_providers_payload_names_its_repository() {
        let told = PAYLOADS.iter().map(|(name, body)| {
            let urls = repository_urls(body.as_bytes()).expect("JSON");
            format!("{name}\n{}", urls.iter().map(|url| format!("    {url}\n")).collect::<String>())
        });
        insta::assert_snapshot!(told.collect::<String>());
    }

    #[test]
    fn a_payload_is_bounded_and_may_be_anything() {
        let many = (0..100).map(|n| format!("\"https://git.example/{n}\"")).collect::<Vec<_>>().join(",");
        let urls = repository_urls(format!("{{\"repositories\":[{many}]}}").as_bytes()).expect("JSON");
        assert_eq!(urls.len(), URLS);
        let long = format!("{{\"repository\":\"https://{}\"}}", "a".repeat(URL_BYTES));
        assert_eq!(repository_urls(long.as_bytes()), Ok(vec![]));
        let deep = "[".repeat(500_000);
        for body in ["", "payload=", "payload=%7", "payload=%zz+", "{", "\u{0}", &deep] {
            assert_eq!(repository_urls(body.as_bytes()), Err("the body is no JSON"));
        }
    }
}

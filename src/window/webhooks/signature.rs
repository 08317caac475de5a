//! Whether a delivery was made by somebody who knows the secret. All comparisons take the same time for any input.

use super::Provider;
use axum::http::HeaderMap;
use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};
use ring::{digest, hmac};
use subtle::ConstantTimeEq;

/// What GitLab's signing tokens begin with (Standard Webhooks); the rest is the key in base64.
const SIGNING_TOKEN: &[u8] = b"whsec_";

/// True if one of `secrets` made the delivery.
///
/// - GitHub: `X-Hub-Signature-256: sha256=HEX`, the HMAC-SHA256 of the body
/// - Gitea, Forgejo: the same, or `X-Gitea-Signature: HEX`, `X-Forgejo-Signature: HEX`
/// - Bitbucket: `X-Hub-Signature: sha256=HEX`
/// - GitLab: `X-Gitlab-Token: SECRET`; or, where the secret is a signing token, `webhook-signature: v1,BASE64` of
///   `ID.TIMESTAMP.BODY`. The timestamp's age is not asked for: a repeated delivery does no harm.
/// - Azure DevOps, which signs nothing: `Authorization: Basic …` with the secret as password, whatever the user
/// - Generic: `X-Hub-Signature-256` as GitHub's, or `Authorization: Bearer SECRET`
pub(super) fn is_genuine(provider: Provider, secrets: &[Vec<u8>], headers: &HeaderMap, body: &[u8]) -> bool {
    // Each secret is tried, whatever came of the others: which one is good shows in no time.
    secrets.iter().fold(false, |is_genuine, secret| is_genuine | made_by(secret, provider, headers, body))
}

fn made_by(secret: &[u8], provider: Provider, headers: &HeaderMap, body: &[u8]) -> bool {
    let value = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let prefixed = |name| value(name).and_then(|value| value.strip_prefix("sha256="));
    let signed = |hex: Option<&str>| hex.is_some_and(|hex| is_signature(secret, &[body], &unhex(hex)));
    match provider {
        Provider::GitHub => signed(prefixed("x-hub-signature-256")),
        Provider::Gitea => {
            let own = value("x-forgejo-signature").or(value("x-gitea-signature"));
            signed(own.or(prefixed("x-hub-signature-256")))
        }
        Provider::Bitbucket => signed(prefixed("x-hub-signature")),
        Provider::GitLab => match secret.strip_prefix(SIGNING_TOKEN) {
            Some(key) => signed_by_gitlab(key, headers, body),
            None => value("x-gitlab-token").is_some_and(|token| is_same(token.as_bytes(), secret)),
        },
        Provider::Azure => {
            let basic = value("authorization").and_then(|value| value.strip_prefix("Basic "));
            let pair = basic.and_then(|basic| BASE64.decode(basic.as_bytes()).ok()).unwrap_or_default();
            let password = pair.iter().position(|byte| *byte == b':').and_then(|at| pair.get(at + 1..));
            password.is_some_and(|password| is_same(password, secret))
        }
        Provider::Generic => {
            let bearer = value("authorization").and_then(|value| value.strip_prefix("Bearer "));
            bearer.is_some_and(|token| is_same(token.as_bytes(), secret))
                || signed(prefixed("x-hub-signature-256"))
        }
    }
}

/// `webhook-signature` may hold several signatures, parted by spaces, of which one has to be good.
fn signed_by_gitlab(key: &[u8], headers: &HeaderMap, body: &[u8]) -> bool {
    let header = |name: &str| headers.get(name).map(axum::http::HeaderValue::as_bytes);
    let named = (header("webhook-id"), header("webhook-timestamp"), header("webhook-signature"));
    let ((Some(id), Some(timestamp), Some(signatures)), Ok(key)) = (named, BASE64.decode(key)) else {
        return false;
    };
    let signatures = signatures.split(|byte| *byte == b' ').take(8);
    signatures.filter_map(|signature| signature.strip_prefix(b"v1,")).any(|signature| {
        let signature = BASE64.decode(signature).unwrap_or_default();
        is_signature(&key, &[id, b".", timestamp, b".", body], &signature)
    })
}

/// `hmac::verify` takes the message in one piece; a tag made of the parts is compared in its place.
fn is_signature(key: &[u8], parts: &[&[u8]], signature: &[u8]) -> bool {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
    parts.iter().for_each(|part| context.update(part));
    context.sign().as_ref().ct_eq(signature).into()
}

/// Compares digests, so that not even the length shows.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    let digest = |bytes| digest::digest(&digest::SHA256, bytes);
    digest(one).as_ref().ct_eq(digest(other).as_ref()).into()
}

/// What is no hexadecimal is no signature.
fn unhex(text: &str) -> Vec<u8> {
    HEXLOWER_PERMISSIVE.decode(text.as_bytes()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn headers(of: &[(&'static str, &str)]) -> HeaderMap {
        of.iter().map(|(name, value)| (name.parse().expect("name"), value.parse().expect("value"))).collect()
    }

    fn check(provider: Provider, secrets: &[&str], of: &[(&'static str, &str)], body: &str) -> bool {
        let secrets = secrets.iter().map(|secret| secret.as_bytes().to_vec()).collect::<Vec<_>>();
        is_genuine(provider, &secrets, &headers(of), body.as_bytes())
    }

    /// From "Validating webhook deliveries" in GitHub's documentation.
    const GITHUB: &str = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    /// From "Manage webhooks" in the documentation of Bitbucket Cloud.
    const BITBUCKET: &str = "sha256=a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9";
    const SECRET: &str = "It's a Secret to Everybody";

    #[test]
    fn the_examples_of_the_providers_documentation_are_genuine() {
        let github = [("x-hub-signature-256", GITHUB)];
        assert!(check(Provider::GitHub, &[SECRET], &github, "Hello, World!"));
        assert!(check(Provider::Generic, &[SECRET], &github, "Hello, World!"));
        assert!(check(Provider::Gitea, &[SECRET], &github, "Hello, World!"));
        let gitea = [("x-gitea-signature", &GITHUB[7..])];
        assert!(check(Provider::Gitea, &[SECRET], &gitea, "Hello, World!"));
        assert!(check(Provider::Bitbucket, &[SECRET], &[("x-hub-signature", BITBUCKET)], "Hello World!"));
        assert!(check(Provider::GitLab, &["token"], &[("x-gitlab-token", "token")], "{}"));
        assert!(check(Provider::Generic, &["token"], &[("authorization", "Bearer token")], "{}"));
        // "hook:to:ken"
        let azure = [("authorization", "Basic aG9vazp0bzprZW4=")];
        assert!(check(Provider::Azure, &["to:ken"], &azure, "{}"));
        assert!(!check(Provider::Azure, &["ken"], &azure, "{}"));
        // From the specification of Standard Webhooks, which GitLab's signing tokens follow.
        let gitlab = [
            ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
            ("webhook-timestamp", "1614265330"),
            ("webhook-signature", "v1,AAAA v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
        ];
        let token = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        assert!(check(Provider::GitLab, &[token], &gitlab, r#"{"test": 2432232314}"#));
        assert!(!check(Provider::GitLab, &[token], &gitlab, r#"{"test": 2432232315}"#));
        assert!(!check(Provider::GitLab, &[token], &[("x-gitlab-token", "whsec_MfKQ")], "{}"));
    }

    #[test]
    fn any_of_several_secrets_is_good_while_one_takes_the_place_of_another() {
        let github = [("x-hub-signature-256", GITHUB)];
        assert!(check(Provider::GitHub, &["older", SECRET], &github, "Hello, World!"));
        assert!(check(Provider::GitHub, &[SECRET, "newer"], &github, "Hello, World!"));
        assert!(!check(Provider::GitHub, &["older", "newer"], &github, "Hello, World!"));
        assert!(!check(Provider::GitHub, &[], &github, "Hello, World!"));
    }

    #[test]
    fn anything_else_is_not_genuine() {
        let upper = GITHUB.to_uppercase();
        for value in ["", "sha256=", "sha256=00", &GITHUB[7..], &GITHUB[..70], "sha1=757107ea", &upper] {
            let header = [("x-hub-signature-256", value)];
            assert!(!check(Provider::GitHub, &[SECRET], &header, "Hello, World!"), "{value}");
        }
        let changed = [("x-hub-signature-256", GITHUB)];
        assert!(!check(Provider::GitHub, &[SECRET], &changed, "Hello, World?"));
        assert!(!check(Provider::GitHub, &[SECRET], &[("x-hub-signature", GITHUB)], "Hello, World!"));
        assert!(!check(Provider::GitHub, &[SECRET], &[], "Hello, World!"));
        assert!(!check(Provider::GitLab, &["token"], &[("x-gitlab-token", "token ")], "{}"));
        assert!(!check(Provider::GitLab, &["token"], &[("authorization", "Bearer token")], "{}"));
        assert!(!check(Provider::Generic, &["token"], &[("authorization", "token")], "{}"));
        for value in ["Basic", "Basic ", "Basic aG9vaw==", "Basic !", "Bearer token"] {
            assert!(!check(Provider::Azure, &["token"], &[("authorization", value)], "{}"), "{value}");
        }
        let mut hostile = HeaderMap::new();
        hostile.insert("x-gitlab-token", HeaderValue::from_bytes(b"\xff\xfe").expect("value"));
        assert!(!is_genuine(Provider::GitLab, &[b"token".to_vec()], &hostile, b"{}"));
    }
}

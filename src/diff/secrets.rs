//! Which names and which texts look like secrets. Hiding one too many costs little, one too few costs a key.

/// In a name anywhere, upper-cased and without separators.
const IN_NAMES: [&str; 13] = [
    "SECRET",
    "TOKEN",
    "PASSW",
    "PASSPHRASE",
    "CREDENTIAL",
    "PRIVATE",
    "DSN",
    "WEBHOOK",
    "CONNECTIONSTRING",
    "CONNSTR",
    "AUTHORIZATION",
    "COOKIE",
    "SIGNATURE",
];

/// At the end of a word of a name.
const WORD_ENDS: [&str; 10] = ["KEY", "KEYS", "AUTH", "PASS", "PWD", "JWT", "SALT", "PEM", "CREDS", "BEARER"];

/// What the tokens of well-known services begin with, and how many letters follow at least.
const TOKEN_STARTS: [(&str, usize); 12] = [
    ("AKIA", 16),
    ("ASIA", 16),
    ("ghp_", 20),
    ("gho_", 20),
    ("ghs_", 20),
    ("github_pat_", 20),
    ("glpat-", 16),
    ("xoxb-", 16),
    ("xoxp-", 16),
    ("sk_live_", 16),
    ("AIza", 30),
    ("eyJ", 30),
];

/// Longer texts are hidden unread.
const READ_AT_MOST: usize = 64 * 1024;

/// True if a value of this name (an environment variable, a label, an option, a flag) should not be shown.
pub fn is_secret_name(name: &str) -> bool {
    let mut joined = String::with_capacity(name.len());
    let mut word_end = false;
    let mut word = String::new();
    let mut previous_lower = false;
    for c in name.chars().chain(['_']) {
        let new_word = !c.is_alphanumeric() || (c.is_uppercase() && previous_lower);
        if new_word {
            word_end |= WORD_ENDS.iter().any(|end| word.ends_with(end));
            word.clear();
        }
        previous_lower = c.is_lowercase();
        if c.is_alphanumeric() {
            word.extend(c.to_uppercase());
            joined.extend(c.to_uppercase());
        }
    }
    word_end || IN_NAMES.iter().any(|part| joined.contains(part))
}

/// True if the text itself looks like a secret or holds one: a URL with user information, `password=…`, a bearer
/// token, a private key, a token of a well-known service.
pub fn is_secret_text(text: &str) -> bool {
    text.len() > READ_AT_MOST
        || has_user_information(text)
        || has_secret_pair(text)
        || has_http_credentials(text)
        || has_known_token(text)
        || text.contains("PRIVATE KEY-----")
}

/// An `@` after `://` before the next blank. A password may hold `/`, `?` and `#`, so the end of the authority does
/// not end the search.
fn has_user_information(text: &str) -> bool {
    text.split(|c: char| c.is_whitespace() || c == '"' || c == '\'')
        .any(|word| word.split_once("://").is_some_and(|(_, rest)| rest.contains('@')))
}

/// `password=hunter2`, `Password = hunter2;`, `{"password": "hunter2"}`, `Authorization: Basic …`. A value that is
/// taken from a variable (`$TOKEN`) is no secret, nor is an ARN's `secret:name`.
fn has_secret_pair(text: &str) -> bool {
    text.char_indices().filter(|(_, c)| matches!(c, '=' | ':')).any(|(at, c)| {
        let before =
            text[..at].trim_end_matches(|c: char| c.is_whitespace() || c == '"' || c == '\'' || c == '\\');
        let name_at = before
            .char_indices()
            .rev()
            .take_while(|(_, c)| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'))
            .last()
            .map_or(before.len(), |(index, _)| index);
        let after = &text[at + 1..];
        if c == ':' && !after.starts_with([' ', '"', '\'', '\\']) {
            return false;
        }
        let value =
            after.trim_start_matches(|c: char| c.is_whitespace() || c == '"' || c == '\'' || c == '\\');
        !value.is_empty() && !value.starts_with('$') && is_secret_name(&before[name_at..])
    })
}

fn has_http_credentials(text: &str) -> bool {
    ["bearer ", "basic "].iter().any(|scheme| {
        text.to_ascii_lowercase().match_indices(scheme).any(|(at, _)| {
            let token = text[at + scheme.len()..].split_whitespace().next().unwrap_or_default();
            token.len() >= 8 && !token.starts_with('$')
        })
    })
}

fn has_known_token(text: &str) -> bool {
    let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    text.split(|c: char| !part(c)).any(|word| {
        TOKEN_STARTS.iter().any(|(start, rest)| word.starts_with(start) && word.len() >= start.len() + rest)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_are_known() {
        for name in [
            "SECRET_KEY",
            "DB_PASSWORD",
            "dbPassword",
            "API_TOKEN",
            "apiKey",
            "APIKEY",
            "AWS_ACCESS_KEY_ID",
            "SENTRY_DSN",
            "STRIPE_PRIVATE",
            "BASIC_AUTH",
            "Authorization",
            "splunk-token",
            "pgpass",
            "DB_PASS",
            "connection-string",
            "ConnectionStrings__Main",
            "SLACK_WEBHOOK_URL",
            "GOOGLE_CREDENTIALS",
            "jwt",
            "--password",
        ] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in [
            "LOG_LEVEL",
            "PORT",
            "AUTHOR",
            "KEYCLOAK_URL",
            "DATABASE_HOST",
            "PASSENGER_COUNT",
            "awslogs-group",
        ] {
            assert!(!is_secret_name(name), "{name}");
        }
    }

    #[test]
    fn texts_that_hold_secrets_are_known() {
        for text in [
            "postgres://app:hunter2@db/shop",
            "postgres://app:hun/ter?2@db/shop",
            "redis://:hunter2@cache:6379",
            "jdbc:mysql://db/shop?user=a&password=hunter2",
            "Server=db;User Id=a;Password = hunter2;",
            "AccountName=a;AccountKey=aHVudGVyMg==",
            "{\"db\":{\"password\":\"hunter2\"}}",
            "{\\\"password\\\": \\\"hunter2\\\"}",
            "curl -H 'Authorization: Bearer abcdef123456' http://x",
            "exec app --db-password=hunter2",
            "-----BEGIN RSA PRIVATE KEY-----\nMIIE",
            "use AKIAIOSFODNN7EXAMPLE here",
        ] {
            assert!(is_secret_text(text), "{text}");
        }
        for text in [
            "https://example.com/a?b=c",
            "http://127.0.0.1:8080/healthz",
            "arn:aws:secretsmanager:eu-central-1:1:secret:shop-AbCdEf",
            "git@github.com:acme/shop.git",
            "exec app --token=$TOKEN",
            "CMD-SHELL",
            "a basic test",
            "",
        ] {
            assert!(!is_secret_text(text), "{text}");
        }
    }
}

//! What events say, in known words: a probe's output and a mount's options may hold what nobody should read.

use super::fields::clean;

/// `Readiness probe failed: HTTP probe failed with statuscode: 503` → `readiness probe fails: HTTP 503`.
pub(super) fn probe(message: &str) -> String {
    let which = ["Readiness", "Liveness", "Startup"].into_iter().find(|kind| message.starts_with(kind));
    let which = which.map_or("a".to_owned(), str::to_lowercase);
    let said = message.split_once("statuscode: ").map(|(_, rest)| {
        let code: String = rest.chars().take_while(char::is_ascii_digit).take(3).collect();
        format!(": HTTP {code}")
    });
    let known = [
        ("connection refused", ": connection refused"),
        ("deadline exceeded", ": timed out"),
        ("timed out", ": timed out"),
        ("timeout", ": timed out"),
        ("no such host", ": no such host"),
        ("connection reset", ": connection reset"),
    ];
    let known = || known.iter().find(|(word, _)| message.contains(word)).map(|(_, said)| (*said).to_owned());
    format!("{which} probe fails{}", said.or_else(known).unwrap_or_default())
}

/// `MountVolume.SetUp failed for volume "tls" : secret "web-tls" not found` → `volume tls: secret web-tls not found`.
pub(super) fn mount(message: &str) -> String {
    let volume = quoted_after(message, "for volume ").unwrap_or_default();
    let what = if volume.is_empty() { "a volume".to_owned() } else { format!("volume {volume}") };
    for kind in ["secret", "configmap"] {
        if let Some(name) =
            quoted_after(message, &format!(": {kind} ")).filter(|_| message.contains("not found"))
        {
            return format!("{what}: {kind} {name} not found");
        }
    }
    if message.contains("non-existent") && message.contains("key") {
        return format!("{what}: a key that it names does not exist");
    }
    if message.contains("Multi-Attach") {
        return format!("{what} is still attached to another node");
    }
    format!("{what} cannot be mounted")
}

fn quoted_after(message: &str, words: &str) -> Option<String> {
    let (_, rest) = message.split_once(words)?;
    let name = rest.strip_prefix('"')?.split('"').next()?;
    Some(clean(name))
}

/// `Error creating: pods "web-1" is forbidden: exceeded quota: …` → `pods cannot be made: exceeded quota: …`.
pub(super) fn creation(message: &str) -> String {
    let message = message.split_once("is forbidden: ").map_or(message, |(_, rest)| rest);
    let message = message.trim_start_matches("Error creating: ");
    format!("pods cannot be made: {}", clean(message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probes_output_is_not_repeated() {
        for (message, want) in [
            (
                "Readiness probe failed: HTTP probe failed with statuscode: 503",
                "readiness probe fails: HTTP 503",
            ),
            (
                "Liveness probe failed: Get \"http://10.0.0.1/x?token=s3cret\": dial tcp: connection refused",
                "liveness probe fails: connection refused",
            ),
            ("Readiness probe failed: PGPASSWORD=s3cret is wrong", "readiness probe fails"),
            ("Startup probe failed: command timed out", "startup probe fails: timed out"),
        ] {
            assert_eq!(probe(message), want);
        }
    }

    #[test]
    fn a_mount_names_what_is_missing_and_nothing_else() {
        for (message, want) in [
            (
                "MountVolume.SetUp failed for volume \"tls\" : secret \"web-tls\" not found",
                "volume tls: secret web-tls not found",
            ),
            (
                "MountVolume.SetUp failed for volume \"share\" : mount failed: -o username=a,password=s3cret",
                "volume share cannot be mounted",
            ),
            (
                "Multi-Attach error for volume \"pvc-1\" Volume is already exclusively attached to one node",
                "volume pvc-1 is still attached to another node",
            ),
        ] {
            assert_eq!(mount(message), want);
        }
    }

    #[test]
    fn a_quota_is_named_with_its_numbers() {
        assert_eq!(
            creation(
                "Error creating: pods \"web-1\" is forbidden: exceeded quota: team, requested: pods=1, used: pods=4, \
                 limited: pods=4"
            ),
            "pods cannot be made: exceeded quota: team, requested: pods=1, used: pods=4, limited: pods=4"
        );
    }
}

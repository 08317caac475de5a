//! The forms of names and ARNs, and small readers of JSON.

use serde_json::Value;

/// The largest ECS service or family name.
pub const MAX_ECS_NAME: usize = 255;

/// A task definition as ECS names it: `web`, `web:7` or an ARN that ends in one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskDefinitionName {
    pub family: String,
    pub revision: Option<u64>,
    pub is_arn: bool,
}

/// Reads a task definition's name or ARN; `None` if it is neither.
pub fn parse_task_definition_name(text: &str) -> Option<TaskDefinitionName> {
    let (name, is_arn) = match text.starts_with("arn:") {
        true => (arn_resource(text, "ecs")?.strip_prefix("task-definition/")?, true),
        false => (text, false),
    };
    let (family, revision) = match name.split_once(':') {
        Some((family, revision)) => {
            let plain = revision.bytes().all(|b| b.is_ascii_digit());
            (family, Some(revision.parse().ok().filter(|n| plain && *n > 0)?))
        }
        None => (name, None),
    };
    is_ecs_name(family).then(|| TaskDefinitionName { family: family.to_owned(), revision, is_arn })
}

/// The name of a target group given by name or ARN; `None` if it is neither.
pub fn target_group_name(text: &str) -> Option<&str> {
    let name = match text.starts_with("arn:") {
        true => {
            let rest = arn_resource(text, "elasticloadbalancing")?.strip_prefix("targetgroup/")?;
            let (name, id) = rest.split_once('/')?;
            (!id.is_empty() && !id.contains('/')).then_some(name)?
        }
        false => text,
    };
    let letters = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let ends = !name.starts_with('-') && !name.ends_with('-');
    (letters && ends && (1..=32).contains(&name.len())).then_some(name)
}

/// True for `arn:…:elasticloadbalancing:…:listener-rule/app/name/id/id/id`.
pub fn is_listener_rule_arn(text: &str) -> bool {
    elb_path(text, "listener-rule/", 5)
}

/// True for `arn:…:elasticloadbalancing:…:listener/app/name/id/id`.
pub fn is_listener_arn(text: &str) -> bool {
    elb_path(text, "listener/", 4)
}

/// True for `arn:…:iam::…:role/…`.
pub fn is_role_arn(text: &str) -> bool {
    arn_resource(text, "iam").is_some_and(|resource| resource.starts_with("role/") && resource.len() > 5)
}

/// True for names of ECS services and families: letters, digits, `-` and `_`, at most 255.
pub fn is_ecs_name(text: &str) -> bool {
    let letters = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    letters && (1..=MAX_ECS_NAME).contains(&text.len())
}

/// True for names of documents: lower-case letters, digits and `-`, at most 253, as in Kubernetes.
pub fn is_document_name(text: &str) -> bool {
    let letters = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    letters && !text.starts_with('-') && !text.ends_with('-') && (1..=253).contains(&text.len())
}

fn elb_path(text: &str, prefix: &str, parts: usize) -> bool {
    let path = arn_resource(text, "elasticloadbalancing").and_then(|resource| resource.strip_prefix(prefix));
    let kinds = ["app/", "net/", "gwy/"];
    path.is_some_and(|path| {
        kinds.iter().any(|kind| path.starts_with(kind))
            && path.split('/').count() == parts
            && path.split('/').all(|part| !part.is_empty())
    })
}

/// What follows the account in an ARN of `service`.
fn arn_resource<'a>(text: &'a str, service: &str) -> Option<&'a str> {
    let mut parts = text.splitn(6, ':');
    let (arn, partition, named) = (parts.next()?, parts.next()?, parts.next()?);
    let (region, account, resource) = (parts.next()?, parts.next()?, parts.next()?);
    let simple = |part: &str| part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let good_account = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
    let clean = !resource.contains(|c: char| c.is_whitespace() || c.is_control());
    let good_region = simple(region) && (region.is_empty() == (service == "iam"));
    let good = arn == "arn" && partition.starts_with("aws") && simple(partition) && named == service;
    (good && good_region && good_account && clean).then_some(resource)
}

/// The items of a list field; none if it is missing or no list.
pub fn items<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value.get(field).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// A text field.
pub fn text<'a>(value: &'a Value, field: &str) -> Option<&'a str> {
    value.get(field).and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_are_told_from_what_only_looks_like_them() {
        let elb = "arn:aws:elasticloadbalancing:eu-central-1:123456789012";
        assert!(is_listener_rule_arn(&format!("{elb}:listener-rule/app/web/50dc/f2f7/9683")));
        assert!(is_listener_arn(&format!("{elb}:listener/net/web/50dc/f2f7")));
        // China, GovCloud, and the European Sovereign Cloud.
        for place in [
            "aws-cn:elasticloadbalancing:cn-north-1",
            "aws-us-gov:elasticloadbalancing:us-gov-west-1",
            "aws-eusc:elasticloadbalancing:eusc-de-east-1",
        ] {
            let elb = format!("arn:{place}:123456789012");
            assert!(is_listener_rule_arn(&format!("{elb}:listener-rule/app/web/50dc/f2f7/9683")), "{elb}");
            assert!(is_listener_arn(&format!("{elb}:listener/net/web/50dc/f2f7")), "{elb}");
            assert_eq!(target_group_name(&format!("{elb}:targetgroup/web-blue/73e2")), Some("web-blue"));
        }
        for wrong in [
            format!("{elb}:listener/app/web/50dc/f2f7/9683"),
            format!("{elb}:listener-rule/app/web/50dc/f2f7"),
            format!("{elb}:listener-rule/app/web//f2f7/9683"),
            "arn:aws:elasticloadbalancing:eu-central-1:1234:listener-rule/app/web/50dc/f2f7/9683".into(),
            "…".into(),
            String::new(),
        ] {
            assert!(!is_listener_rule_arn(&wrong), "{wrong}");
        }
        assert_eq!(target_group_name(&format!("{elb}:targetgroup/web-blue/73e2")), Some("web-blue"));
        assert_eq!(target_group_name("web-blue"), Some("web-blue"));
        for wrong in ["", "-a", "a_b", "arn:aws:s3:::x", &"a".repeat(33)] {
            assert_eq!(target_group_name(wrong), None, "{wrong}");
        }
        assert!(is_role_arn("arn:aws-cn:iam::123456789012:role/path/exec"));
        assert!(!is_role_arn("exec"));
        assert!(!is_role_arn("arn:aws:iam::123456789012:user/exec"));
    }

    #[test]
    fn task_definitions_are_named_as_ecs_does() {
        let name = |family: &str, revision, is_arn| {
            Some(TaskDefinitionName { family: family.into(), revision, is_arn })
        };
        let arn = "arn:aws:ecs:eu-central-1:123456789012:task-definition/web:7";
        assert_eq!(parse_task_definition_name(arn), name("web", Some(7), true));
        assert_eq!(parse_task_definition_name("we_b:12"), name("we_b", Some(12), false));
        assert_eq!(parse_task_definition_name("web"), name("web", None, false));
        for wrong in
            ["", "web:", "web:x", "web:0", "web:+1", "web:1:2", "a b", "arn:aws:ecs:eu-central-1:1:cluster/x"]
        {
            assert_eq!(parse_task_definition_name(wrong), None, "{wrong}");
        }
    }
}

//! Target groups: their ARNs, and which load balancers use them.

use super::{Aws, Call, Conduct, ServiceName};
use crate::engine::{Trouble, TroubleKind};
use aws_sdk_elasticloadbalancingv2::types::TargetGroup;
use std::collections::BTreeMap;

/// What one DescribeTargetGroups call takes.
const NAMES_A_CALL: usize = 20;

impl Aws {
    /// The ARNs of target groups given by name or ARN, in the same order. Names are looked up once, until
    /// AWS says that something is gone; who uses the ARNs does so by [`Aws::with_target_groups`].
    ///
    /// # Errors
    /// [`TroubleKind::Missing`] with the name if there is no such group; otherwise those of [`Aws::send`].
    pub async fn target_group_arns(&self, names: &[&str]) -> Result<Vec<String>, Trouble> {
        let is_arn = |name: &str| name.starts_with("arn:");
        let mut found: BTreeMap<String, String> = BTreeMap::new();
        let mut unknown: Vec<String> = vec![];
        for name in names.iter().filter(|name| !is_arn(name)) {
            match self.shared.names.target_group(name) {
                Some(arn) => drop(found.insert((*name).to_owned(), arn)),
                None => unknown.push((*name).to_owned()),
            }
        }
        unknown.sort();
        unknown.dedup();
        for chunk in unknown.chunks(NAMES_A_CALL) {
            let call = Call::new(ServiceName::Elb, "DescribeTargetGroups", chunk.join(", "));
            let answer = self
                .send(&call, Conduct::Read, || {
                    self.elb().describe_target_groups().set_names(Some(chunk.to_vec())).send()
                })
                .await
                .map_err(|trouble| self.without_group(chunk, trouble))?;
            for group in answer.target_groups.unwrap_or_default() {
                if let (Some(name), Some(arn)) = (group.target_group_name, group.target_group_arn) {
                    self.shared.names.keep_target_group(name.clone(), arn.clone());
                    found.insert(name, arn);
                }
            }
        }
        let arn_of = |name: &&str| match found.get(*name) {
            _ if is_arn(name) => Ok((*name).to_owned()),
            Some(arn) => Ok(arn.clone()),
            // AWS says so if there is no such group: an answer that is silent about it tells nothing.
            None => Err(lacking("DescribeTargetGroups", name)),
        };
        names.iter().map(arn_of).collect()
    }

    /// AWS does not say which of the names it does not know.
    fn without_group(&self, names: &[String], trouble: Trouble) -> Trouble {
        if trouble.kind != TroubleKind::Missing {
            return trouble;
        }
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        let message = match names.as_slice() {
            [name] => format!("there is no target group {name} in {}", self.region()),
            several => {
                format!(
                    "there is no target group of one of the names {} in {}",
                    several.join(", "),
                    self.region()
                )
            }
        };
        Trouble { message, ..trouble }
    }

    /// The tags of rules, listeners and target groups, by ARN; those that do not exist are left out.
    ///
    /// # Errors
    /// Those of [`Aws::send`].
    pub async fn elb_tags(
        &self,
        arns: &[String],
    ) -> Result<BTreeMap<String, Vec<(String, String)>>, Trouble> {
        let mut found = BTreeMap::new();
        for chunk in arns.chunks(NAMES_A_CALL) {
            match self.describe_tags(chunk).await {
                Ok(tags) => found.extend(tags),
                Err(trouble) if trouble.kind == TroubleKind::Missing => {
                    for arn in chunk {
                        match self.describe_tags(std::slice::from_ref(arn)).await {
                            Ok(tags) => found.extend(tags),
                            Err(trouble) if trouble.kind == TroubleKind::Missing => {}
                            Err(trouble) => return Err(trouble),
                        }
                    }
                }
                Err(trouble) => return Err(trouble),
            }
        }
        Ok(found)
    }

    async fn describe_tags(&self, arns: &[String]) -> Result<Vec<(String, Vec<(String, String)>)>, Trouble> {
        let call = Call::new(ServiceName::Elb, "DescribeTags", arns.join(", "));
        let request = || self.elb().describe_tags().set_resource_arns(Some(arns.to_vec())).send();
        let answer = self.send(&call, Conduct::Read, request).await?;
        // AWS describes each, one without tags with an empty list: what it says nothing of is not untagged.
        let mut described = vec![];
        for description in answer.tag_descriptions.unwrap_or_default() {
            if let (Some(arn), Some(tags)) = (description.resource_arn, description.tags) {
                let tags = tags.into_iter().filter_map(|tag| Some((tag.key?, tag.value.unwrap_or_default())));
                described.push((arn, tags.collect()));
            }
        }
        match arns.iter().find(|arn| !described.iter().any(|(known, _)| known == *arn)) {
            None => Ok(described),
            Some(arn) => Err(lacking(call.operation, arn)),
        }
    }

    /// Reads target groups by ARN; the answer has every one of them.
    ///
    /// # Errors
    /// [`TroubleKind::Missing`] if one does not exist; otherwise those of [`Aws::send`].
    pub async fn describe_target_groups(
        &self,
        arns: &[String],
    ) -> Result<BTreeMap<String, TargetGroup>, Trouble> {
        let mut found = BTreeMap::new();
        for chunk in arns.chunks(NAMES_A_CALL) {
            let call = Call::new(ServiceName::Elb, "DescribeTargetGroups", chunk.join(", "));
            let answer = self
                .send(&call, Conduct::Read, || {
                    self.elb().describe_target_groups().set_target_group_arns(Some(chunk.to_vec())).send()
                })
                .await?;
            let groups = answer.target_groups.unwrap_or_default();
            found.extend(groups.into_iter().filter_map(|g| Some((g.target_group_arn.clone()?, g))));
        }
        match arns.iter().find(|arn| !found.contains_key(*arn)) {
            None => Ok(found),
            Some(arn) => Err(lacking("DescribeTargetGroups", arn)),
        }
    }
}

fn lacking(operation: &str, about: &str) -> Trouble {
    Trouble {
        kind: TroubleKind::Transient,
        doing: format!("{operation} {about}"),
        message: "the answer lacks it".into(),
    }
}

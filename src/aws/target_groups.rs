//! Target groups: their ARNs, and which load balancers use them.

use super::{Aws, Call, Conduct, ServiceName};
use crate::engine::{Trouble, TroubleKind};
use aws_sdk_elasticloadbalancingv2::types::TargetGroup;
use std::collections::BTreeMap;
use std::sync::PoisonError;

/// What one DescribeTargetGroups call takes.
const NAMES_A_CALL: usize = 20;

impl Aws {
    /// The ARNs of target groups given by name or ARN, in the same order. Names are looked up once a run.
    ///
    /// # Errors
    /// [`TroubleKind::Missing`] with the name if there is no such group; otherwise those of [`Aws::send`].
    pub async fn target_group_arns(&self, names: &[&str]) -> Result<Vec<String>, Trouble> {
        let is_arn = |name: &str| name.starts_with("arn:");
        let mut unknown: Vec<String> = {
            let known = self.shared.target_groups.lock().unwrap_or_else(PoisonError::into_inner);
            names.iter().filter(|n| !is_arn(n) && !known.contains_key(**n)).map(|n| (*n).to_owned()).collect()
        };
        unknown.sort();
        unknown.dedup();
        for chunk in unknown.chunks(NAMES_A_CALL) {
            let call = Call::new(ServiceName::Elb, "DescribeTargetGroups", chunk.join(", "));
            let answer = self
                .send(&call, Conduct::Read, || {
                    self.elb().describe_target_groups().set_names(Some(chunk.to_vec())).send()
                })
                .await?;
            let mut known = self.shared.target_groups.lock().unwrap_or_else(PoisonError::into_inner);
            for group in answer.target_groups.unwrap_or_default() {
                if let (Some(name), Some(arn)) = (group.target_group_name, group.target_group_arn) {
                    known.insert(name, arn);
                }
            }
        }
        let known = self.shared.target_groups.lock().unwrap_or_else(PoisonError::into_inner);
        names
            .iter()
            .map(|name| {
                if is_arn(name) {
                    return Ok((*name).to_owned());
                }
                known.get(*name).cloned().ok_or_else(|| Trouble {
                    kind: TroubleKind::Missing,
                    doing: format!("DescribeTargetGroups {name}"),
                    message: format!("there is no target group `{name}` in {}", self.region()),
                })
            })
            .collect()
    }

    /// Looks up these groups' names (or those of these ARNs) again when they are asked for next: what they stood for is
    /// gone.
    pub fn forget_target_groups(&self, groups: &[&str]) {
        let mut known = self.shared.target_groups.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|name, arn| !groups.contains(&name.as_str()) && !groups.contains(&arn.as_str()));
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
        let described = answer.tag_descriptions.unwrap_or_default().into_iter().filter_map(|described| {
            let tags = described.tags.unwrap_or_default().into_iter();
            let tags = tags.filter_map(|tag| Some((tag.key?, tag.value.unwrap_or_default())));
            Some((described.resource_arn?, tags.collect()))
        });
        Ok(described.collect())
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
            Some(arn) => Err(Trouble {
                kind: TroubleKind::Transient,
                doing: format!("DescribeTargetGroups {arn}"),
                message: "the answer lacks it".into(),
            }),
        }
    }
}

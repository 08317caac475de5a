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

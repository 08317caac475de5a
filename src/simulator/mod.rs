//! An embedded ECS, ELBv2, CloudWatch and STS.

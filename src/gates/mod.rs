//! CloudWatch alarms and the HTTP gate.

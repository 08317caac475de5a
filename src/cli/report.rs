//! What came of a sync, with the reasons.

use super::error::CliError;
use super::output::{Output, clean};
use super::progress::{LastSeen, Progress};
use crate::aws::CallCounts;
use crate::engine::{ItemResult, SyncReport, Verdict};
use crate::model::BySlot;
use crate::plan::Palette;
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Reasons of one kind that are printed; JSON has all.
const REASONS: usize = 5;

/// What else is known of a BlueGreen that did not get there.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Details {
    #[serde(flatten)]
    seen: LastSeen,
    /// Why targets were unhealthy, by slot.
    target_reasons: BySlot<Vec<String>>,
}

/// Prints the report: for machines as the last line of JSON.
///
/// # Errors
/// If it can't be written.
pub fn print(
    report: &SyncReport,
    target_reasons: impl Fn(&str) -> BySlot<Vec<String>>,
    calls: &CallCounts,
    progress: &Progress,
    output: Output,
) -> Result<(), CliError> {
    let seen = progress.last_seen();
    let details: BTreeMap<String, Details> = report
        .results
        .iter()
        .filter(|result| result.verdict != Verdict::Done)
        .filter_map(|result| {
            let name = result.document.strip_prefix("BlueGreen/")?;
            let seen = seen.get(name)?.clone();
            Some((result.document.clone(), Details { seen, target_reasons: target_reasons(name) }))
        })
        .collect();
    if output.is_json() {
        output.json_line(&json!({
            "event": "report",
            "application": report.plan.application,
            "commit": report.plan.commit,
            "verdict": report.verdict,
            "results": report.results,
            "details": details,
            "notices": report.plan.notices,
            "calls": calls,
        }));
        return Ok(());
    }
    output.text(&text(report, &details, output.palette()))
}

fn text(report: &SyncReport, details: &BTreeMap<String, Details>, palette: &Palette) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    for result in report.results.iter().filter(|result| result.verdict != Verdict::Done) {
        let style = style_of(result.verdict, palette);
        let message = clean(&result.message);
        let _ = writeln!(
            text,
            "{style}{}{style:#}: {}: {message}",
            word(result.verdict),
            clean(&result.document)
        );
        if let Some(details) = details.get(&result.document) {
            reasons(&mut text, result, details);
        }
    }
    if !report.plan.has_changes() {
        // With changes, the plan was printed and its notices with it.
        for notice in &report.plan.notices {
            let _ = writeln!(text, "{}!{:#} {}", palette.alarm, palette.alarm, clean(notice));
        }
    }
    let style = style_of(report.verdict, palette);
    let commit: String = report.plan.commit.chars().take(7).collect();
    let _ = writeln!(
        text,
        "{style}{} at {}: {}{style:#}",
        clean(&report.plan.application),
        clean(&commit),
        conclusion(report)
    );
    text
}

fn reasons(text: &mut String, result: &ItemResult, details: &Details) {
    let mut list = |title: String, reasons: &[String]| {
        if reasons.is_empty() {
            return;
        }
        let _ = writeln!(text, "  {title}:");
        for reason in reasons.iter().take(REASONS) {
            let _ = writeln!(text, "    {}", clean(reason));
        }
    };
    if let Some(slot) = details.seen.rolled_into {
        list(format!("{slot} tasks and events"), details.seen.troubles.get(slot));
        list(format!("{slot} targets"), details.target_reasons.get(slot));
    }
    if let (Verdict::Failed, Some(slot)) = (result.verdict, details.seen.serving) {
        let held = details.seen.held.get(slot.other()).as_ref();
        let but = held.map_or(String::new(), |why| format!(" by the declared rules, but {}", clean(why)));
        let _ = writeln!(text, "  production traffic is on {slot}{but}");
    }
}

fn conclusion(report: &SyncReport) -> &'static str {
    match report.verdict {
        Verdict::Done if !report.plan.has_changes() && report.results.iter().all(settled) => "in sync",
        Verdict::Done if report.results.is_empty() => "nothing was changed",
        Verdict::Done => "done",
        Verdict::AwaitingApproval => "waiting for approval; `cutover promote` lets it go on",
        Verdict::TimedOut => "timed out; the next sync continues",
        Verdict::Failed if report.results.iter().any(is_failed_rollout) => {
            "failed; another commit or `cutover retry` tries again"
        }
        Verdict::Failed => "failed; another commit tries again",
        Verdict::Error => "not everything could be done",
        Verdict::Stopped => "stopped; the next sync continues from here",
    }
}

fn is_failed_rollout(result: &ItemResult) -> bool {
    result.verdict == Verdict::Failed && result.document.starts_with("BlueGreen/")
}

fn settled(result: &ItemResult) -> bool {
    result.verdict == Verdict::Done && result.message.is_empty()
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Done => "done",
        Verdict::AwaitingApproval => "approval",
        Verdict::TimedOut => "timed out",
        Verdict::Failed => "failed",
        Verdict::Error => "error",
        Verdict::Stopped => "stopped",
    }
}

fn style_of(verdict: Verdict, palette: &Palette) -> anstyle::Style {
    match verdict {
        Verdict::Done => palette.create,
        Verdict::AwaitingApproval | Verdict::TimedOut | Verdict::Stopped => palette.update,
        Verdict::Failed | Verdict::Error => palette.delete,
    }
}

//! The plan as text.

use super::words::clean;
use super::{Change, Palette, Plan, PlanItem, RuleKind, TrafficChange};
use crate::diff::UnifiedDiff;
use crate::model::human;
use anstyle::Style;
use std::fmt::Write;

/// Unchanged resources that are listed; of more only the number is given.
const UNCHANGED_LISTED: usize = 20;

/// Lines that are shown of something new; a CustomResourceDefinition has thousands.
const NEW_LISTED: usize = 100;

/// The whole plan: resources with their diffs, traffic, notices, summary. Ends with a line break.
pub fn render_plan(plan: &Plan, palette: &Palette) -> String {
    let mut out = String::new();
    line(&mut out, palette.heading, &format!("{} at {}", clean(&plan.application), clean(&plan.commit)));
    let (same, changed): (Vec<&PlanItem>, Vec<&PlanItem>) =
        plan.items.iter().partition(|item| item.change == Change::Unchanged);
    for item in changed {
        out.push('\n');
        render_item(&mut out, item, palette);
        if let Some(diff) = &item.diff {
            match item.change {
                Change::Create => render_new(&mut out, diff, palette),
                _ => out.push_str(&render_diff(diff, palette, "    ")),
            }
        }
    }
    render_unchanged(&mut out, &same, palette);
    if !plan.traffic.is_empty() {
        out.push('\n');
        line(&mut out, palette.heading, "Traffic");
        plan.traffic.iter().for_each(|change| render_traffic(&mut out, change, palette));
    }
    if !plan.notices.is_empty() {
        out.push('\n');
        plan.notices.iter().for_each(|notice| line(&mut out, palette.alarm, &format!("! {}", clean(notice))));
    }
    out.push('\n');
    line(&mut out, palette.heading, &plan.summary().to_string());
    out
}

/// A diff as `diff -u` prints it, each line after `indent`.
pub fn render_diff(diff: &UnifiedDiff, palette: &Palette, indent: &str) -> String {
    let mut out = String::new();
    let mut put = |style, text: &str| line(&mut out, style, &format!("{indent}{text}"));
    put(palette.heading, &format!("--- {}", clean(&diff.before)));
    put(palette.heading, &format!("+++ {}", clean(&diff.after)));
    for hunk in &diff.hunks {
        put(palette.dim, &hunk.header());
        for line in &hunk.lines {
            put(palette.of_side(line.side), &format!("{}{}", line.side.sign(), line.text));
        }
    }
    out
}

fn render_item(out: &mut String, item: &PlanItem, palette: &Palette) {
    let sign = match item.change {
        Change::Create => "+",
        Change::Update => "~",
        Change::Replace => "±",
        Change::Prune => "-",
        Change::Adopt => "*",
        Change::Unchanged => "=",
        Change::Blocked => "!",
    };
    // The resource of an object says all that its document does, and the namespace.
    let name = item.name.rsplit('/').next().unwrap_or_default();
    let says_all = item.resource.rsplit_once('/').is_some_and(|(_, last)| last == name);
    let what = match says_all {
        true => format!("{sign} {} {}", item.change, clean(&item.resource)),
        false => format!("{sign} {} {}/{}", item.change, item.kind, clean(&item.name)),
    };
    let resource = match says_all || item.resource == item.name {
        true => String::new(),
        false => format!(" ({})", clean(&item.resource)),
    };
    line(out, palette.of_change(item.change), &format!("{what}{resource}: {}", clean(&item.why)));
}

fn render_new(out: &mut String, diff: &UnifiedDiff, palette: &Palette) {
    let text = render_diff(diff, palette, "    ");
    text.lines().take(NEW_LISTED).for_each(|text| line(out, Style::new(), text));
    if let Some(more) = text.lines().count().checked_sub(NEW_LISTED).filter(|more| *more > 0) {
        line(out, palette.dim, &format!("    … {more} more lines (-o json has all)"));
    }
}

fn render_unchanged(out: &mut String, items: &[&PlanItem], palette: &Palette) {
    if items.is_empty() {
        return;
    }
    out.push('\n');
    items.iter().take(UNCHANGED_LISTED).for_each(|item| render_item(out, item, palette));
    if let Some(more) = items.len().checked_sub(UNCHANGED_LISTED).filter(|more| *more > 0) {
        line(out, palette.dim, &format!("= {more} more unchanged (-o json lists all)"));
    }
}

fn render_traffic(out: &mut String, change: &TrafficChange, palette: &Palette) {
    let slot = change.to_slot;
    let kind = match change.kind {
        RuleKind::Production => "",
        RuleKind::Test => " (test)",
    };
    line(
        out,
        palette.update,
        &format!("  BlueGreen/{}{kind} {}", clean(&change.blue_green), clean(&change.rule)),
    );
    let step = |step: &crate::model::Step| match step.hold {
        0 => format!(" → {slot} {}%", step.weight),
        hold => format!(" → {slot} {}% for {}", step.weight, human(hold)),
    };
    let steps: String = change.through.iter().map(step).collect();
    line(out, Style::new(), &format!("    {}{steps}", change.from.in_percent()));
    let mut put = |word: &str, texts: &[String]| {
        if !texts.is_empty() {
            line(out, Style::new(), &format!("    {word}: {}", clean(&texts.join(", "))));
        }
    };
    put("gates", &change.gates);
    put("after", &change.after);
    change.notes.iter().for_each(|note| put("note", std::slice::from_ref(note)));
}

fn line(out: &mut String, style: Style, text: &str) {
    // Writing to a String cannot fail. A plain style prints as nothing.
    let _ = writeln!(out, "{style}{text}{style:#}");
}

//! `cutover status`: how an application stands.

use super::destination_flags::DestinationFlags;
use super::error::{CliError, Exit};
use super::output::{Output, clean};
use super::plan::read_deployment;
use super::source_flags::SourceFlags;
use crate::engine::{self, ObjectStatus, ServiceStatus, SlotStatus, Status, WorkloadStatus};
use crate::model::{Health, PlatformKind, Slot};
use crate::plan::{Change, Palette};
use crate::rollout::{Outcome, Phase};
use clap::Args;
use std::fmt::Write;

const EXAMPLES: &str = "\
Examples:
  cutover status -f examples/shop.yaml
  cutover status --cluster prod                   the current folder, as committed
  cutover status -f shop.yaml -o json | jq '.workloads[].phase'";

/// Show what runs: slots, roles, weights, health, revisions, and who waits for what
///
/// Nothing is changed.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct StatusArgs {
    #[command(flatten)]
    source: SourceFlags,
    #[command(flatten)]
    destination: DestinationFlags,
}

/// Prints the status.
///
/// # Errors
/// If the documents or the live state can't be read.
pub async fn run(args: &StatusArgs, output: Output) -> Result<Exit, CliError> {
    let deployment = read_deployment(&args.source, &args.destination, output, "nothing was read").await?;
    let target = args.destination.connect(&deployment.application).await?;
    let status = engine::status(&target, &deployment).await?;
    show(&status, output)?;
    Ok(Exit::Done)
}

/// Prints a status as the result of a verb.
///
/// # Errors
/// If it can't be written.
pub fn show(status: &Status, output: Output) -> Result<(), CliError> {
    if output.is_json() { output.json(status) } else { output.text(&text(status, output.palette())) }
}

fn text(status: &Status, palette: &Palette) -> String {
    let commit: String = status.commit.chars().take(7).collect();
    let (style, word) = match status.in_sync {
        true => (palette.create, "in sync"),
        false => (palette.update, "not in sync; `cutover plan` says why"),
    };
    let bold = palette.heading;
    // Writing to a String cannot fail.
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{bold}{} at {}{bold:#}: {style}{word}{style:#}",
        clean(&status.application),
        clean(&commit)
    );
    for workload in &status.workloads {
        render_workload(&mut text, workload, status.platform, palette);
    }
    for service in &status.services {
        render_service(&mut text, service, palette);
    }
    render_objects(&mut text, &status.objects, palette);
    for notice in &status.notices {
        let _ = writeln!(text, "\n{}!{:#} {}", palette.alarm, palette.alarm, clean(notice));
    }
    text
}

fn render_workload(text: &mut String, workload: &WorkloadStatus, platform: PlatformKind, palette: &Palette) {
    let bold = palette.heading;
    let style = match (workload.phase, &workload.outcome) {
        (None | Some(Phase::Blocked | Phase::Quarantined), _) => palette.delete,
        (_, Some(Outcome::Done)) => palette.create,
        _ => palette.update,
    };
    let phase = workload.phase.map_or_else(|| "unreadable".to_owned(), |phase| phase.to_string());
    let _ = writeln!(text, "\n{bold}{}{bold:#}: {style}{phase}{style:#}", clean(&workload.document));
    if let Some(waiting) = &workload.waiting_on {
        let _ = writeln!(text, "  waiting for {}", clean(waiting));
    }
    for rule in &workload.rules {
        let _ = writeln!(text, "  {}: {}", clean(&rule.rule), rule.weights);
    }
    if let Some(slots) = &workload.slots {
        let width = Slot::BOTH.map(|slot| role(slots.get(slot)).len()).into_iter().fold(9, usize::max);
        for slot in Slot::BOTH {
            render_slot(text, slot, slots.get(slot), width, platform, palette);
        }
    }
}

/// `live`, or `candidate at 10%` while both sides get requests.
fn role(status: &SlotStatus) -> String {
    match status.share {
        0 | 100 => status.role.to_string(),
        share => format!("{} at {share}%", status.role),
    }
}

fn render_slot(
    text: &mut String,
    slot: Slot,
    status: &SlotStatus,
    width: usize,
    platform: PlatformKind,
    palette: &Palette,
) {
    let (workload, members) = match platform {
        PlatformKind::Ecs => ("service", "tasks"),
        PlatformKind::Kubernetes => ("Deployment", "pods"),
    };
    let _ = write!(text, "  {:5}  {:width$}  {}", slot.name(), role(status), clean(&status.service));
    if status.revision.is_empty() {
        let _ = writeln!(text, "  no {workload}");
        return;
    }
    let targets = status.targets;
    let _ = write!(
        text,
        "  {}  {} of {} {members}, {} healthy",
        clean(&status.revision),
        status.running,
        status.desired,
        targets.healthy
    );
    for (count, word) in [
        (targets.initial, "initial"),
        (targets.unhealthy, "unhealthy"),
        (targets.draining, "draining"),
        (targets.unused, "unused"),
        (targets.unknown, "unknown"),
    ] {
        if count > 0 {
            let _ = write!(text, ", {count} {word}");
        }
    }
    let _ = writeln!(text, "{}", if status.wanted { "  (as in Git)" } else { "" });
    if let Some(record) = &status.record {
        let dim = palette.dim;
        let _ = writeln!(text, "{dim}         last note: {}{dim:#}", clean(&record.progress.to_string()));
    }
    for trouble in &status.troubles {
        let _ = writeln!(text, "         {}", clean(trouble));
    }
}

/// Those that are not as they should be by name, and how many others there are.
fn render_objects(text: &mut String, objects: &[ObjectStatus], palette: &Palette) {
    let (quiet, notable): (Vec<&ObjectStatus>, Vec<&ObjectStatus>) =
        objects.iter().partition(|object| object.is_well() && object.change == Change::Unchanged);
    for object in &notable {
        let style = match object.health.health {
            Health::Degraded => palette.delete,
            _ if object.is_well() => palette.create,
            _ => palette.update,
        };
        let bold = palette.heading;
        let (name, health) = (clean(&object.document), format!("{:?}", object.health.health).to_lowercase());
        let _ = writeln!(text, "\n{bold}{name}{bold:#}: {style}{health}{style:#}; {}", object.change);
        if !object.health.message.is_empty() {
            let _ = writeln!(text, "  {}", clean(&object.health.message));
        }
    }
    if !quiet.is_empty() {
        let others = if notable.is_empty() { "" } else { "other " };
        let s = if quiet.len() == 1 { "" } else { "s" };
        let _ = writeln!(text, "\n{} {others}object{s}: healthy, as in Git", quiet.len());
    }
}

fn render_service(text: &mut String, service: &ServiceStatus, palette: &Palette) {
    let bold = palette.heading;
    let name = clean(&service.document);
    let Some(revision) = &service.revision else {
        let _ = writeln!(text, "\n{bold}{name}{bold:#}: no service {}", clean(&service.service));
        return;
    };
    let steady = if service.steady { "steady" } else { "in motion" };
    let _ = writeln!(
        text,
        "\n{bold}{name}{bold:#}: {steady}\n  {}  {}  {} of {} tasks; {}",
        clean(&service.service),
        clean(revision),
        service.running,
        service.desired,
        service.change
    );
}

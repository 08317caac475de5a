//! `cutover demo`: the main job on an embedded AWS, from a first version to a revert, with steady traffic.

mod repository;
mod stage;
mod summary;

use super::error::{CliError, ErrorKind, Exit};
use super::interrupts;
use super::output::Output;
use crate::engine::{StopSignal, Verdict};
use clap::Args;
use repository::{BROKEN, DEADLINE, Repository, SHORT_DEADLINE, VERSION_1, VERSION_2};
use serde_json::json;
use stage::{Stage, Step};
use std::fmt::Write;
use std::time::Instant;

const EXAMPLES: &str = "\
Examples:
  cutover demo
  cutover demo --keep        then play on with the commands it prints";

/// Show the main job on a simulated AWS in this process: deploy, cut over, revert, and a version that fails
///
/// Makes a real Git repository, serves ECS and ELBv2 on this machine, sends steady HTTP traffic through the simulated
/// load balancer, and syncs one commit after the other. Needs no account, no network and no root; takes less than a
/// minute.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct DemoArgs {
    /// Leave repository and simulator running at the end, and print the commands to play on
    #[arg(long)]
    keep: bool,
}

/// Plays all acts and prints the summary. Exit code 1 if anything did not go as it should.
///
/// # Errors
/// If the stage can't be set: no free port, no temporary folder.
pub async fn run(args: &DemoArgs, output: Output) -> Result<Exit, CliError> {
    let began = Instant::now();
    let stop = StopSignal::default();
    interrupts::watch(&stop, move |text| output.note(text));
    let mut stage = Stage::set(output, &stop).await?;
    let steps = play(&mut stage, &stop).await?;
    let report = stage.end_traffic().await;
    stage.release().await;
    if stop.is_set() {
        return Ok(Exit::Interrupted);
    }
    let doubts = doubts(&steps, &report);
    if output.is_json() {
        output.json_line(&json!({
            "event": "summary",
            "traffic": report,
            "requestsByRelease": report.by_release(),
            "steps": steps,
            "calls": summary::totals(&steps),
            "seconds": began.elapsed().as_secs(),
            "doubts": doubts,
        }));
    } else {
        output.text(&summary::text(&steps, &report, began.elapsed(), output.palette()))?;
    }
    if !doubts.is_empty() {
        return Err(CliError::new(
            ErrorKind::Refused,
            format!("the demo did not go as it should: {}", doubts.join("; ")),
        ));
    }
    if args.keep {
        let path = stage.keep();
        if output.is_json() {
            output.json_line(&json!({"event": "kept", "repository": path, "endpoint": stage.endpoint()}));
        } else {
            output.text(&stage.instructions(&path))?;
        }
        stop.wait().await;
    }
    Ok(Exit::Done)
}

/// The acts. After an interrupt the rest is left out.
async fn play(stage: &mut Stage, stop: &StopSignal) -> Result<Vec<Step>, CliError> {
    let mut steps = vec![];
    let mut title = String::new();
    let _ = write!(title, "Version 1 goes live ({})", stage.place());
    stage.heading(&title)?;
    stage.say("A Git repository was made from examples/; its first commit is synced.")?;
    stage.command("git commit -m 'Version 1'")?;
    steps.push(stage.sync("version 1", false).await?);
    if stop.is_set() {
        return Ok(steps);
    }
    stage.begin_traffic()?;

    stage.heading("Version 2 takes over")?;
    stage.say(
        "It comes up beside version 1. Only when its targets are healthy and the HTTP gate has passed does it get \
         requests: 10%, 50%, 100%. Then it bakes, and version 1 stays warm.",
    )?;
    stage.commit_change(&[(VERSION_1, VERSION_2)], "Version 2")?;
    stage.command("git commit -am 'Version 2'")?;
    steps.push(stage.sync("version 2", true).await?);
    if stop.is_set() {
        return Ok(steps);
    }

    stage.heading("git revert, back to version 1 while it is warm")?;
    stage.say(
        "The old version still runs in its slot, so going back is one rule change and no new task. (This comes before \
         the broken version: there are two slots, and a third version would take the one that version 1 is warm in.)",
    )?;
    stage.revert()?;
    stage.command("git revert --no-edit HEAD")?;
    let step = stage.sync("revert to version 1", true).await?;
    stage.say(&format!(
        "Rule changes: {}. Task definitions registered: {}. Tasks started: {}.",
        step.writes_of("ModifyRule"),
        step.writes_of("RegisterTaskDefinition"),
        step.tasks_started,
    ))?;
    steps.push(step);
    if stop.is_set() {
        return Ok(steps);
    }

    stage.heading("A broken version")?;
    stage.say(
        "It starts, and the load balancer's health checks pass, but it answers everyone else with status 500. The HTTP \
         gate asks it through the test listener before any user does, and the commit gives it 45 seconds to pass.",
    )?;
    stage.commit_change(&[(VERSION_1, BROKEN), (DEADLINE, SHORT_DEADLINE)], "Version 3, which is broken")?;
    stage.command("git commit -am 'Version 3, which is broken'")?;
    steps.push(stage.sync("broken version", false).await?);
    if stop.is_set() {
        return Ok(steps);
    }
    stage.say(&format!(
        "Requests that reached it: {}. Reverting the commit leaves nothing to do:",
        stage.requests_of(Repository::release(BROKEN))
    ))?;
    stage.revert()?;
    stage.command("git revert --no-edit HEAD")?;
    steps.push(stage.sync("revert of the broken version", false).await?);
    Ok(steps)
}

/// What should have been and was not, as sentences.
fn doubts(steps: &[Step], report: &crate::simulator::shell::TrafficReport) -> Vec<String> {
    let mut doubts = vec![];
    let mut expect = |holds: bool, sentence: String| {
        if !holds {
            doubts.push(sentence);
        }
    };
    let verdicts: Vec<Verdict> = steps.iter().map(|step| step.verdict).collect();
    let wanted = [Verdict::Done, Verdict::Done, Verdict::Done, Verdict::Failed, Verdict::Done];
    expect(verdicts == wanted, format!("the syncs ended with {verdicts:?}"));
    expect(report.failed == 0, format!("{} requests failed: {}", report.failed, report.failures.join(", ")));
    let broken = Repository::release(BROKEN);
    let reached = report.by_release().get(broken).copied().unwrap_or(0);
    expect(reached == 0, format!("{reached} requests reached the broken version"));
    if let Some(revert) = steps.get(2) {
        let (rules, tasks) = (revert.writes_of("ModifyRule"), revert.tasks_started);
        let registered = revert.writes_of("RegisterTaskDefinition");
        expect(
            (rules, tasks, registered) == (1, 0, 0),
            format!("the revert took {rules} rule changes, {tasks} tasks and {registered} registrations"),
        );
    }
    doubts
}

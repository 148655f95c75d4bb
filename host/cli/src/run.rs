//! `drydock run`: runs a schedule once, now, through the same engine as ever.

use std::sync::Arc;
use std::time::Duration;

use drydock_api_types::run::{Run, RunReport};
use drydock_core::{RunId, ScheduleName, UnixTime};
use drydock_engine::{Ended, RunHandle, model::Outcome as RunOutcome};
use drydock_node::{Configuration, Need};
use drydock_runs::{RunService, shape};
use drydock_terminal::{
    interrupt::Interrupts,
    print::{self, Output},
};
use tokio::time::{Instant, sleep_until};

use super::args::{Global, RunArgs, RunVerb};
use super::snapshot::STATUS_HEADER;
use super::{made, progress, run_list, run_show};
use crate::runtime::block_on_uninterrupted;
use crate::{Exit, Failure, Outcome};

/// How long a run that was told to stop may take back what it began; what it has not done
/// then is left for the next process.
const TAKE_BACK_WALL_MAX: Duration = Duration::from_secs(2);

pub fn dispatch(global: &Global, args: RunArgs) -> Outcome {
    // What happened stands in the journal: no document is needed for it.
    let journal = || crate::runtime::load(global, &Need::JOURNAL);
    match (args.verb, args.schedule) {
        (Some(RunVerb::List(args)), _) => run_list::list(&journal()?, global.output, args),
        (Some(RunVerb::Show { run }), _) => run_show::show(&journal()?, global.output, &run),
        (None, Some(schedule)) => {
            let schedule = ScheduleName::new(schedule);
            let node = crate::runtime::load(global, &Need::schedule(&schedule))?;
            let how = How {
                resume_only: args.resume,
                accept_clock: args.accept_clock,
            };
            block_on_uninterrupted(once(global, node, schedule, how))
        }
        (None, None) => Err(Failure::usage(
            "name the schedule to run, or use `drydock run list`",
        )),
    }
}

/// What the command line says of a run.
struct How {
    resume_only: bool,
    accept_clock: bool,
}

/// Takes up what was left unfinished, then runs the schedule once.
async fn once(global: &Global, node: Configuration, schedule: ScheduleName, how: How) -> Outcome {
    let service = Arc::new(RunService::open(node, &format!("run {schedule}"))?);
    service.schedule(&schedule)?;
    service.check_clock(how.accept_clock)?;
    let mut worst = Exit::Done;
    let mut runs = Vec::new();
    for run in service.unfinished(&schedule).await? {
        print::note(&format!("Taking up {run}, which was left unfinished."));
        let handle = service.resume(&run).await?;
        let (exit, run) = attend(handle).await?;
        worst = worse(worst, exit);
        runs.push(run);
        if drydock_node::interrupt::asked() {
            break;
        }
    }
    if !how.resume_only && !drydock_node::interrupt::asked() {
        let now = service.clock.now();
        let run = new_run(&schedule, now)?;
        let handle = service.start(&schedule, run, now, true).await?;
        let (exit, run) = attend(handle).await?;
        worst = worse(worst, exit);
        runs.push(run);
    }
    if runs.is_empty() {
        print::note(&format!("No run of {schedule} was left unfinished."));
    }
    report(global, &service.registry.node, runs)?;
    Ok(worst)
}

fn new_run(schedule: &ScheduleName, now: UnixTime) -> Result<RunId, Failure> {
    let by_hand = drydock_node::random_hex::<4>()?;
    Ok(RunId::of(schedule, now, Some(&by_hand)))
}

/// Follows a run to its end. The first interrupt asks it to stop and clean up; the second,
/// or a clean-up that hangs, leaves it as it is, to be taken up again.
async fn attend(handle: RunHandle) -> Result<(Exit, Run), Failure> {
    let mut interrupts = Interrupts::heed(Exit::TryLater.code())?;
    let progress = handle.progress();
    let following = progress::follow(progress.clone());
    tokio::pin!(following);
    let mut until = None;
    loop {
        tokio::select! {
            () = &mut following => break,
            () = interrupts.next() => {
                until = Some(stop(&handle, until).await);
            }
            () = reached(until) => {
                handle.suspend().await;
                break;
            }
        }
    }
    let run = handle.run().clone();
    let ended = handle.wait().await?;
    let view = progress.borrow().clone();
    match ended {
        Ended::Finished(outcome) => Ok((exit_of(&outcome), shape::run(view))),
        Ended::Suspended => Err(Failure::try_later(format!(
            "run {run} was left as it is: `drydock run {} --resume` takes it up",
            view.schedule
        ))),
    }
}

async fn reached(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until).await,
        None => std::future::pending().await,
    }
}

/// Asks the run to stop, and says until when it may. A second time it is at once.
async fn stop(handle: &RunHandle, until: Option<Instant>) -> Instant {
    if until.is_some() {
        return Instant::now();
    }
    let until = Instant::now() + TAKE_BACK_WALL_MAX;
    handle.cancel("interrupted by the operator").await;
    print::note("Stopping: what was begun is taken back. Interrupt again to leave it as it is.");
    until
}

fn exit_of(outcome: &RunOutcome) -> Exit {
    match outcome {
        RunOutcome::Succeeded | RunOutcome::Superseded { .. } => Exit::Done,
        RunOutcome::Degraded { .. } => Exit::Degraded,
        RunOutcome::Failed { .. } => Exit::Failed,
    }
}

fn worse(a: Exit, b: Exit) -> Exit {
    let rank = |exit| match exit {
        Exit::Done => 0,
        Exit::Degraded => 1,
        _ => 2,
    };
    if rank(b) > rank(a) { b } else { a }
}

/// What came of it: data on stdout, reasons and what to do next on stderr. Of a run that
/// failed the last line is its cause.
fn report(global: &Global, node: &Configuration, runs: Vec<Run>) -> Result<(), Failure> {
    let reports = runs.into_iter().map(|run| RunReport {
        places: made::places(node, &run),
        snapshots: run_show::snapshots(&run),
        run,
    });
    let reports: Vec<_> = reports.collect();
    if global.output == Output::Json {
        print::line(&serde_json::to_string_pretty(&reports)?);
    }
    for report in &reports {
        if global.output == Output::Table {
            tables(report);
            let next = made::next(&global.config, node, &report.run);
            next.iter().for_each(|line| print::note(line));
        }
        let reasons = report.run.end.reasons.iter();
        reasons.for_each(|line| print::note(line));
    }
    Ok(())
}

/// What the run did at its targets, where its recovery point is, and what that holds.
fn tables(report: &RunReport) {
    let RunReport { run, places, .. } = report;
    print::line(&run_show::targets(run));
    let artifacts = if places.is_empty() {
        Vec::new()
    } else {
        run_show::artifact_rows(run)
    };
    let more: [(&[&str], Vec<_>); 3] = [
        (&made::PLACE_HEADER, places.iter().map(made::row).collect()),
        (&run_show::ARTIFACT_HEADER, artifacts),
        (&STATUS_HEADER, run_show::snapshot_rows(run)),
    ];
    for (header, rows) in more.into_iter().filter(|(_, rows)| !rows.is_empty()) {
        print::line("");
        print::line(&print::table(header, rows));
    }
}

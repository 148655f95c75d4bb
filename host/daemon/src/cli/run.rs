//! `drydock run`: runs a schedule once, now, through the same engine as ever.

use std::sync::Arc;

use drydock_core::{Clock as _, RunId, ScheduleName};
use drydock_engine::model::Outcome as RunOutcome;
use drydock_engine::{Ended, RunHandle, RunView};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use super::args::{Global, Output, RunArgs, RunVerb};
use super::snapshot::STATUS_HEADER;
use super::{block_on, print, progress, run_show};
use crate::clock::SystemClock;
use crate::exit::{Exit, Failure, Outcome};
use crate::node::{Need, Node, Station};

pub fn dispatch(global: &Global, args: RunArgs) -> Outcome {
    // What happened stands in the journal: no document is needed for it.
    let journal = || Node::load(global, &Need::JOURNAL);
    match (args.verb, args.schedule) {
        (Some(RunVerb::List { schedule }), _) => {
            run_show::list(&journal()?, global.output, schedule)
        }
        (Some(RunVerb::Show { run }), _) => run_show::show(&journal()?, global.output, &run),
        (None, Some(schedule)) => {
            let schedule = ScheduleName::new(schedule);
            let node = Node::load(global, &Need::schedule(&schedule))?;
            let how = How {
                resume_only: args.resume,
                accept_clock: args.accept_clock,
            };
            block_on(once(global.output, node, schedule, how))
        }
        (None, None) => Err(Failure::usage(anyhow::anyhow!(
            "name the schedule to run, or use `drydock run list`"
        ))),
    }
}

/// What the command line says of a run.
struct How {
    resume_only: bool,
    accept_clock: bool,
}

/// Takes up what was left unfinished, then runs the schedule once.
async fn once(output: Output, node: Node, schedule: ScheduleName, how: How) -> Outcome {
    let station = Arc::new(Station::open(node, &format!("run {schedule}"))?);
    station.schedule(&schedule)?;
    station.check_clock(how.accept_clock)?;
    let mut worst = Exit::Done;
    let mut views = Vec::new();
    for run in station.unfinished(&schedule).await? {
        print::note(&format!("Taking up {run}, which was left unfinished."));
        let handle = station.resume(&run).await?;
        let (exit, view) = attend(handle).await?;
        worst = worse(worst, exit);
        views.push(view);
    }
    if !how.resume_only {
        let run = new_run(&schedule)?;
        let handle = station
            .start(&schedule, run, SystemClock.now(), true)
            .await?;
        let (exit, view) = attend(handle).await?;
        worst = worse(worst, exit);
        views.push(view);
    }
    if views.is_empty() {
        print::note(&format!("No run of {schedule} was left unfinished."));
    }
    report(output, &views)?;
    Ok(worst)
}

fn new_run(schedule: &ScheduleName) -> Result<RunId, Failure> {
    let by_hand = crate::steps::random_hex::<4>().map_err(Failure::failed)?;
    Ok(RunId::of(schedule, SystemClock.now(), Some(&by_hand)))
}

/// Follows a run to its end. The first interrupt asks it to stop and clean up, the
/// second leaves it as it is, to be taken up again.
async fn attend(handle: RunHandle) -> Result<(Exit, RunView), Failure> {
    let mut interrupts = signal(SignalKind::interrupt())?;
    let mut terminations = signal(SignalKind::terminate())?;
    let progress = handle.progress();
    let following = progress::follow(progress.clone());
    tokio::pin!(following);
    let mut asked = false;
    loop {
        tokio::select! {
            () = &mut following => break,
            _ = interrupts.recv() => stop(&handle, &mut asked).await,
            _ = terminations.recv() => stop(&handle, &mut asked).await,
        }
    }
    let run = handle.run().clone();
    let ended = handle.wait().await?;
    let view = progress.borrow().clone();
    match ended {
        Ended::Finished(outcome) => Ok((exit_of(&outcome), view)),
        Ended::Suspended => Err(Failure::try_later(anyhow::anyhow!(
            "run {run} was left as it is: `drydock run {} --resume` takes it up",
            view.schedule
        ))),
    }
}

async fn stop(handle: &RunHandle, asked: &mut bool) {
    if *asked {
        handle.suspend().await;
    } else {
        print::note(
            "Stopping: what was begun is taken back. Interrupt again to leave it as it is.",
        );
        handle.cancel("interrupted by the operator").await;
        *asked = true;
    }
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

/// What came of it: data on stdout, reasons on stderr.
fn report(output: Output, views: &[RunView]) -> Result<(), Failure> {
    if output == Output::Json {
        let values: Vec<_> = views.iter().map(value).collect();
        print::line(&serde_json::to_string_pretty(&values)?);
    }
    for view in views {
        if output == Output::Table {
            print::line(&run_show::targets(view));
            let snapshots: Vec<_> = run_show::snapshot_rows(view).collect();
            if !snapshots.is_empty() {
                print::line("");
                print::line(&print::table(&STATUS_HEADER, snapshots));
            }
        }
        run_show::reasons(view)
            .iter()
            .for_each(|line| print::note(line));
    }
    Ok(())
}

fn value(view: &RunView) -> serde_json::Value {
    json!({
        "run": view.run,
        "outcome": run_show::outcome_word(view),
        "reasons": run_show::reasons(view),
        "recoveryPoint": run_show::recovery_point(view),
        "targets": view.stores,
        "snapshots": run_show::snapshots(view),
        "drill": view.drill,
    })
}

//! `drydock run`: runs a schedule once, now, through the same engine as ever; and its verbs.

mod attend;
mod list;
mod look_up;
mod questions;
mod records;
mod replay;
mod report;
mod show;
mod steer;

use std::sync::Arc;

use drydock_api_types::run::Run;
use drydock_core::{OutcomeCode, RunId, RunPhase, ScheduleName, UnixTime};
use drydock_engine::model::Origin;
use drydock_journal::LockError;
use drydock_node::{Configuration, Need};
use drydock_runs::{RunService, ServiceError, StartRequest};
use drydock_terminal::print;

use crate::args::{Global, RunArgs, RunVerb};
use crate::runtime::block_on_uninterrupted;
use crate::{Exit, Failure, Outcome};
use attend::{Attended, attend};
use report::report;

/// What to do where a daemon holds the state folder.
const UNIT: &str = "a daemon is stopped with `systemctl stop drydock`; started again afterwards, it goes on with every open run";

pub fn dispatch(global: &Global, args: RunArgs) -> Outcome {
    // What happened stands in the journal: no document is needed for it.
    let journal = || crate::runtime::load(global, &Need::JOURNAL);
    match args.verb {
        Some(RunVerb::List(args)) => list::list(&journal()?, global.output, args),
        Some(RunVerb::Show { run, records }) => show::show(global, &journal()?, &run, records),
        Some(RunVerb::Replay { file }) => replay::dispatch(global, &file),
        Some(RunVerb::Decide(args)) => steer::decide(global, &args),
        Some(RunVerb::Cancel { steer, reason }) => steer::cancel(global, &steer, reason),
        Some(RunVerb::Resume(args)) => steer::resume(global, &args),
        Some(RunVerb::Retry(args)) => steer::retry(global, args),
        None => {
            let schedule = args.schedule.ok_or_else(|| {
                Failure::usage("name the schedule to run, or use `drydock run list`")
            })?;
            let how = How {
                despite: args.despite.map(RunId::new),
                accept_clock: args.clock.accept_clock,
            };
            run(global, ScheduleName::new(schedule), how)
        }
    }
}

/// What the command line says of a new run.
struct How {
    despite: Option<RunId>,
    accept_clock: bool,
}

fn run(global: &Global, schedule: ScheduleName, how: How) -> Outcome {
    let node = crate::runtime::load(global, &Need::schedule(&schedule))?;
    block_on_uninterrupted(once(global, node, schedule, how))
}

/// Resumes what was left unfinished, then runs the schedule once. What only waits for an
/// answer is told, and says nothing of how the new run went.
async fn once(global: &Global, node: Configuration, schedule: ScheduleName, how: How) -> Outcome {
    let service = open(node, &format!("run {schedule}"))?;
    service.schedule(&schedule)?;
    service.check_clock(how.accept_clock)?;
    let mut tally = Tally::default();
    for attended in reconcile(&service).await? {
        if attended.run.schedule == schedule {
            tally.add_left(attended);
        }
    }
    for run in service.unfinished(&schedule).await? {
        if tally.runs.iter().any(|told| told.run == run) {
            continue;
        }
        print::note(&format!("Taking up {run}, which was left unfinished."));
        tally.add_left(attend(service.resume(&run).await?).await?);
        if drydock_node::interrupt::asked() {
            break;
        }
    }
    if !drydock_node::interrupt::asked() {
        let now = service.clock.now();
        let run = new_run(&schedule, now)?;
        let begun = service.start(StartRequest {
            run,
            schedule: schedule.clone(),
            due: now,
            origin: Origin::Manual,
            despite: how.despite,
        });
        tally.add(attend(begun.await?).await?);
    }
    service.sweep_pins().await?;
    report(global, &service.registry.node, tally.runs)?;
    Ok(tally.worst)
}

/// The runs that were carried out, and the worst of their ends.
struct Tally {
    worst: Exit,
    runs: Vec<Run>,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            worst: Exit::Done,
            runs: Vec::new(),
        }
    }
}

impl Tally {
    fn add(&mut self, attended: Attended) {
        self.worst = worse(self.worst, attended.exit);
        self.runs.push(attended.run);
    }

    /// Of a run that was left by another process. Where it waits for an answer, that says
    /// nothing of how the new one went.
    fn add_left(&mut self, attended: Attended) {
        match attended.exit {
            Exit::TryLater => self.runs.push(attended.run),
            _ => self.add(attended),
        }
    }
}

/// Goes on with each run, of whatever schedule, that may hold something since a process died:
/// nobody else lets that go. Tells of those that cannot be resumed.
async fn reconcile(service: &Arc<RunService>) -> Result<Vec<Attended>, Failure> {
    let reconciled = service.reconcile().await?;
    for (_, why) in reconciled.stuck {
        print::note(&why);
    }
    let mut attended = Vec::new();
    for handle in reconciled.resumed {
        if drydock_node::interrupt::asked() {
            break;
        }
        let run = handle.progress().borrow().run.clone();
        print::note(&format!(
            "Taking up {run}, which may hold something since a process died."
        ));
        attended.push(attend(handle).await?);
    }
    Ok(attended)
}

/// Takes the state folder.
fn open(node: Configuration, command: &str) -> Result<Arc<RunService>, Failure> {
    match RunService::open(node, command) {
        Ok(service) => Ok(Arc::new(service)),
        Err(ServiceError::Lock(error @ LockError::InUse { .. })) => {
            Err(Failure::try_later(format!("{error}; {UNIT}")))
        }
        Err(error) => Err(error.into()),
    }
}

fn new_run(schedule: &ScheduleName, now: UnixTime) -> Result<RunId, Failure> {
    let by_hand = drydock_node::random_hex::<4>()?;
    Ok(RunId::of(schedule, now, Some(&by_hand)))
}

fn worse(a: Exit, b: Exit) -> Exit {
    let rank = |exit| match exit {
        Exit::Done => 0,
        Exit::Degraded => 1,
        Exit::TryLater => 2,
        _ => 3,
    };
    if rank(b) > rank(a) { b } else { a }
}

/// How a run ended, or what it is at.
fn outcome_word(outcome: Option<OutcomeCode>, phase: RunPhase) -> &'static str {
    match (outcome, phase) {
        (Some(outcome), _) => outcome.word(),
        (None, RunPhase::Asking) => "Asking",
        (None, RunPhase::Stuck) => "Stuck",
        (None, RunPhase::Running | RunPhase::Storing | RunPhase::Ending | RunPhase::Finished) => {
            "Unfinished"
        }
    }
}

//! Following a run that this process carries out, to its end or to its next question.

use std::time::Duration;

use drydock_api_types::run::Run;
use drydock_engine::{Ended, RunHandle, model::Outcome as RunOutcome};
use drydock_runs::shape;
use drydock_terminal::{interrupt::Interrupts, print};
use tokio::time::{Instant, sleep_until};

use crate::{Exit, Failure, progress};

/// How long a run that was told to stop may take back what it began; what it has not done
/// then is left for the next process.
const TAKE_BACK_WALL_MAX: Duration = Duration::from_secs(2);

/// A run that has ended, or waits for an answer.
pub struct Attended {
    pub exit: Exit,
    pub run: Run,
}

/// Follows a run until it ends, or goes on no more until somebody answers a question of it:
/// then it is left open. The first interrupt asks it to stop and clean up; the second, or a
/// clean-up that hangs, leaves it as it is, to be resumed.
pub async fn attend(handle: RunHandle) -> Result<Attended, Failure> {
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
            () = reached(until) => break,
        }
    }
    // One that has ended takes no requests.
    handle.suspend().await;
    let ended = handle.wait().await?;
    let view = progress.borrow().clone();
    let only_asks = view.only_asks;
    let run = shape::run(view);
    match ended {
        Ended::Finished(outcome) => Ok(Attended {
            exit: exit_of(&outcome),
            run,
        }),
        Ended::Suspended if only_asks => Ok(Attended {
            exit: Exit::TryLater,
            run,
        }),
        Ended::Suspended => Err(Failure::try_later(format!(
            "run {0} was left as it is: `drydock run resume {0}` goes on with it",
            run.run
        ))),
    }
}

/// Asks a run to stop, and waits until it has heard that: as long as it only asks, nothing
/// else would tell that it goes on.
pub async fn cancel(handle: &RunHandle, reason: String) {
    let mut progress = handle.progress();
    progress.mark_unchanged();
    handle.cancel(reason).await;
    // A run that has ended is heard of no more.
    let _ = progress.changed().await;
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

//! What a run does next. Pure: it looks at the state and asks for every effect that is
//! wanted and not under way. Because it never looks at how the state came about, it
//! goes on after a crash as it does after any other event.

mod cleanup;
mod outcome;
mod upload;

use crate::model::{Effect, Event};
use crate::state::{Backup, RunState};

pub use outcome::{left_behind, outcome};

/// The effects that are wanted after `event`, which `state` has taken in already. The
/// caller records them and calls [`RunState::started`] for each before it decides again.
#[must_use]
pub fn decide(state: &RunState, event: &Event) -> Vec<Effect> {
    match event {
        _ if state.finished.is_some() => Vec::new(),
        // This one comes often while a stream is running and can only make parts ready.
        Event::SealedAdvanced { output, .. } => upload::parts_of(state, *output),
        _ => wanted(state),
    }
}

fn wanted(state: &RunState) -> Vec<Effect> {
    let mut effects = cleanup::effects(state);
    if !state.is_ending() {
        effects.extend(forward(state));
    }
    if effects.is_empty() {
        effects.extend(end(state));
    }
    effects.extend(state.unstarted_waits());
    effects
}

fn forward(state: &RunState) -> Vec<Effect> {
    let mut effects = Vec::new();
    effects.extend(drill(state));
    effects.extend(start_backup(state));
    effects.extend(judge(state));
    for store in state.stores.iter().filter(|store| store.is_active()) {
        effects.extend(upload::effects(state, store));
    }
    effects.extend(upload::sign(state));
    effects
}

fn drill(state: &RunState) -> Option<Effect> {
    let task = &state.drill.as_ref()?.task;
    task.is_idle().then(|| Effect::Drill {
        attempt: task.next_attempt(),
    })
}

/// The first backup step that is not done runs next, once no other runs: one at a time,
/// in their order. A step whose outputs were lost after it was done is made anew before
/// the next one begins.
fn start_backup(state: &RunState) -> Option<Effect> {
    let is_running = |backup: &Backup| backup.task.is_in_flight();
    let next = state.backups.iter().find(|b| !b.task.is_done())?;
    let wanted = next.task.is_idle() && !state.backups.iter().any(is_running);
    wanted.then(|| Effect::StartBackup {
        step: next.step.clone(),
        attempt: next.task.next_attempt(),
        first_output: state.next_output(),
    })
}

fn judge(state: &RunState) -> Vec<Effect> {
    let sealed = state.live_outputs().filter(|o| o.sealed().is_some());
    sealed
        .flat_map(|output| {
            output
                .judging
                .iter()
                .map(move |(step, j)| (output, step, j))
        })
        .filter(|(_, _, judging)| judging.task.is_idle())
        .map(|(output, step, judging)| Effect::Judge {
            step: step.clone(),
            output: output.id,
            attempt: judging.task.next_attempt(),
        })
        .collect()
}

/// The last two effects of a run: its spool goes, then its end is recorded.
fn end(state: &RunState) -> Option<Effect> {
    let is_over = state.is_ending() || state.is_settled();
    if !is_over || state.is_busy() || !cleanup::is_clean(state) {
        return None;
    }
    if state.drop_spool.is_idle() {
        return Some(Effect::DropSpool);
    }
    let wanted = state.drop_spool.is_over() && state.finish.is_idle();
    wanted.then(|| Effect::Finish {
        outcome: outcome(state),
    })
}

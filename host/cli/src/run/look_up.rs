//! Which run is meant, and what the journal has of it. Looking needs no lock: it is allowed
//! while a run is under way.

use drydock_core::{RunId, nearest};
use drydock_engine::{RunView, replay::replay};
use drydock_journal::{Journal, OpenError, RunPage, RunRow};
use drydock_node::Configuration;

use crate::{Exit, Failure};

/// The newest runs among which the one is looked for that was meant: who mistypes an id has
/// just seen it.
const NEAREST_RUNS_MAX: u32 = 1000;

/// The run's row, with the journal that has it. `missing` is the end where there is none.
pub fn look_up(
    node: &Configuration,
    run: &RunId,
    missing: Exit,
) -> Result<(Journal, RunRow), Failure> {
    let unknown = |rows: &[RunRow]| Failure::of(missing, unknown(run, rows));
    let journal = reader(node)?.ok_or_else(|| unknown(&[]))?;
    match journal.run(run)? {
        Some(row) => Ok((journal, row)),
        None => {
            let newest = journal.runs(&RunPage {
                schedule: None,
                before: None,
                count_max: NEAREST_RUNS_MAX,
            });
            Err(unknown(&newest?))
        }
    }
}

/// The journal without its lock; none before the first run.
pub fn reader(node: &Configuration) -> Result<Option<Journal>, Failure> {
    match Journal::open_reader(node.state()) {
        Err(OpenError::Missing { .. }) => Ok(None),
        opened => Ok(Some(opened?)),
    }
}

/// The run as its records have it.
pub fn view(journal: &Journal, run: &RunId) -> Result<RunView, Failure> {
    let records = journal.records(run)?;
    Ok(RunView::of(&replay(run, &records)?))
}

/// No such run: the nearest that there is.
fn unknown(run: &RunId, rows: &[RunRow]) -> String {
    let known = rows.iter().map(|row| row.run.as_str());
    let hint = match nearest(run.as_str(), known) {
        Some(near) => format!("; did you mean {near}?"),
        None if rows.is_empty() => ", which holds none yet".to_owned(),
        None => "; `drydock run list` shows those that are there".to_owned(),
    };
    format!("there is no run {run} in this node's journal{hint}")
}

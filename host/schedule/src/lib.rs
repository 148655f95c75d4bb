//! When schedules are due, and what becomes of each occurrence.
//!
//! The crate is pure: instants come in as [`UnixTime`](drydock_core::UnixTime), and
//! what comes out is data. It refuses to know clocks, journals, runs' insides and
//! plugins.
//!
//! A schedule's text becomes a [`CronExpr`] (five fields of crontab) and a [`Zone`];
//! both make a [`Timetable`], which knows the instants at which the schedule is due.
//! [`plan`] holds the timetables of all schedules against the present instant and
//! against the runs that are active, and ends every occurrence that is due as
//! started, skipped or missed.
//!
//! **Invariant:** an occurrence ends exactly once as long as the caller records each
//! decision before it plans again.
//!
//! **Invariant:** the same state and instant give the same decisions on every node;
//! jitter is a hash, not a random number.
//!
//! A crash leaves nothing: there is no state. Decisions that were not recorded are
//! taken again from the same state.

mod cron;
mod plan;
mod timetable;
mod zone;

pub use cron::{CronError, CronExpr, Field};
pub use plan::{
    ActiveRun, Decision, OCCURRENCES_MAX, ON_TIME_SECONDS_MAX, Planned, Policy, State, next_wake,
    plan,
};
pub use timetable::{Occurrences, Timetable};
pub use zone::{Zone, ZoneError};

//! What becomes of the occurrences that are due. [`plan`] looks at every schedule's
//! occurrences since the last one that was decided, and ends each that can be ended
//! now. The caller records the decisions, in one transaction with the runs that they
//! start, hands them to [`State::record`], and plans again at [`next_wake`].
//!
//! In which order the rules apply, first match wins: the schedule is suspended; a later
//! occurrence is due as well (only the latest is ever started); the deadline for
//! starting has passed; the occurrence is late and the schedule does not catch up; it is
//! a drill and the node has no identity; an active run works on the same as well, and one of
//! the two writes it; a run of the cluster that does the same is active and the schedule does
//! not allow that.

#[cfg(test)]
mod tests;

use drydock_core::{
    Claim, ClusterName, MissReason, OccurrenceEnd, RunId, RunKind, RunSubject, ScheduleName,
    SkipReason, UnixTime,
};
use drydock_documents::{CatchUp, ConcurrencyPolicy, schedule::ScheduleSpec};

use crate::Timetable;

/// Most occurrences of one schedule that are decided at once: after a long sleep the
/// journal takes them in batches, and [`next_wake`] asks for the next one at once.
pub const OCCURRENCES_MAX: usize = 1000;

/// Later than this an occurrence counts as late for a schedule that does not catch
/// up: a restart of the daemon or a busy minute must not cost a backup.
pub const ON_TIME_SECONDS_MAX: i64 = 60;

/// Everything that planning looks at.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// The schedules that this node may run, in the order in which they are planned.
    pub schedules: Vec<Planned>,
    pub active: Vec<ActiveRun>,
}

/// A schedule and how far it was decided.
#[derive(Debug, Clone)]
pub struct Planned {
    pub schedule: ScheduleName,
    pub cluster: ClusterName,
    /// What its runs do, and on what.
    pub kind: RunKind,
    pub subjects: Vec<RunSubject>,
    pub timetable: Timetable,
    pub policy: Policy,
    /// The last occurrence that ended, or the instant at which the schedule was first
    /// seen: nothing before it is planned.
    pub decided: UnixTime,
}

/// What a schedule says about its occurrences.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Policy {
    pub suspend: bool,
    pub starting_deadline_seconds: Option<u64>,
    pub concurrency: ConcurrencyPolicy,
    pub catch_up: CatchUp,
    pub jitter_seconds: u64,
    /// It is a drill, and this node has nothing that opens a recovery point. No document of
    /// a schedule says so.
    pub lacks_identity: bool,
}

/// A run that has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveRun {
    pub run: RunId,
    pub schedule: ScheduleName,
    pub cluster: ClusterName,
    pub kind: RunKind,
    pub subjects: Vec<RunSubject>,
    /// An undo of it waits for an operator.
    pub is_stuck: bool,
    /// It waits at a gate that lets others have its subjects meanwhile.
    pub frees_subjects: bool,
}

/// The end of an occurrence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    pub schedule: ScheduleName,
    pub cluster: ClusterName,
    pub due: UnixTime,
    /// The id of the occurrence's run, whether it is started or not.
    pub run: RunId,
    pub kind: RunKind,
    pub subjects: Vec<RunSubject>,
    pub end: OccurrenceEnd,
}

/// Ends every occurrence that can be ended at `now`, schedule by schedule, each in the
/// order of its occurrences. A run that is started here counts as active for what
/// follows.
#[must_use]
pub fn plan(state: &State, now: UnixTime) -> Vec<Decision> {
    let mut active = state.active.clone();
    let mut decisions = Vec::new();
    for planned in &state.schedules {
        for decision in planned.decisions(&mut active, now) {
            decisions.push(decision);
        }
    }
    decisions
}

/// The next instant at which [`plan`] can end an occurrence, `now` at the earliest;
/// none when nothing is due any more.
#[must_use]
pub fn next_wake(state: &State, now: UnixTime) -> Option<UnixTime> {
    state
        .schedules
        .iter()
        .filter_map(|planned| {
            let due = planned.timetable.next_after(planned.decided)?;
            let later = planned.timetable.next_after(due);
            Some(planned.start_of(due, later).max(now))
        })
        .min()
}

impl Policy {
    /// The policy of a schedule's document.
    #[must_use]
    pub fn of(spec: &ScheduleSpec) -> Self {
        Self {
            suspend: spec.suspend,
            starting_deadline_seconds: spec.starting_deadline_seconds.map(|limit| limit.get()),
            concurrency: spec.concurrency_policy,
            catch_up: spec.catch_up,
            jitter_seconds: spec.jitter_seconds(),
            lacks_identity: false,
        }
    }
}

impl State {
    /// Takes a recorded decision in: its occurrence is decided, and its run active.
    pub fn record(&mut self, decision: &Decision) {
        for planned in &mut self.schedules {
            if planned.schedule == decision.schedule {
                planned.decided = planned.decided.max(decision.due);
            }
        }
        if let OccurrenceEnd::Started { replaces } = &decision.end {
            self.active.retain(|run| !replaces.contains(&run.run));
            self.active.push(decision.active_run());
        }
    }

    /// Takes in that a run is active, which was not started by a decision of this state.
    pub fn resumed(&mut self, run: ActiveRun) {
        self.ended(&run.run);
        self.active.push(run);
    }

    /// Takes in that a run is over, or will never start.
    pub fn ended(&mut self, run: &RunId) {
        self.active.retain(|active| active.run != *run);
    }
}

impl ActiveRun {
    fn claim(&self) -> Claim<'_> {
        Claim {
            subjects: &self.subjects,
            is_stuck: self.is_stuck,
            frees_subjects: self.frees_subjects,
        }
    }
}

impl Decision {
    /// The occurrence's run, which has just begun.
    #[must_use]
    pub fn active_run(&self) -> ActiveRun {
        ActiveRun {
            run: self.run.clone(),
            schedule: self.schedule.clone(),
            cluster: self.cluster.clone(),
            kind: self.kind,
            subjects: self.subjects.clone(),
            is_stuck: false,
            frees_subjects: false,
        }
    }
}

impl Planned {
    /// When the occurrence that is due then starts: its jitter later.
    #[must_use]
    pub fn starts(&self, due: UnixTime) -> UnixTime {
        self.start_of(due, self.timetable.next_after(due))
    }

    fn decisions(&self, active: &mut Vec<ActiveRun>, now: UnixTime) -> Vec<Decision> {
        let mut decisions = Vec::new();
        let mut next = self.timetable.next_after(self.decided);
        while let Some(due) = next.filter(|due| *due <= now) {
            next = self.timetable.next_after(due);
            if self.start_of(due, next) > now || decisions.len() == OCCURRENCES_MAX {
                break;
            }
            let decision = self.decision(due, self.end(due, next, now, active));
            if let OccurrenceEnd::Started { replaces } = &decision.end {
                active.retain(|run| !replaces.contains(&run.run));
                active.push(decision.active_run());
            }
            decisions.push(decision);
        }
        decisions
    }

    fn decision(&self, due: UnixTime, end: OccurrenceEnd) -> Decision {
        Decision {
            schedule: self.schedule.clone(),
            cluster: self.cluster.clone(),
            due,
            run: RunId::of(&self.schedule, due, None),
            kind: self.kind,
            subjects: self.subjects.clone(),
            end,
        }
    }

    /// The one place where the rules are weighed, in the order that the module tells.
    fn end(
        &self,
        due: UnixTime,
        later: Option<UnixTime>,
        now: UnixTime,
        active: &[ActiveRun],
    ) -> OccurrenceEnd {
        let late_seconds = now.0 - self.start_of(due, later).0;
        let deadline = self.policy.starting_deadline_seconds;
        if self.policy.suspend {
            OccurrenceEnd::Skipped(SkipReason::Suspended)
        } else if let Some(later) = later.filter(|later| *later <= now) {
            OccurrenceEnd::Missed(MissReason::LaterDue { later })
        } else if deadline.is_some_and(|limit| late_seconds.unsigned_abs() > limit) {
            OccurrenceEnd::Missed(MissReason::DeadlinePassed { late_seconds })
        } else if self.policy.catch_up == CatchUp::None && late_seconds > ON_TIME_SECONDS_MAX {
            OccurrenceEnd::Missed(MissReason::NotCaughtUp { late_seconds })
        } else if self.policy.lacks_identity {
            OccurrenceEnd::Skipped(SkipReason::NoIdentity)
        } else {
            self.overlap(active)
        }
    }

    /// Runs exclude each other by what they work on, whatever a schedule says; runs that do
    /// the same for one cluster exclude each other as its schedules say. A Stuck run, which
    /// may wait for days, is none that a schedule goes by.
    fn overlap(&self, active: &[ActiveRun]) -> OccurrenceEnd {
        let same = || active.iter().filter(move |run| self.does_the_same(run));
        let replaced: Vec<_> = same().filter(|run| self.replaces(run)).collect();
        let mut others = active.iter().filter(|run| !replaced.contains(run));
        let blocking = others.find_map(|run| Some((run, run.claim().conflict(&self.subjects)?)));
        if let Some((run, subject)) = blocking {
            return OccurrenceEnd::Skipped(SkipReason::Blocked {
                active: run.run.clone(),
                subject: subject.clone(),
            });
        }
        let overlapping = match self.policy.concurrency {
            ConcurrencyPolicy::Allow => None,
            ConcurrencyPolicy::Forbid | ConcurrencyPolicy::Replace => {
                same().find(|run| !self.replaces(run))
            }
        };
        if let Some(run) = overlapping {
            let active = run.run.clone();
            return OccurrenceEnd::Skipped(SkipReason::Overlap { active });
        }
        let replaces = replaced.into_iter().map(|run| run.run.clone()).collect();
        OccurrenceEnd::Started { replaces }
    }

    fn does_the_same(&self, run: &ActiveRun) -> bool {
        run.cluster == self.cluster && run.kind == self.kind && !run.is_stuck
    }

    /// Whether the run makes room, if it does the same. `Replace` stops runs of its own
    /// schedule only: a frequent schedule must not keep a long one of the same cluster from
    /// ever ending.
    fn replaces(&self, run: &ActiveRun) -> bool {
        self.policy.concurrency == ConcurrencyPolicy::Replace && run.schedule == self.schedule
    }

    /// When an occurrence starts: when it is due, and its jitter later. The jitter ends
    /// before the next occurrence, so that occurrences stay in order.
    fn start_of(&self, due: UnixTime, later: Option<UnixTime>) -> UnixTime {
        let room = later.map_or(u64::MAX, |later| later.0.abs_diff(due.0).saturating_sub(1));
        let limit = self.policy.jitter_seconds.min(room);
        let jitter = spread(&self.schedule, due) % limit.saturating_add(1);
        UnixTime(due.0.saturating_add_unsigned(jitter))
    }
}

/// A number that looks random and is the same everywhere: FNV-1a over the name and the
/// instant (constants from the FNV specification), its bits mixed by the finaliser of
/// SplitMix64, since FNV leaves the low ones of similar texts alike.
fn spread(schedule: &ScheduleName, due: UnixTime) -> u64 {
    let bytes = schedule.as_str().bytes().chain(due.0.to_be_bytes());
    let mut hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

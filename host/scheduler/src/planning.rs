//! From documents to what is planned: which schedules this node runs, by which timetable,
//! and how long the run of an occurrence may be tried to start. Pure.

use std::time::Duration;

use drydock_core::{RunId, RunKind, RunSubject, ScheduleName, UnixTime};
use drydock_documents::{FileError, Located, Schedule};
use drydock_journal::{Decided, HistoryLimits, KnownSchedule, Occurrence};
use drydock_node::Configuration;
use drydock_node::action::ActionAccess;
use drydock_schedule::{Decision, Planned, Policy, Timetable};

/// How long a run is tried to start when its schedule sets no startingDeadlineSeconds.
const START_SECONDS_MAX: i64 = 10 * 60;

/// First wait before a run is tried to start again, and the longest one: whoever puts the
/// missing certificate in its place shall not wait long.
const START_WAIT: Duration = Duration::from_secs(1);
const START_WAIT_MAX: Duration = Duration::from_secs(30);

/// Runs whose records are kept of a schedule that sets no limit of its own: some days of
/// an hourly schedule.
const HISTORY_RUNS: u32 = 100;

/// The schedules that this node runs: those that name it, and those that name nobody.
pub fn of_this_node(node: &Configuration) -> impl Iterator<Item = &Located<Schedule>> {
    let name = &node.config.value.name;
    node.documents.schedules().filter(move |schedule| {
        let nodes = &schedule.value.spec.nodes;
        nodes.is_empty() || nodes.contains(name)
    })
}

/// The same for the journal, which notes since when each is planned.
pub fn known(node: &Configuration) -> Vec<KnownSchedule> {
    of_this_node(node)
        .map(|schedule| {
            let spec = &schedule.value.spec;
            KnownSchedule {
                schedule: schedule.value.name.clone(),
                timetable: format!("{} {} {:?}", spec.schedule, spec.time_zone, spec.dst),
            }
        })
        .collect()
}

/// The same for planning, with how far each was decided.
pub fn planned(node: &Configuration, decided: &[Decided]) -> Result<Vec<Planned>, FileError> {
    let access = ActionAccess::in_force(node);
    of_this_node(node)
        .zip(decided)
        .map(|(schedule, decided)| {
            let (kind, subjects) = work(node, &access, &schedule.value.name);
            Ok(Planned {
                schedule: schedule.value.name.clone(),
                cluster: schedule.value.spec.cluster.clone(),
                kind,
                subjects,
                timetable: Timetable::of(schedule)?,
                policy: Policy {
                    lacks_identity: lacks_identity(node, &schedule.value),
                    ..Policy::of(&schedule.value.spec)
                },
                decided: decided.through,
            })
        })
        .collect()
}

/// What the runs of the schedule do, and on what.
fn work(
    node: &Configuration,
    access: &ActionAccess<'_>,
    schedule: &ScheduleName,
) -> (RunKind, Vec<RunSubject>) {
    // Documents come into force joined, so that there is none without a workflow.
    let workflow = node.workflow(schedule).ok();
    workflow.map_or((RunKind::Actions, Vec::new()), |workflow| {
        let subjects = drydock_runs::subjects(&workflow, &|name| access.get(name));
        (drydock_runs::run_kind(&workflow), subjects)
    })
}

/// Whether the schedule only drills and this node has nothing that opens a recovery point.
fn lacks_identity(node: &Configuration, schedule: &Schedule) -> bool {
    schedule.spec.only_drills() && node.config.value.spec.drill.identity.is_none()
}

/// A decision as the journal keeps it.
pub fn occurrence(decision: &Decision, now: UnixTime) -> Occurrence {
    Occurrence {
        schedule: decision.schedule.clone(),
        due: decision.due,
        end: decision.end.clone(),
        run: decision.run.clone(),
        decided_at: now,
    }
}

/// The records that are kept of a schedule's runs. The newest good runs, `kept`, always
/// stay: they tell a daemon that starts when the last success was, and so keep an alert
/// from being blind.
pub fn history(schedule: &Schedule, now: UnixTime, kept: Vec<RunId>) -> HistoryLimits {
    let spec = &schedule.spec;
    let ttl = spec.ttl_seconds_after_finished.map(|ttl| ttl.get());
    HistoryLimits {
        good_max: Some(spec.successful_runs_history_limit.unwrap_or(HISTORY_RUNS)),
        bad_max: Some(spec.failed_runs_history_limit.unwrap_or(HISTORY_RUNS)),
        finished_since: ttl.map(|ttl| UnixTime(now.0.saturating_sub_unsigned(ttl))),
        kept,
    }
}

/// How long a run is tried to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    until: UnixTime,
    tries: u32,
}

impl Patience {
    /// For the occurrence of a schedule that was due at `due`: within its deadline for
    /// starting, and never past the next occurrence.
    pub fn of(planned: &Planned, due: UnixTime) -> Self {
        let deadline = planned.policy.starting_deadline_seconds;
        let seconds = deadline.map_or(START_SECONDS_MAX, |limit| {
            i64::try_from(limit).unwrap_or(i64::MAX)
        });
        let until = planned.starts(due).0.saturating_add(seconds);
        let next = planned.timetable.next_after(due);
        Self {
            until: UnixTime(next.map_or(until, |next| until.min(next.0 - 1))),
            tries: 0,
        }
    }

    /// How long to wait after a try that failed at `now`; none when that was the last.
    pub fn wait(&mut self, now: UnixTime) -> Option<Duration> {
        let left = u64::try_from(self.until.0 - now.0)
            .ok()
            .filter(|left| *left > 0)?;
        let wait = backoff(self.tries, START_WAIT, START_WAIT_MAX);
        self.tries += 1;
        Some(wait.min(Duration::from_secs(left)))
    }
}

/// Doubles with each try, up to a limit.
pub fn backoff(tries: u32, first: Duration, limit: Duration) -> Duration {
    first.saturating_mul(1 << tries.min(20)).min(limit)
}

/// The schedule of that name in a plan.
pub fn find<'a>(schedules: &'a [Planned], name: &ScheduleName) -> Option<&'a Planned> {
    schedules.iter().find(|planned| planned.schedule == *name)
}

#[cfg(test)]
mod tests {
    use drydock_core::ClusterName;
    use drydock_documents::DstMode;
    use drydock_schedule::{CronExpr, Zone};

    use super::*;

    fn minutely(deadline: Option<u64>, cron: &str) -> Planned {
        Planned {
            schedule: ScheduleName::new("a"),
            cluster: ClusterName::new("c"),
            kind: RunKind::Backup,
            subjects: Vec::new(),
            timetable: Timetable::new(
                CronExpr::parse(cron).unwrap(),
                Zone::parse("Etc/UTC").unwrap(),
                DstMode::Default,
            ),
            policy: Policy {
                starting_deadline_seconds: deadline,
                ..Policy::default()
            },
            decided: UnixTime(0),
        }
    }

    #[test]
    fn patience_ends_with_the_deadline_or_before_the_next_occurrence() {
        let until = |deadline, cron| Patience::of(&minutely(deadline, cron), UnixTime(3600)).until;
        assert_eq!(until(None, "0 * * * *"), UnixTime(3600 + 600));
        assert_eq!(until(Some(5), "0 * * * *"), UnixTime(3605));
        assert_eq!(until(None, "* * * * *"), UnixTime(3659));
        assert_eq!(until(Some(u64::MAX), "* * * * *"), UnixTime(3659));
    }

    #[test]
    fn waits_double_and_the_last_try_is_at_the_end() {
        let mut patience = Patience::of(&minutely(Some(10), "0 * * * *"), UnixTime(3600));
        let mut waits = Vec::new();
        let mut now = 3600;
        while let Some(wait) = patience.wait(UnixTime(now)) {
            waits.push(wait.as_secs());
            now += i64::try_from(wait.as_secs()).unwrap();
        }
        assert_eq!(waits, [1, 2, 4, 3]);
        assert_eq!(patience.wait(UnixTime(9999)), None);
    }

    #[test]
    fn a_wait_has_a_limit() {
        assert_eq!(backoff(0, START_WAIT, START_WAIT_MAX), START_WAIT);
        assert_eq!(backoff(4, START_WAIT, START_WAIT_MAX).as_secs(), 16);
        assert_eq!(
            backoff(u32::MAX, START_WAIT, START_WAIT_MAX),
            START_WAIT_MAX
        );
    }

    fn schedule(more: &str) -> Schedule {
        let text = format!(
            "apiVersion: drydock.dev/v1\nkind: Schedule\nmetadata: {{name: a}}\nspec:\n  cluster: c\n  schedule: '@daily'\n{more}  steps: []\n"
        );
        let parsed = drydock_documents::parse("a.yaml", &text, &drydock_node::CAPABILITIES)
            .unwrap()
            .remove(0);
        match parsed.value {
            drydock_documents::Document::Schedule(schedule) => schedule,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn history_keeps_the_newest_good_runs_whatever_the_limits() {
        let none = schedule(
            "  successfulRunsHistoryLimit: 0\n  failedRunsHistoryLimit: 0\n  ttlSecondsAfterFinished: 60\n",
        );
        let kept = vec![RunId::new("a.1")];
        let limits = history(&none, UnixTime(1000), kept.clone());
        assert_eq!((limits.good_max, limits.bad_max), (Some(0), Some(0)));
        assert_eq!(limits.finished_since, Some(UnixTime(940)));
        assert_eq!(limits.kept, kept);
        let plain = history(&schedule(""), UnixTime(1000), Vec::new());
        assert_eq!(plain.good_max, Some(HISTORY_RUNS));
        assert_eq!(plain.finished_since, None);
    }
}

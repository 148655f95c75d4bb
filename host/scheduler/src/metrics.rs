//! What the daemon counts and measures, in the text format of OpenMetrics.
//!
//! Labels are names of schedules and words of ours, nothing else, so that the number of
//! series is bounded by the documents in force; a schedule that goes takes its series
//! with it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicU64;

use drydock_core::{Nature, OccurrenceEnd, OutcomeCode, RunKind, ScheduleName, UnixTime};
use drydock_engine::{RunView, model::Outcome};
use drydock_runs::shape;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry};

/// Seconds of a run: from an idle test cluster to the default limit of a step.
const RUN_SECONDS: [f64; 11] = [
    1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 1800.0, 3600.0,
];

/// Seconds by which a run begins late: from what the timer costs to what a crash does.
const LATE_SECONDS: [f64; 9] = [0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 120.0, 600.0];

/// Where the kernel tells how much memory this process has.
const STATUS: &str = "/proc/self/status";

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BySchedule {
    schedule: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByEnd {
    schedule: String,
    end: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByOutcome {
    schedule: String,
    outcome: &'static str,
}

type Gauges = Family<BySchedule, Gauge>;
type Histograms = Family<BySchedule, Histogram, fn() -> Histogram>;

/// All metrics. Cheap to update from anywhere.
pub struct Metrics {
    registry: Registry,
    pub ready: Gauge,
    pub draining: Gauge,
    pub clock_sane: Gauge,
    pub journal_ok: Gauge,
    pub documents_valid: Gauge,
    pub documents_loaded: Gauge,
    pub runs: RunGauges,
    pub tick_age: Gauge<f64, AtomicU64>,
    lateness: Histogram,
    resident: Gauge,
    schedules: PerSchedule,
}

/// How all runs together stand.
pub struct RunGauges {
    pub active: Gauge,
    pub stuck: Gauge,
    pub halted: Gauge,
    pub holds: Gauge,
    pub hold_overdue_seconds: Gauge,
}

/// Metrics with a schedule's name.
struct PerSchedule {
    occurrences: Family<ByEnd, Counter>,
    runs: Family<ByOutcome, Counter>,
    duration: Histograms,
    runnable: Gauges,
    last_success: Gauges,
    last_degraded: Gauges,
    next_due: Gauges,
    point_bytes: Gauges,
    point_revision: Gauges,
    drill_recovery: Gauges,
    questions: Gauges,
    upload_bytes: Family<BySchedule, Counter>,
}

impl Metrics {
    /// `started` is the instant at which this process began.
    pub fn new(started: UnixTime, lost_log_lines: Counter) -> Self {
        let mut registry = Registry::default();
        let resident = Gauge::default();
        registry.register(
            "process_resident_memory_bytes",
            "Memory of this process that is in RAM",
            resident.clone(),
        );
        let start: Gauge = Gauge::default();
        start.set(started.0);
        registry.register(
            "process_start_time_seconds",
            "When this process began, in seconds since 1970",
            start,
        );
        let ours = registry.sub_registry_with_prefix("drydock");
        ours.register(
            "log_lines_lost",
            "Lines of the log that nobody took: stderr was full, closed, or its reader slept",
            lost_log_lines,
        );
        let build = [
            ("version", drydock_core::VERSION),
            ("wasmtime", drydock_sandbox::WASMTIME),
        ];
        ours.register("build", "What this binary is", Info::new(build));
        Self {
            ready: gauge(ours, "ready", "1 while /readyz answers 200"),
            draining: gauge(ours, "draining", "1 once the daemon was told to stop"),
            clock_sane: gauge(
                ours,
                "clock_sane",
                "0 while the clock is behind the journal",
            ),
            journal_ok: gauge(ours, "journal_ok", "0 while the journal takes nothing"),
            documents_valid: gauge(
                ours,
                "documents_valid",
                "0 while the files as they are now were refused and older ones are in force",
            ),
            documents_loaded: gauge(
                ours,
                "documents_loaded_timestamp_seconds",
                "When the documents in force were taken, in seconds since 1970",
            ),
            runs: RunGauges::new(ours),
            tick_age: gauge(
                ours,
                "sandbox_tick_age_seconds",
                "How long ago the tick was by which plugins give up their thread; 0 while none runs",
            ),
            lateness: histogram(ours),
            resident,
            schedules: PerSchedule::new(ours),
            registry,
        }
    }

    /// Everything, as text. Memory is measured now.
    pub fn text(&self) -> String {
        if let Some(bytes) = resident_bytes() {
            self.resident.set(bytes);
        }
        let mut text = String::new();
        // Writing into a String does not fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.registry);
        text
    }

    /// Makes series for a schedule that is in force, so that a counter is there at zero
    /// before its first event.
    pub fn add(&self, schedule: &ScheduleName) {
        let per = &self.schedules;
        for end in OccurrenceEnd::WORDS {
            drop(per.occurrences.get_or_create(&by_end(schedule, end)));
        }
        for outcome in OutcomeCode::ALL {
            drop(per.runs.get_or_create(&by_outcome(schedule, *outcome)));
        }
        drop(per.upload_bytes.get_or_create(&by(schedule)));
        drop(per.questions.get_or_create(&by(schedule)));
    }

    /// Drops the series of a schedule that is no longer there.
    pub fn forget(&self, schedule: &ScheduleName) {
        let per = &self.schedules;
        for end in OccurrenceEnd::WORDS {
            per.occurrences.remove(&by_end(schedule, end));
        }
        for outcome in OutcomeCode::ALL {
            per.runs.remove(&by_outcome(schedule, *outcome));
        }
        per.duration.remove(&by(schedule));
        per.upload_bytes.remove(&by(schedule));
        for gauges in per.gauges() {
            gauges.remove(&by(schedule));
        }
    }

    /// The schedules that are in force, after those that were.
    pub fn in_force(&self, before: &BTreeSet<ScheduleName>, now: &BTreeSet<ScheduleName>) {
        before.difference(now).for_each(|gone| self.forget(gone));
        now.iter().for_each(|schedule| self.add(schedule));
    }

    pub fn occurrence(&self, schedule: &ScheduleName, end: &OccurrenceEnd) {
        let series = by_end(schedule, end.word());
        self.schedules.occurrences.get_or_create(&series).inc();
    }

    /// A run began so many seconds after it was due.
    pub fn began(&self, late_seconds: f64) {
        self.lateness.observe(late_seconds);
    }

    pub fn next_due(&self, schedule: &ScheduleName, due: Option<UnixTime>) {
        match due {
            Some(due) => set(&self.schedules.next_due, schedule, due.0),
            None => {
                self.schedules.next_due.remove(&by(schedule));
            }
        }
    }

    pub fn runnable(&self, schedule: &ScheduleName, is_runnable: bool) {
        set(&self.schedules.runnable, schedule, i64::from(is_runnable));
    }

    /// So many questions are open, by the schedule of their runs. One that is not in force any
    /// more has a series as long as something of it is open.
    pub fn questions(
        &self,
        before: &BTreeMap<ScheduleName, i64>,
        open: &BTreeMap<ScheduleName, i64>,
        in_force: &BTreeSet<ScheduleName>,
    ) {
        let per = &self.schedules;
        for over in before.keys().filter(|name| !open.contains_key(*name)) {
            if in_force.contains(over) {
                set(&per.questions, over, 0);
            } else {
                per.questions.remove(&by(over));
            }
        }
        for (schedule, count) in open {
            set(&per.questions, schedule, *count);
        }
    }

    /// A run has ended in this process.
    pub fn ended(&self, view: &RunView) {
        let Some(outcome) = &view.outcome else { return };
        let schedule = &view.schedule;
        let per = &self.schedules;
        let series = by_outcome(schedule, outcome.code());
        per.runs.get_or_create(&series).inc();
        let sent = view.stores.iter().map(|store| store.bytes).sum();
        per.upload_bytes.get_or_create(&by(schedule)).inc_by(sent);
        if let Some(finished) = view.finished {
            let seconds = finished.0.saturating_sub(view.created.0).max(0);
            #[expect(clippy::cast_precision_loss, reason = "a run takes no 2^52 seconds")]
            per.duration
                .get_or_create(&by(schedule))
                .observe(seconds as f64);
        }
        self.left(view);
    }

    /// Sets what a schedule's good run left; from the journal at the start, the oldest
    /// first.
    pub fn left(&self, view: &RunView) {
        let (Some(finished), Some(outcome)) = (view.finished, &view.outcome) else {
            return;
        };
        let per = &self.schedules;
        let last = match outcome {
            Outcome::Succeeded => &per.last_success,
            Outcome::Degraded { .. } => &per.last_degraded,
            Outcome::Failed { .. } | Outcome::Superseded { .. } => return,
        };
        set(last, &view.schedule, finished.0);
        let measured = shape::recovery_milliseconds(view);
        if let Some(measured) = measured.and_then(|measured| i64::try_from(measured).ok()) {
            set(&per.drill_recovery, &view.schedule, measured);
        }
        if view.kind != RunKind::Backup {
            return;
        }
        let outputs = view.outputs.iter();
        let bytes: u64 = outputs.filter_map(|output| output.plain_bytes).sum();
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        set(&per.point_bytes, &view.schedule, bytes);
        let mut natures = view.outputs.iter().filter_map(|o| o.nature.as_ref());
        match natures.find_map(Nature::figures) {
            Some(figures) => set(&per.point_revision, &view.schedule, figures.revision),
            // The last one's says nothing of this recovery point.
            None => {
                per.point_revision.remove(&by(&view.schedule));
            }
        }
    }
}

impl RunGauges {
    fn new(registry: &mut Registry) -> Self {
        Self {
            active: gauge(registry, "runs_active", "Runs under way"),
            stuck: gauge(
                registry,
                "runs_stuck",
                "Runs whose undo waits for an operator; /readyz says how to answer",
            ),
            halted: gauge(
                registry,
                "runs_halted",
                "Unfinished runs that cannot be taken up; /readyz says why",
            ),
            holds: gauge(
                registry,
                "run_holds",
                "Holds of runs that have not surely been let go",
            ),
            hold_overdue_seconds: gauge(
                registry,
                "run_hold_overdue_seconds",
                "How long ago the oldest of these holds should have been let go; 0 if none",
            ),
        }
    }
}

impl PerSchedule {
    fn new(registry: &mut Registry) -> Self {
        let new = Self {
            occurrences: Family::default(),
            runs: Family::default(),
            duration: Family::new_with_constructor(run_histogram),
            runnable: Family::default(),
            last_success: Family::default(),
            last_degraded: Family::default(),
            next_due: Family::default(),
            point_bytes: Family::default(),
            point_revision: Family::default(),
            drill_recovery: Family::default(),
            questions: Family::default(),
            upload_bytes: Family::default(),
        };
        registry.register(
            "occurrences",
            "Occurrences by how they ended; Failed ones were counted as Started before",
            new.occurrences.clone(),
        );
        registry.register("runs", "Runs by their outcome", new.runs.clone());
        registry.register(
            "run_duration_seconds",
            "Time from a run's first record to its end",
            new.duration.clone(),
        );
        registry.register(
            "upload_bytes",
            "Bytes that runs have stored at their targets",
            new.upload_bytes.clone(),
        );
        for (gauges, (name, help)) in new.gauges().into_iter().zip(GAUGES) {
            registry.register(name, help, gauges.clone());
        }
        new
    }

    /// In the order of [`GAUGES`].
    fn gauges(&self) -> [&Gauges; 8] {
        [
            &self.runnable,
            &self.last_success,
            &self.last_degraded,
            &self.next_due,
            &self.point_bytes,
            &self.point_revision,
            &self.drill_recovery,
            &self.questions,
        ]
    }
}

/// Names and meanings of the gauges that every schedule has.
const GAUGES: [(&str, &str); 8] = [
    (
        "schedule_runnable",
        "0 while a run of the schedule could not be started; /readyz says why",
    ),
    (
        "schedule_last_success_timestamp_seconds",
        "When the last run ended that Succeeded, in seconds since 1970; Degraded ones do not count",
    ),
    (
        "schedule_last_degraded_timestamp_seconds",
        "When the last run ended that was Degraded, in seconds since 1970",
    ),
    (
        "schedule_next_due_timestamp_seconds",
        "When the schedule is due next, in seconds since 1970",
    ),
    (
        "recovery_point_bytes",
        "Bytes before sealing of the last recovery point",
    ),
    (
        "recovery_point_revision",
        "etcd's revision of the last recovery point",
    ),
    (
        "drill_recovery_milliseconds",
        "Time to recover that the last drill that passed measured",
    ),
    (
        "run_questions",
        "Questions of runs that wait for an operator; /readyz says how to answer",
    ),
];

fn gauge<M: Metric + Clone + Default>(registry: &mut Registry, name: &str, help: &str) -> M {
    let gauge = M::default();
    registry.register(name, help, gauge.clone());
    gauge
}

fn histogram(registry: &mut Registry) -> Histogram {
    let lateness = Histogram::new(LATE_SECONDS);
    registry.register(
        "start_lateness_seconds",
        "How long after it was due a run began",
        lateness.clone(),
    );
    lateness
}

fn run_histogram() -> Histogram {
    Histogram::new(RUN_SECONDS)
}

fn set(gauges: &Gauges, schedule: &ScheduleName, value: i64) {
    gauges.get_or_create(&by(schedule)).set(value);
}

fn by(schedule: &ScheduleName) -> BySchedule {
    BySchedule {
        schedule: schedule.to_string(),
    }
}

fn by_end(schedule: &ScheduleName, end: &'static str) -> ByEnd {
    ByEnd {
        schedule: schedule.to_string(),
        end,
    }
}

fn by_outcome(schedule: &ScheduleName, outcome: OutcomeCode) -> ByOutcome {
    ByOutcome {
        schedule: schedule.to_string(),
        outcome: outcome.word(),
    }
}

/// The line `VmRSS:   1234 kB` (proc_pid_status(5)).
fn resident_bytes() -> Option<i64> {
    let text = std::fs::read_to_string(STATUS).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: i64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    kilobytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use drydock_core::MissReason;

    use super::*;

    #[test]
    fn a_schedule_takes_its_series_with_it() {
        let metrics = Metrics::new(UnixTime(7), Counter::default());
        let names = |list: &[&str]| list.iter().map(|n| ScheduleName::new(*n)).collect();
        metrics.in_force(&BTreeSet::new(), &names(&["a", "b"]));
        metrics.next_due(&ScheduleName::new("a"), Some(UnixTime(60)));
        let reason = MissReason::NotCaughtUp { late_seconds: 61 };
        metrics.occurrence(&ScheduleName::new("a"), &OccurrenceEnd::Missed(reason));
        let text = metrics.text();
        for line in [
            "drydock_occurrences_total{schedule=\"a\",end=\"Missed\"} 1",
            "drydock_schedule_next_due_timestamp_seconds{schedule=\"a\"} 60",
            "drydock_runs_total{schedule=\"b\",outcome=\"Failed\"} 0",
            "process_start_time_seconds 7",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} in {text}");
        }
        assert!(text.contains("drydock_build_info{version="));
        metrics.in_force(&names(&["a", "b"]), &names(&["b"]));
        let text = metrics.text();
        assert!(!text.contains("schedule=\"a\""), "{text}");
    }

    fn ended(outcome: Outcome, finished: i64) -> RunView {
        RunView {
            run: drydock_core::RunId::new(format!("a.{finished}")),
            schedule: ScheduleName::new("a"),
            cluster: drydock_core::ClusterName::new("c"),
            due: UnixTime(1),
            kind: RunKind::Backup,
            origin: drydock_engine::model::Origin::Schedule,
            created: UnixTime(1),
            finished: Some(UnixTime(finished)),
            phase: drydock_core::RunPhase::Finished,
            outcome: Some(outcome),
            recovery_point: None,
            only_asks: false,
            frees_subjects: false,
            steps: Vec::new(),
            outputs: Vec::new(),
            stores: Vec::new(),
            holds: Vec::new(),
            questions: Vec::new(),
            pins: Vec::new(),
            faults: Vec::new(),
        }
    }

    #[test]
    fn only_what_succeeded_is_a_success() {
        let metrics = Metrics::new(UnixTime(7), Counter::default());
        let degraded = Outcome::Degraded {
            reasons: vec!["target local was given up".to_owned()],
        };
        metrics.left(&ended(Outcome::Succeeded, 20));
        metrics.left(&ended(degraded, 30));
        let superseded = Outcome::Superseded {
            reasons: Vec::new(),
        };
        metrics.left(&ended(superseded, 40));
        let text = metrics.text();
        for line in [
            "drydock_schedule_last_success_timestamp_seconds{schedule=\"a\"} 20",
            "drydock_schedule_last_degraded_timestamp_seconds{schedule=\"a\"} 30",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} in {text}");
        }
    }

    /// Bytes and time are of the new recovery point, and so is the revision, or there is none.
    #[test]
    fn a_recovery_point_without_figures_leaves_no_older_revision() {
        let metrics = Metrics::new(UnixTime(7), Counter::default());
        let a = ScheduleName::new("a");
        let has = |line: &str| metrics.text().lines().any(|l| l == line);
        set(&metrics.schedules.point_revision, &a, 42);
        assert!(has("drydock_recovery_point_revision{schedule=\"a\"} 42"));
        metrics.left(&ended(Outcome::Succeeded, 20));
        let text = metrics.text();
        let revision = "drydock_recovery_point_revision{";
        assert!(!text.contains(revision), "{text}");
        assert!(has("drydock_recovery_point_bytes{schedule=\"a\"} 0"));
    }

    #[test]
    fn open_questions_are_counted_also_of_a_schedule_that_is_gone() {
        let metrics = Metrics::new(UnixTime(7), Counter::default());
        let name = ScheduleName::new;
        let in_force = BTreeSet::from([name("a")]);
        metrics.in_force(&BTreeSet::new(), &in_force);
        let has = |line: &str| metrics.text().lines().any(|l| l == line);
        let none = BTreeMap::new();
        let both = BTreeMap::from([(name("a"), 2), (name("gone"), 1)]);
        metrics.questions(&none, &both, &in_force);
        assert!(has("drydock_run_questions{schedule=\"a\"} 2"));
        assert!(has("drydock_run_questions{schedule=\"gone\"} 1"));
        metrics.questions(&both, &none, &in_force);
        assert!(has("drydock_run_questions{schedule=\"a\"} 0"));
        assert!(!metrics.text().contains("gone"));
    }

    #[test]
    fn only_a_drill_that_passed_tells_a_time_to_recover() {
        let metrics = Metrics::new(UnixTime(7), Counter::default());
        let drilled = |verdict: &str, measured: u64| {
            let body = serde_json::json!({"target": "t", "recoveryPoint": "s.1",
                "verdict": verdict, "reason": null, "checks": 1,
                "recoveryMilliseconds": measured, "dataAgeSeconds": 1, "report": null,
                "warnings": []});
            let step = drydock_engine::view::StepView {
                step: drydock_core::StepName::new("drill"),
                kind: shape::DRILL.to_owned(),
                attempts: 1,
                failures: 0,
                state: drydock_core::StepState::Done,
                reason: None,
                findings: Vec::new(),
                body,
            };
            metrics.left(&RunView {
                kind: RunKind::Drill,
                steps: vec![step],
                ..ended(Outcome::Succeeded, 20)
            });
        };
        drilled("passed", 4217);
        drilled("skipped", 1);
        let text = metrics.text();
        assert!(text.contains("drydock_drill_recovery_milliseconds{schedule=\"a\"} 4217\n"));
        assert!(!text.contains("drydock_recovery_point_bytes{"), "{text}");
    }

    #[test]
    fn memory_is_measured() {
        assert!(resident_bytes().unwrap() > 1024 * 1024);
    }
}

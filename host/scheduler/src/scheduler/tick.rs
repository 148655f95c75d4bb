//! What every tick does.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Instant;

use drydock_core::{ScheduleName, UnixTime};
use drydock_node::check_clock;

use super::{Phase, Scheduler, Stage, notify};
use crate::health::Asks;

/// What is told of a run that is Stuck; its questions are told beside it.
const STUCK: &str = "it is Stuck: taking back what it did waits for an operator; runs that would write what it works on are refused until its questions are answered";

/// By so much the wall clock and the monotonic one may drift apart in one tick before
/// the clock counts as having been set. NTP slews by far less.
const JUMP_SECONDS_MIN: i64 = 5;

impl Scheduler {
    pub(super) async fn tick(&mut self) {
        let now = self.clock.now();
        if !self.is_draining() {
            self.look_at_clock(now).await;
        }
        self.do_chores(now).await;
        if self.health.clock.is_none() && self.may_ask_journal() {
            match self.phase {
                Phase::Waiting if self.outbox.is_empty() => self.take_up().await,
                Phase::TakingUp(until) if self.has_taken_up(until) => {
                    self.start_pending(now).await;
                }
                Phase::Serving => self.plan(now).await,
                _ => {}
            }
        }
        if self.may_ask_journal() {
            self.show_past().await;
        }
        if matches!(self.phase, Phase::TakingUp(_) | Phase::Serving) {
            self.sweep();
        }
        if let Phase::Draining(until) = self.phase
            && until <= Instant::now()
        {
            self.suspend();
        }
        self.show();
    }

    pub(super) fn may_ask_journal(&self) -> bool {
        self.journal_again
            .is_none_or(|again| again <= Instant::now())
    }

    /// Notices when the clock was set, and whether it can be believed.
    async fn look_at_clock(&mut self, now: UnixTime) {
        let (wall, monotonic) = std::mem::replace(&mut self.last_tick, (now, Instant::now()));
        let passed = i64::try_from(monotonic.elapsed().as_secs()).unwrap_or(i64::MAX);
        let jump = (now.0 - wall.0).saturating_sub(passed);
        let jumped = jump.abs() >= JUMP_SECONDS_MIN;
        if jumped {
            tracing::warn!(
                seconds = jump,
                %now,
                "the clock was set, or the machine slept: what became due is decided now"
            );
        }
        if self.clock_is_known && !jumped && self.health.clock.is_none() {
            return;
        }
        let Some(latest) = self.journal(|journal| journal.latest_instant()).await else {
            return;
        };
        self.clock_is_known = true;
        let problem = check_clock(latest.as_ref(), now).err();
        match (&problem, &self.health.clock) {
            (Some(problem), None) => {
                tracing::error!("{problem}; nothing is planned until then");
            }
            (None, Some(_)) => tracing::info!("the clock is right again"),
            _ => {}
        }
        self.health.clock = problem.map(|problem| problem.to_string());
    }

    /// Shows how things stand, to whoever asks.
    pub(super) fn show(&mut self) {
        let now = Instant::now();
        self.health.tick = now;
        self.health.draining = self.is_draining();
        self.health.starting = matches!(self.phase, Phase::Waiting | Phase::TakingUp(_));
        let service = Arc::clone(&self.service.borrow());
        self.health.tick_age = service.registry.tick_age();
        let granted = service.registry.node.development.iter();
        let granted: Vec<String> = granted.map(ToString::to_string).collect();
        self.health.development = (!granted.is_empty()).then(|| granted.join("\n"));
        self.show_open();
        self.shown.send_replace(self.health.clone());
        let metrics = &self.metrics;
        let health = &self.health;
        metrics.ready.set(i64::from(health.is_ready()));
        metrics.draining.set(i64::from(health.draining));
        metrics.clock_sane.set(i64::from(health.clock.is_none()));
        metrics.journal_ok.set(i64::from(health.journal.is_none()));
        let valid = health.documents.is_none();
        metrics.documents_valid.set(i64::from(valid));
        let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        metrics.runs.active.set(count(self.count(Stage::Running)));
        metrics.runs.stuck.set(count(health.stuck.len()));
        metrics.runs.halted.set(count(health.halted.len()));
        let tick_age = health.tick_age.unwrap_or_default();
        metrics.tick_age.set(tick_age.as_secs_f64());
        self.sign_of_life(now);
    }

    /// Shows what runs ask of an operator, and what they hold.
    fn show_open(&mut self) {
        let now = self.clock.now();
        let (mut questions, mut stuck) = (BTreeMap::new(), BTreeMap::new());
        let mut counts: BTreeMap<ScheduleName, i64> = BTreeMap::new();
        let (mut holds, mut overdue) = (0_i64, 0);
        for (run, supervised) in &self.supervised {
            let open = &supervised.open;
            for question in &open.questions {
                let asks = Asks {
                    run: run.clone(),
                    question: question.question,
                };
                questions.insert(asks, question.told(run));
                let schedule = supervised.active.schedule.clone();
                *counts.entry(schedule).or_default() += 1;
            }
            if open.is_stuck {
                stuck.insert(run.clone(), STUCK.to_owned());
            }
            holds += i64::try_from(open.holds.len()).unwrap_or(i64::MAX);
            overdue = overdue.max(open.overdue_seconds(now).unwrap_or_default());
        }
        self.metrics.runs.holds.set(holds);
        self.metrics.runs.hold_overdue_seconds.set(overdue);
        if counts != self.asked {
            let names = self.names();
            self.metrics.questions(&self.asked, &counts, &names);
            self.asked = counts;
        }
        self.health.questions = questions;
        self.health.stuck = stuck;
    }

    fn sign_of_life(&mut self, now: Instant) {
        if let Some(interval) = notify::watchdog_interval()
            && self.last_watchdog.is_none_or(|last| now - last >= interval)
        {
            notify::watchdog();
            self.last_watchdog = Some(now);
        }
        let status = self.status();
        if status != self.last_status && !self.is_draining() {
            notify::status(&status);
            self.last_status = status;
        }
    }

    /// A line for `systemctl status`.
    pub(super) fn status(&self) -> String {
        let mut status = format!(
            "{} schedules, {} runs under way",
            self.health.schedules,
            self.count(Stage::Running)
        );
        let more = [
            (&self.health.clock, "the clock is behind the journal"),
            (&self.health.journal, "the journal takes nothing"),
            (&self.health.documents, "the documents on disk were refused"),
        ];
        for (_, what) in more.iter().filter(|(problem, _)| problem.is_some()) {
            // Writing into a String does not fail.
            let _ = write!(status, "; {what}");
        }
        if let Some(next) = self.wake {
            let _ = write!(status, "; next start {next}");
        }
        status
    }
}

//! What the daemon says of itself: alive, ready, and why not.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::time::{Duration, Instant};

use drydock_core::{QuestionId, RunId, ScheduleName};

/// A loop that has not come round for so long is stuck: a tick takes milliseconds, and
/// the slowest thing in it is a write to the journal that a busy disk holds up.
pub const BEAT_AGE_MAX: Duration = Duration::from_secs(30);

/// A tick for the plugins that is so old will not come any more: they come a hundred times
/// a second, from a thread of their own.
const TICK_AGE_MAX: Duration = Duration::from_secs(5);

/// Schedules and runs that /readyz names one by one; the rest are counted.
const NAMED_MAX: usize = 20;

/// The state of the daemon as it was at its last tick.
#[derive(Debug, Clone)]
pub struct Health {
    /// When the loop last came round.
    pub tick: Instant,
    pub draining: bool,
    /// Unfinished runs are being taken up; nothing is planned yet.
    pub starting: bool,
    /// Why the clock is not believed.
    pub clock: Option<String>,
    /// Why the journal takes nothing.
    pub journal: Option<String>,
    /// Why the files as they are now are not in force.
    pub documents: Option<String>,
    /// What is granted by folder, a line each, on a node for development.
    pub development: Option<String>,
    /// How long ago the plugins' last tick was; none while no plugin runs.
    pub tick_age: Option<Duration>,
    /// How many schedules this node runs.
    pub schedules: usize,
    /// Schedules of which it is not known yet whether they could start a run.
    pub unchecked: BTreeMap<ScheduleName, Unchecked>,
    /// Schedules that could not start a run, with the reason.
    pub cannot_run: BTreeMap<ScheduleName, String>,
    /// Schedules whose last run failed or was degraded, with the cause.
    pub last_ends: BTreeMap<ScheduleName, String>,
    /// Questions that wait for an operator: what asks, and what with how it is answered.
    pub questions: BTreeMap<Asks, String>,
    /// Runs whose undo waits for an operator, with its questions.
    pub stuck: BTreeMap<RunId, String>,
    /// Runs that cannot be taken up, with the reason.
    pub halted: BTreeMap<RunId, String>,
}

/// A run and one of its questions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Asks {
    pub run: RunId,
    pub question: QuestionId,
}

impl fmt::Display for Asks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} asks question {}", self.run, self.question)
    }
}

/// A check that has not ended.
#[derive(Debug, Clone)]
pub struct Unchecked {
    /// What it is at, in words.
    what: Cow<'static, str>,
    since: Instant,
}

impl Unchecked {
    pub fn at(what: impl Into<Cow<'static, str>>) -> Self {
        Self {
            what: what.into(),
            since: Instant::now(),
        }
    }
}

impl fmt::Display for Unchecked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.since.elapsed().as_secs();
        write!(
            f,
            "its check is under way, at this for {seconds} s: {}; others go on, and a run that is due is tried",
            self.what
        )
    }
}

impl Health {
    pub fn new(tick: Instant) -> Self {
        Self {
            tick,
            draining: false,
            starting: true,
            clock: None,
            journal: None,
            documents: None,
            development: None,
            tick_age: None,
            schedules: 0,
            unchecked: BTreeMap::new(),
            cannot_run: BTreeMap::new(),
            last_ends: BTreeMap::new(),
            questions: BTreeMap::new(),
            stuck: BTreeMap::new(),
            halted: BTreeMap::new(),
        }
    }

    pub fn is_alive(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.tick) <= BEAT_AGE_MAX
    }

    /// Whether what is due would be started. Documents that were refused and schedules
    /// that cannot run do not count as long as one can: the others are served.
    pub fn is_ready(&self) -> bool {
        !self.draining
            && !self.starting
            && self.clock.is_none()
            && self.journal.is_none()
            && (self.schedules == 0 || self.cannot_run.len() < self.schedules)
    }

    /// One line a check: `ok`, `warn` (an operator must look) or `fail` (not ready).
    pub fn report(&self) -> String {
        let mut text = String::new();
        line(&mut text, "fail", "clock", self.clock.as_deref());
        line(&mut text, "fail", "journal", self.journal.as_deref());
        line(&mut text, "warn", "documents", self.documents.as_deref());
        // Of a node that is not for development there is nothing to say.
        if let Some(development) = &self.development {
            line(&mut text, "warn", "grants", Some(development));
        }
        let starting = "unfinished runs have not been taken up yet";
        line(
            &mut text,
            "fail",
            "started",
            self.starting.then_some(starting),
        );
        let draining = "the daemon was told to stop and starts nothing more";
        line(
            &mut text,
            "fail",
            "serving",
            self.draining.then_some(draining),
        );
        line(&mut text, "warn", "ticks", self.stuck_ticks().as_deref());
        let all = self.cannot_run.len() == self.schedules;
        let word = if all { "fail" } else { "warn" };
        named(&mut text, word, "schedules", &self.cannot_run);
        if !self.unchecked.is_empty() {
            named(&mut text, "warn", "checks", &self.unchecked);
        }
        named(&mut text, "warn", "outcomes", &self.last_ends);
        named(&mut text, "warn", "questions", &self.questions);
        let runs: BTreeMap<_, _> = self.stuck.iter().chain(&self.halted).collect();
        named(&mut text, "warn", "runs", &runs);
        text
    }

    fn stuck_ticks(&self) -> Option<String> {
        let age = self.tick_age.filter(|age| *age > TICK_AGE_MAX)?;
        Some(format!(
            "the last tick for plugins was {} s ago, so that one may hold up all others; restart the daemon, and report it with its log",
            age.as_secs()
        ))
    }
}

fn line(text: &mut String, word: &str, check: &str, problem: Option<&str>) {
    // Writing into a String does not fail.
    let _ = match problem {
        // Several mistakes are several lines; each begins with its check.
        Some(problem) => problem
            .lines()
            .try_for_each(|problem| writeln!(text, "{word} {check}: {problem}")),
        None => writeln!(text, "ok {check}"),
    };
}

fn named<N: fmt::Display, P: fmt::Display>(
    text: &mut String,
    word: &str,
    check: &str,
    problems: &BTreeMap<N, P>,
) {
    if problems.is_empty() {
        return line(text, word, check, None);
    }
    for (name, problem) in problems.iter().take(NAMED_MAX) {
        line(text, word, check, Some(&format!("{name}: {problem}")));
    }
    if problems.len() > NAMED_MAX {
        let more = format!("{} more; the log names them", problems.len() - NAMED_MAX);
        line(text, word, check, Some(&more));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn healthy() -> Health {
        Health {
            starting: false,
            schedules: 2,
            ..Health::new(Instant::now())
        }
    }

    fn cannot_run(count: usize) -> BTreeMap<ScheduleName, String> {
        (0..count)
            .map(|n| (ScheduleName::new(format!("s{n:02}")), "no grant".to_owned()))
            .collect()
    }

    #[test]
    fn a_loop_that_stands_still_is_not_alive() {
        let health = healthy();
        assert!(health.is_alive(health.tick + BEAT_AGE_MAX));
        assert!(!health.is_alive(health.tick + BEAT_AGE_MAX + Duration::from_secs(1)));
    }

    #[test]
    fn every_check_is_a_line() {
        let mut health = healthy();
        assert_eq!(
            health.report(),
            "ok clock\nok journal\nok documents\nok started\nok serving\nok ticks\nok schedules\nok outcomes\nok questions\nok runs\n"
        );
        health.documents = Some("a.yaml:1:1: one\na.yaml:2:1: two".to_owned());
        health.clock = Some("the clock is behind".to_owned());
        let report = health.report();
        assert!(report.starts_with(
            "fail clock: the clock is behind\nok journal\nwarn documents: a.yaml:1:1: one\nwarn documents: a.yaml:2:1: two\n"
        ));
    }

    #[test]
    fn ready_is_who_would_start_what_is_due() {
        assert!(healthy().is_ready());
        let one = Health {
            cannot_run: cannot_run(1),
            documents: Some("bad".to_owned()),
            ..healthy()
        };
        assert!(one.is_ready());
        assert!(one.report().contains("warn schedules: s00: no grant\n"));
        let all = Health {
            cannot_run: cannot_run(2),
            ..healthy()
        };
        assert!(!all.is_ready());
        assert!(all.report().contains("fail schedules: s01: no grant\n"));
        let reasons: [fn(&mut Health); 4] = [
            |health| health.draining = true,
            |health| health.starting = true,
            |health| health.clock = Some(String::new()),
            |health| health.journal = Some(String::new()),
        ];
        for spoil in reasons {
            let mut health = healthy();
            spoil(&mut health);
            assert!(!health.is_ready());
        }
    }

    #[test]
    fn ticks_that_no_longer_come_are_seen() {
        let mut health = healthy();
        health.tick_age = Some(TICK_AGE_MAX);
        assert!(health.report().contains("ok ticks\n"));
        health.tick_age = Some(Duration::from_secs(6));
        assert!(health.report().contains(
            "warn ticks: the last tick for plugins was 6 s ago, so that one may hold up all others;"
        ));
        assert!(health.is_ready());
    }

    #[test]
    fn who_asks_and_who_is_stuck_is_named_and_the_daemon_stays_ready() {
        let run = || RunId::new("r.1");
        let asks = Asks {
            run: run(),
            question: QuestionId(2),
        };
        let health = Health {
            questions: BTreeMap::from([(asks, "no leader; answer it".to_owned())]),
            stuck: BTreeMap::from([(run(), "its undo waits".to_owned())]),
            halted: BTreeMap::from([(RunId::new("a.1"), "no pin".to_owned())]),
            ..healthy()
        };
        assert!(health.is_ready());
        let report = health.report();
        assert!(report.ends_with(
            "warn questions: r.1 asks question 2: no leader; answer it\nwarn runs: a.1: no pin\nwarn runs: r.1: its undo waits\n"
        ), "{report}");
    }

    #[test]
    fn a_long_list_is_counted() {
        let health = Health {
            schedules: 100,
            cannot_run: cannot_run(25),
            ..healthy()
        };
        let report = health.report();
        assert!(report.contains("warn schedules: 5 more; the log names them\n"));
        assert_eq!(report.lines().count(), 9 + NAMED_MAX + 1);
    }
}

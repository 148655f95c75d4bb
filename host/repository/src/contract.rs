//! What every target keeps, as one suite: it runs over the fake and over every store plugin, so
//! that the fake cannot lie, and for the author of a plugin through `drydock plugin test`.
//!
//! It works below a prefix of its own, which it empties before and after. What cannot be
//! removed, because the target locks it, is told. It goes on after a check that failed: no two
//! checks use the same object.
//!
//! Prefixes end with `/` or are empty: that is all that Drydock ever asks for. Parts are as small
//! as the target takes them, and objects as small as a check can do with, since there are targets
//! whose parts have 5 MiB.

mod checks;
mod suite;

use std::time::{Duration, Instant};

use drydock_core::UnixTime;
use drydock_core::store::Layout;

use crate::target::Target;

use suite::Suite;

/// Until when the fake and the servers of tests lock: in 2100.
const FAR: UnixTime = UnixTime(4_102_444_800);

/// What is looked at, where.
#[derive(Debug, Clone)]
pub struct Terms {
    /// Below what it works; it ends with `/`, and is nobody else's.
    pub prefix: String,
    /// Until when it locks two objects, where the target locks: nobody can remove them before.
    pub lock_until: UnixTime,
}

/// What came of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// What is expected, in plain words.
    pub name: &'static str,
    pub end: CheckEnd,
    pub took: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckEnd {
    Passed,
    /// How the target does not meet it.
    Failed(String),
    /// Why it is not asked of this target.
    NotApplicable(String),
}

/// All of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    pub checks: Vec<Checked>,
    /// What is left at the target, a sentence each.
    pub left: Vec<String>,
}

/// Holds a target to the suite.
pub async fn examine(target: &dyn Target, terms: &Terms) -> Report {
    let begun = Instant::now();
    let mut report = Report::default();
    let suite = match Suite::new(target, terms).await {
        Ok(suite) => suite,
        Err(why) => {
            report.add(
                "its layout can be worked with",
                begun,
                CheckEnd::Failed(why),
            );
            return report;
        }
    };
    report.add("its layout can be worked with", begun, CheckEnd::Passed);
    // What is there of an earlier one that was cut off would be taken for this one's.
    let begun = Instant::now();
    report.add("its folder can be emptied", begun, of(suite.empty().await));
    for check in checks::CHECKS {
        let begun = Instant::now();
        let end = match (check.passed_over)(&suite.layout) {
            Some(why) => CheckEnd::NotApplicable(why.to_owned()),
            None => of((check.run)(&suite).await),
        };
        report.add(check.name, begun, end);
    }
    report.left = suite.left().await;
    report
}

/// The same for a test.
///
/// # Errors
/// The first expectation that the target does not meet, in a sentence.
pub async fn run(target: &dyn Target) -> Result<(), String> {
    let terms = Terms {
        prefix: "contract/".to_owned(),
        lock_until: FAR,
    };
    let report = examine(target, &terms).await;
    let failed = report.checks.into_iter().find_map(|check| match check.end {
        CheckEnd::Failed(why) => Some(why),
        _ => None,
    });
    failed.map_or(Ok(()), Err)
}

impl Report {
    fn add(&mut self, name: &'static str, begun: Instant, end: CheckEnd) {
        self.checks.push(Checked {
            name,
            end,
            took: begun.elapsed(),
        });
    }

    /// Whether nothing failed.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        let failed = |check: &Checked| matches!(check.end, CheckEnd::Failed(_));
        !self.checks.iter().any(failed)
    }
}

fn of(outcome: Result<(), String>) -> CheckEnd {
    outcome.map_or_else(CheckEnd::Failed, |()| CheckEnd::Passed)
}

/// One expectation.
struct Check {
    name: &'static str,
    /// Why it is not asked of a target with this layout.
    passed_over: fn(&Layout) -> Option<&'static str>,
    run: for<'a> fn(&'a Suite<'a>) -> Checking<'a>,
}

type Checking<'a> = std::pin::Pin<Box<dyn Future<Output = Result<(), String>> + Send + 'a>>;

//! What a drill found, as data: checks, times, and a verdict.

use std::time::{Duration, Instant};

use drydock_api_types::drill::{Check, DrillReport, Phase, Timed, Verdict};
use drydock_core::{TargetName, VERSION};

use super::Asked;

/// The version of the report's form.
const REPORT_FORMAT_VERSION: u32 = 1;

/// The phases whose time is the time to recover.
const RECOVERY: [Phase; 4] = [Phase::Fetch, Phase::Check, Phase::Restore, Phase::Boot];

/// A report under way.
#[derive(Debug)]
pub struct Report {
    pub data: DrillReport,
    /// Why what was compared proves nothing, if so.
    nothing: Option<String>,
}

/// What a phase is, for people.
#[must_use]
pub fn title(phase: Phase) -> &'static str {
    match phase {
        Phase::Prepare => "prepare scratch and programs",
        Phase::Fetch => "fetch and unseal",
        Phase::Check => "check the snapshot",
        Phase::Restore => "restore the members",
        Phase::Boot => "boot etcd",
        Phase::Compare => "compare",
        Phase::ApiServer => "API server and lists",
        Phase::End => "clean up",
    }
}

impl Report {
    pub(super) fn begin(asked: &Asked<'_>) -> Self {
        let manifest = &asked.point.manifest;
        let age = asked.now.0.saturating_sub(manifest.taken.0);
        let signer = asked.point.signer.to_string();
        let data = DrillReport {
            format_version: REPORT_FORMAT_VERSION,
            verdict: Verdict::Fail,
            reason: None,
            cluster: manifest.cluster.clone(),
            recovery_point: manifest.recovery_point.clone(),
            target: TargetName::new(asked.target),
            manifest_sha256: asked.point.manifest_sha256.to_string(),
            checks: vec![Check {
                name: "signer of the manifest".to_owned(),
                expected: "one of trustedSigners".to_owned(),
                found: signer.clone(),
                verdict: Verdict::Pass,
            }],
            signer,
            node: asked.node.clone(),
            drydock_version: VERSION.to_owned(),
            etcd_version: String::new(),
            started: asked.now.into(),
            data_taken: manifest.taken.into(),
            data_age_seconds: u64::try_from(age).unwrap_or(0),
            data_bytes: manifest.artifacts.iter().map(|a| a.plain.size).sum(),
            recovery_milliseconds: None,
            phases: Vec::new(),
        };
        Self {
            data,
            nothing: None,
        }
    }

    /// Measures a part of a phase; parts of one phase are added up.
    pub async fn timed<T>(&mut self, phase: Phase, work: impl AsyncFnOnce() -> T) -> T {
        let begun = Instant::now();
        let done = work().await;
        self.spent(phase, begun.elapsed());
        done
    }

    pub fn spent(&mut self, phase: Phase, time: Duration) {
        let milliseconds = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        match self
            .data
            .phases
            .iter_mut()
            .find(|timed| timed.phase == phase)
        {
            Some(timed) => timed.milliseconds = timed.milliseconds.saturating_add(milliseconds),
            None => self.data.phases.push(Timed {
                phase,
                milliseconds,
            }),
        }
    }

    /// Notes what was compared: equal passes.
    pub fn compare(
        &mut self,
        name: impl Into<String>,
        expected: impl ToString,
        found: impl ToString,
    ) {
        let (expected, found) = (expected.to_string(), found.to_string());
        let verdict = Verdict::from(expected == found);
        self.note(name, expected, found, verdict);
    }

    pub fn note(
        &mut self,
        name: impl Into<String>,
        expected: impl Into<String>,
        found: impl Into<String>,
        verdict: Verdict,
    ) {
        self.data.checks.push(Check {
            name: name.into(),
            expected: expected.into(),
            found: found.into(),
            verdict,
        });
    }

    /// Of what the drill is for there is nothing to compare: it may fail, and cannot pass.
    pub fn nothing_to_compare(&mut self, why: &str) {
        let why = || format!("nothing to compare: {why}");
        self.nothing.get_or_insert_with(why);
    }

    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.failures().next().is_some()
    }

    fn failures(&self) -> impl Iterator<Item = &Check> {
        let failed = |check: &&Check| check.verdict == Verdict::Fail;
        self.data.checks.iter().filter(failed)
    }

    /// The recovery was done: adds up its phases.
    pub(super) fn recovered(&mut self) {
        let phases = self.data.phases.iter();
        let of_recovery = phases.filter(|timed| RECOVERY.contains(&timed.phase));
        self.data.recovery_milliseconds = Some(of_recovery.map(|timed| timed.milliseconds).sum());
    }

    /// The report, with its verdict.
    pub(super) fn finish(mut self) -> DrillReport {
        self.data.verdict = match (self.has_failed(), &self.nothing) {
            (true, _) => Verdict::Fail,
            (false, Some(_)) => Verdict::Skipped,
            (false, None) => Verdict::Pass,
        };
        let mut failures = self.failures();
        let first = failures.next();
        let more = failures.count();
        let failed = first.map(|check| {
            let others = match more {
                0 => String::new(),
                1 => "; one more check failed".to_owned(),
                _ => format!("; {more} more checks failed"),
            };
            format!(
                "{}: expected {}, found {}{others}",
                check.name, check.expected, check.found
            )
        });
        self.data.reason = failed.or(self.nothing);
        self.data
    }
}

//! What a drill found, as data: checks, times, and a verdict.

use std::time::{Duration, Instant};

use drydock_core::{UnixTime, VERSION};
use serde::{Serialize, Serializer};

use super::Asked;

/// The version of the report's form.
const REPORT_FORMAT_VERSION: u32 = 1;

/// A part of a drill whose time is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Scratch folder, programs, certificates: no part of a recovery.
    Prepare,
    /// Bytes from the target, their digests compared, unsealed and decompressed on the way.
    Fetch,
    /// Every page of the snapshot, its trailer, its figures.
    Check,
    /// The members' data folders.
    Restore,
    /// Until every member has a leader.
    Boot,
    /// Hashes, revisions and counts of the members.
    Compare,
    /// A kube-apiserver, until it is ready, and the lists.
    ApiServer,
    /// Servers and folder go.
    End,
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    Pass,
    Fail,
    /// There was nothing to compare with.
    Skipped,
}

/// One thing that was compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    pub name: String,
    pub expected: String,
    pub found: String,
    pub verdict: Verdict,
}

/// The time of a phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Timed {
    pub phase: Phase,
    pub milliseconds: u64,
}

/// What a drill found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub format_version: u32,
    pub verdict: Verdict,
    /// Why the verdict is not `pass`, in a sentence.
    pub reason: Option<String>,
    pub cluster: String,
    pub recovery_point: String,
    pub target: String,
    pub manifest_sha256: String,
    /// Id of the key that signed the manifest.
    pub signer: String,
    pub node: String,
    pub drydock_version: String,
    /// Major and minor version of the etcd that was booted.
    pub etcd_version: String,
    /// When the drill began.
    #[serde(serialize_with = "instant")]
    pub started: UnixTime,
    /// When the backup step began to read the data.
    #[serde(serialize_with = "instant")]
    pub data_taken: UnixTime,
    /// Between the two: what would have been lost (RPO) had the cluster gone then.
    pub data_age_seconds: u64,
    pub data_bytes: u64,
    /// From the first byte fetched to members that all have a leader (RTO, as far as a
    /// machine can measure it); none when it did not come to that.
    pub recovery_milliseconds: Option<u64>,
    pub phases: Vec<Timed>,
    pub checks: Vec<Check>,
    /// Why what was compared proves nothing, if so.
    #[serde(skip)]
    nothing: Option<String>,
}

impl Phase {
    pub const RECOVERY: [Self; 4] = [Self::Fetch, Self::Check, Self::Restore, Self::Boot];

    /// What it is, for people.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Prepare => "prepare scratch and programs",
            Self::Fetch => "fetch and unseal",
            Self::Check => "check the snapshot",
            Self::Restore => "restore the members",
            Self::Boot => "boot etcd",
            Self::Compare => "compare",
            Self::ApiServer => "API server and lists",
            Self::End => "clean up",
        }
    }
}

impl Verdict {
    #[must_use]
    pub fn of(pass: bool) -> Self {
        if pass { Self::Pass } else { Self::Fail }
    }

    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Skipped => "skipped",
        }
    }
}

impl Report {
    pub(super) fn begin(asked: &Asked<'_>) -> Self {
        let manifest = &asked.point.manifest;
        let age = asked.now.0.saturating_sub(manifest.taken.0);
        let signer = asked.point.signer.to_string();
        Self {
            format_version: REPORT_FORMAT_VERSION,
            verdict: Verdict::Fail,
            reason: None,
            cluster: manifest.cluster.to_string(),
            recovery_point: manifest.recovery_point.to_string(),
            target: asked.target.to_owned(),
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
            started: asked.now,
            data_taken: manifest.taken,
            data_age_seconds: u64::try_from(age).unwrap_or(0),
            data_bytes: manifest.artifacts.iter().map(|a| a.plain.size).sum(),
            recovery_milliseconds: None,
            phases: Vec::new(),
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
        match self.phases.iter_mut().find(|timed| timed.phase == phase) {
            Some(timed) => timed.milliseconds = timed.milliseconds.saturating_add(milliseconds),
            None => self.phases.push(Timed {
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
        let pass = expected == found;
        self.note(name, expected, found, Verdict::of(pass));
    }

    pub fn note(
        &mut self,
        name: impl Into<String>,
        expected: impl Into<String>,
        found: impl Into<String>,
        verdict: Verdict,
    ) {
        self.checks.push(Check {
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
        self.checks.iter().filter(failed)
    }

    /// The recovery was done: adds up its phases.
    pub(super) fn recovered(&mut self) {
        let phases = self.phases.iter();
        let of_recovery = phases.filter(|timed| Phase::RECOVERY.contains(&timed.phase));
        self.recovery_milliseconds = Some(of_recovery.map(|timed| timed.milliseconds).sum());
    }

    pub(super) fn finish(&mut self) {
        self.verdict = match (self.has_failed(), &self.nothing) {
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
        self.reason = failed.or_else(|| self.nothing.clone());
    }
}

fn instant<S: Serializer>(at: &UnixTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(at)
}

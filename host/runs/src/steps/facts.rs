//! The facts of an artifact. Of an etcd snapshot: what its bytes say, what the live
//! members say of the same revision, and what the last recovery point said. The host
//! gathers them; the verify plugins judge. `wit/artifact.wit` lists the names.

use std::collections::BTreeSet;
use std::sync::Arc;

use drydock_archive::ArchiveSummary;
use drydock_capability_artifact::spool::SpoolReader;
use drydock_capability_etcd::{EtcdAccess, HashKv as LiveHash, Member, MemberStatus, is_silence};
use drydock_core::{Clock, ErrorCode, FactValue, Facts, Fault, Finding, Level, ReadAt, UnixTime};
use drydock_drill::resources;
use drydock_repository::recovery_point::Observed;
use drydock_sandbox::{StopSignal, asked_to_stop};
use drydock_snapshot::{
    Limits, Problems, SnapshotError, Source, StreamRefused, StreamSummary, Survey,
};
use tokio::runtime::Handle;

use super::previous::Previous;
use super::stopwatch::Stopwatch;
use super::witnesses;

/// Problems that are given as facts one by one; the count tells of the rest.
const PROBLEMS_GIVEN_MAX: usize = 16;

/// When an artifact's first byte was asked for, and when its last had come; in seconds
/// since 1970.
pub const OPENED: &str = "artifact.opened";
pub const CLOSED: &str = "artifact.closed";

/// Whether an artifact of these facts is an etcd snapshot.
pub fn is_snapshot(facts: &Facts) -> bool {
    facts.get("snapshot.trailer").is_some()
}

/// Whether an artifact of these facts is a tar archive.
pub fn is_archive(facts: &Facts) -> bool {
    facts.get("archive.entries").is_some()
}

fn archive(summary: &ArchiveSummary, facts: &mut Facts) {
    let figures = [
        ("archive.entries", summary.entries),
        ("archive.bytes", summary.bytes),
        ("archive.problems", summary.problems_total),
        ("archive.names-unchecked", summary.names_unchecked),
    ];
    for (name, figure) in figures {
        facts.set(name, FactValue::Unsigned(figure));
    }
    tell_problems("archive", &summary.problems, facts);
}

/// The first problems as `<kind>.problem.<n>`; their count tells of the rest.
fn tell_problems(kind: &str, problems: &[String], facts: &mut Facts) {
    for (number, problem) in problems.iter().take(PROBLEMS_GIVEN_MAX).enumerate() {
        facts.set_text(format!("{kind}.problem.{number}"), problem);
    }
}

/// Gathers facts for one run.
#[derive(Clone)]
pub struct FactGatherer {
    pub etcd: EtcdAccess,
    pub previous: Arc<Previous>,
    pub limits: Limits,
    pub clock: Arc<dyn Clock>,
    /// The runtime on which the calls to live members wait.
    pub runtime: Handle,
    /// Set once the run is to stop.
    pub stop: StopSignal,
}

/// What the host knows of an artifact, and what it found meanwhile.
#[derive(Default)]
pub struct Gathered {
    pub facts: Facts,
    pub findings: Vec<Finding>,
}

/// From when to when an artifact was read.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    pub opened: UnixTime,
    pub closed: UnixTime,
}

/// What an artifact turned out to be, with what the checks of its stream amounted to.
pub enum Nature {
    Snapshot(SnapshotCheck),
    Archive(ArchiveSummary),
    /// Bytes of which nothing more is known.
    Other,
}

/// What the checks of a snapshot's stream amounted to.
pub struct SnapshotCheck {
    trailer: &'static str,
    problems: Vec<String>,
    problems_total: u64,
    /// Why the database, which is sound, is not etcd's.
    not_etcd: Option<String>,
}

/// A member and what it answered.
struct LiveMember {
    endpoint: String,
    id: Option<u64>,
    learner: bool,
    answer: Result<LiveHash, NoHash>,
}

/// Why there is no hash of a member.
struct NoHash {
    why: String,
    /// It did not answer at all; one that refuses did.
    silent: bool,
}

impl SnapshotCheck {
    /// What the stream's window could not judge is no problem yet: the walk over the whole
    /// spool judges it.
    pub fn of(end: Result<StreamSummary, StreamRefused>) -> Self {
        match end {
            Err(StreamRefused::Damaged(problems)) => Self::refused(&problems),
            Ok(_) | Err(StreamRefused::Unjudged(_)) => Self {
                trailer: "match",
                problems: Vec::new(),
                problems_total: 0,
                not_etcd: None,
            },
        }
    }

    /// The walk over the whole spool, unless the bytes are known to be damaged; what it
    /// finds wrong counts as what the stream's check finds.
    fn walk<'s>(
        &mut self,
        source: &'s PlainSource<'_>,
        limits: &Limits,
    ) -> Result<Option<Survey<'s>>, Fault> {
        if self.problems_total > 0 {
            return Ok(None);
        }
        match Survey::of(source, limits) {
            Ok(survey) => Ok(Some(survey)),
            Err(SnapshotError::Damaged(problems)) => {
                *self = Self::refused(&problems);
                Ok(None)
            }
            Err(error) => Err(unreadable(&error)),
        }
    }

    fn refused(problems: &Problems) -> Self {
        use drydock_snapshot::Problem;
        let listed = problems.listed();
        let has = |wanted: fn(&Problem) -> bool| listed.iter().any(wanted);
        let trailer = if has(|p| matches!(p, Problem::TrailerMissing { .. })) {
            "missing"
        } else if has(|p| {
            matches!(
                p,
                Problem::TrailerMismatch { .. } | Problem::Truncated { .. }
            )
        }) {
            "mismatch"
        } else {
            "match"
        };
        Self {
            trailer,
            problems: listed.iter().map(ToString::to_string).collect(),
            problems_total: problems.total(),
            not_etcd: problems.not_etcd().map(ToString::to_string),
        }
    }

    fn tell(&self, facts: &mut Facts) {
        facts.set_text("snapshot.trailer", self.trailer);
        facts.set(
            "snapshot.problems",
            FactValue::Unsigned(self.problems_total),
        );
        tell_problems("snapshot", &self.problems, facts);
        if let Some(why) = &self.not_etcd {
            facts.set_text("snapshot.not-etcd", why);
        }
    }
}

impl FactGatherer {
    /// Facts of a finished output. Called from a blocking thread; for a snapshot it waits
    /// for the live members.
    pub fn gather(
        &self,
        name: &str,
        span: Span,
        plain: &SpoolReader,
        nature: Nature,
    ) -> Result<Gathered, Fault> {
        let mut gathered = Gathered::default();
        let facts = &mut gathered.facts;
        facts.set_text("artifact.name", name);
        facts.set("artifact.size", FactValue::Unsigned(plain.size()));
        facts.set(OPENED, FactValue::Signed(span.opened.0));
        facts.set(CLOSED, FactValue::Signed(span.closed.0));
        let check = match nature {
            Nature::Other => return Ok(gathered),
            Nature::Archive(summary) => {
                archive(&summary, facts);
                return Ok(gathered);
            }
            Nature::Snapshot(check) => check,
        };
        facts.set("snapshot.taken", FactValue::Signed(span.opened.0));
        if let Some(member) = self.etcd.snapshot_member() {
            facts.set_text("snapshot.member", format!("{member:x}"));
        }
        let source = PlainSource {
            plain,
            stop: &self.stop,
        };
        let judged = self.judge(check, &source, facts);
        // What could not be read because nobody wants it any more is not damaged.
        self.go_on()?;
        gathered.findings = judged?;
        Ok(gathered)
    }

    /// Refuses to go on once the run is to stop.
    fn go_on(&self) -> Result<(), Fault> {
        self.stop.borrow().clone().map_or(Ok(()), Err)
    }

    /// Facts of a snapshot's bytes, and what was found.
    fn judge(
        &self,
        mut check: SnapshotCheck,
        source: &PlainSource<'_>,
        facts: &mut Facts,
    ) -> Result<Vec<Finding>, Fault> {
        let lap = Stopwatch::begin();
        let survey = check.walk(source, &self.limits)?;
        tracing::info!(figures_ms = lap.ms(), "the snapshot's figures are known");
        check.tell(facts);
        survey.map_or(Ok(Vec::new()), |survey| self.figures(&survey, facts))
    }

    fn figures(&self, survey: &Survey<'_>, facts: &mut Facts) -> Result<Vec<Finding>, Fault> {
        let status = survey.status();
        facts.set("snapshot.hash", FactValue::Unsigned(status.hash.into()));
        facts.set("snapshot.revision", FactValue::Signed(status.revision));
        facts.set("snapshot.total-key", FactValue::Unsigned(status.total_key));
        facts.set(
            "snapshot.total-size",
            FactValue::Unsigned(status.total_size.unsigned_abs()),
        );
        facts.set_text("snapshot.version", &status.version);
        resources::tell(&resources::named(survey.resource_counts()), facts);
        let lap = Stopwatch::begin();
        let live = self.wanted(live_members(self.etcd.clone(), status.revision))?;
        tracing::info!(
            members_ms = lap.ms(),
            "the members were asked for their hash"
        );
        let lap = Stopwatch::begin();
        self.compare(survey, status.revision, &live, facts)?;
        tracing::info!(hash_ms = lap.ms(), "the snapshot's own hash is known");
        let mut findings = self.history(survey, &live, facts)?;
        findings.extend(live.finding());
        Ok(findings)
    }

    /// What of the snapshot's history was told before, and what is told of it to later ones.
    fn history(
        &self,
        survey: &Survey<'_>,
        live: &LiveCluster,
        facts: &mut Facts,
    ) -> Result<Vec<Finding>, Fault> {
        let lap = Stopwatch::begin();
        let witnesses = survey.witnesses().map_err(|error| unreadable(&error))?;
        witnesses::tell(&witnesses, facts);
        let told = self.wanted(self.previous.ask())?;
        let last = told.last.as_ref();
        let etcd = last.and_then(|last| last.manifest.etcd.as_ref());
        let noted = etcd.map_or(&[][..], |etcd| &etcd.witnesses);
        let history = survey.shared_history(noted);
        let cluster_id = live.cluster_id.map(|id| format!("{id:x}"));
        let observed = Observed {
            cluster_id: cluster_id.as_deref(),
            raft_term: live.raft_term,
            raft_index: live.raft_index,
            bumped_to: survey.bumped_to(),
            history: history.map_err(|error| unreadable(&error))?,
        };
        let findings = self.previous.tell(told, observed, facts);
        tracing::info!(history_ms = lap.ms(), "the snapshot's history is compared");
        Ok(findings)
    }

    /// Waits for it, unless the run is to stop: a member or a target that says nothing must
    /// not hold it up.
    fn wanted<T>(&self, facts: impl Future<Output = T>) -> Result<T, Fault> {
        let mut stop = self.stop.clone();
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                facts = facts => Ok(facts),
                why = asked_to_stop(&mut stop) => Err(why),
            }
        })
    }

    /// The snapshot's own hash, and for each live member the hash that it should answer.
    fn compare(
        &self,
        survey: &Survey<'_>,
        revision: i64,
        live: &LiveCluster,
        facts: &mut Facts,
    ) -> Result<(), Fault> {
        let own = survey
            .hash_kv(Some(revision))
            .map_err(|error| unreadable(&error))?;
        facts.set("snapshot.hash-kv", FactValue::Unsigned(own.hash.into()));
        facts.set(
            "snapshot.hash-kv.compact-revision",
            FactValue::Signed(own.compact_revision),
        );
        facts.set("members", FactValue::Unsigned(live.voters as u64));
        facts.set("cluster.quorum", FactValue::Flag(live.quorum));
        if let Some(id) = live.cluster_id {
            facts.set_text("cluster.id", format!("{id:x}"));
        }
        if let Some(index) = live.raft_index {
            facts.set("cluster.raft-index", FactValue::Unsigned(index));
        }
        if let Some(term) = live.raft_term {
            facts.set("cluster.raft-term", FactValue::Unsigned(term));
        }
        for (number, member) in live.members.iter().enumerate() {
            member.tell(
                number,
                survey,
                revision,
                own.compact_revision,
                own.hash,
                facts,
            );
        }
        Ok(())
    }
}

impl LiveMember {
    fn of(answer: EndpointAnswer) -> Self {
        let EndpointAnswer {
            endpoint,
            status,
            hash,
            ..
        } = answer;
        Self {
            endpoint,
            id: status.as_ref().ok().map(|status| status.member_id),
            learner: status.as_ref().is_ok_and(|status| status.learner),
            answer: status.and(hash).map_err(|fault| NoHash {
                silent: is_silence(&fault),
                why: fault.message,
            }),
        }
    }

    /// Two endpoints may lead to one member, which is one all the same: the answer that can
    /// be compared is the one that counts.
    fn each_once(answers: Vec<EndpointAnswer>) -> Vec<Self> {
        let mut members: Vec<Self> = Vec::new();
        for live in answers.into_iter().map(Self::of) {
            let same = |other: &&mut Self| live.id.is_some() && other.id == live.id;
            match members.iter_mut().find(same) {
                Some(other) if other.answer.is_err() && live.answer.is_ok() => *other = live,
                Some(_) => {}
                None => members.push(live),
            }
        }
        members
    }

    /// A member that the Cluster document does not name. Nobody asked it.
    fn unnamed(member: &Member) -> Self {
        Self {
            endpoint: String::new(),
            id: Some(member.id),
            learner: false,
            answer: Err(NoHash {
                why: format!(
                    "the Cluster document has no endpoint for it: add {}",
                    member.client_urls.join(" or ")
                ),
                silent: false,
            }),
        }
    }

    fn tell(
        &self,
        number: usize,
        survey: &Survey<'_>,
        revision: i64,
        own_compaction: i64,
        own_hash: u32,
        facts: &mut Facts,
    ) {
        let name = |fact: &str| format!("member.{number}.{fact}");
        if !self.endpoint.is_empty() {
            facts.set_text(name("endpoint"), &self.endpoint);
        }
        facts.set(name("learner"), FactValue::Flag(self.learner));
        let reachable = self.answer.as_ref().err().is_none_or(|none| !none.silent);
        facts.set(name("reachable"), FactValue::Flag(reachable));
        if let Some(id) = self.id {
            facts.set_text(name("id"), format!("{id:x}"));
        }
        let answer = match &self.answer {
            Ok(answer) => answer,
            Err(none) => return facts.set_text(name("not-comparable"), &none.why),
        };
        facts.set(name("hash-kv"), FactValue::Unsigned(answer.hash.into()));
        facts.set(
            name("compact-revision"),
            FactValue::Signed(answer.compact_revision),
        );
        let expected = if answer.hash_revision != 0 && answer.hash_revision != revision {
            Err(format!(
                "the member hashed revision {} instead of {revision}",
                answer.hash_revision
            ))
        } else if answer.compact_revision == own_compaction {
            Ok(own_hash)
        } else {
            survey
                .hash_kv_compacted_at(revision, answer.compact_revision)
                .map(|hash| hash.hash)
                .map_err(|error| error.to_string())
        };
        match expected {
            Ok(hash) => facts.set(name("expected-hash-kv"), FactValue::Unsigned(hash.into())),
            Err(why) => facts.set_text(name("not-comparable"), why),
        }
    }
}

/// The cluster as it answers now.
struct LiveCluster {
    cluster_id: Option<u64>,
    raft_index: Option<u64>,
    /// Of the members that see a leader: what another says of terms may be long past.
    raft_term: Option<u64>,
    voters: usize,
    quorum: bool,
    /// Why nobody knows what members there are beside those that answered, if so.
    unlisted: Option<String>,
    members: Vec<LiveMember>,
}

/// What came from one endpoint.
struct EndpointAnswer {
    endpoint: String,
    status: Result<MemberStatus, Fault>,
    hash: Result<LiveHash, Fault>,
    members: Result<Vec<Member>, Fault>,
}

/// Asks every configured endpoint, all at once, for its status and its hash at
/// `revision`. A member that does not answer is a fact, not an error.
async fn live_members(etcd: EtcdAccess, revision: i64) -> LiveCluster {
    let mut asked = tokio::task::JoinSet::new();
    for (number, endpoint) in etcd.endpoints().iter().cloned().enumerate() {
        let etcd = etcd.clone();
        asked.spawn(async move {
            let answer = EndpointAnswer {
                status: etcd.status(&endpoint).await,
                hash: etcd.hash_kv(&endpoint, revision).await,
                members: etcd.member_list(&endpoint).await,
                endpoint,
            };
            (number, answer)
        });
    }
    let mut answers = asked.join_all().await;
    answers.sort_by_key(|(number, _)| *number);
    LiveCluster::of(answers.into_iter().map(|(_, answer)| answer).collect())
}

impl LiveCluster {
    fn of(answers: Vec<EndpointAnswer>) -> Self {
        let mut lists = answers.iter().map(|answer| &answer.members);
        let known = lists.clone().find_map(|list| list.as_ref().ok().cloned());
        let statuses = || answers.iter().filter_map(|one| one.status.as_ref().ok());
        // Where nobody answers, that is all there is to say.
        let unlisted = match known {
            None if statuses().next().is_some() => lists.find_map(|list| list.as_ref().err()),
            _ => None,
        };
        let unlisted = unlisted.map(|fault| fault.message.clone());
        let cluster_id = statuses().map(|status| status.cluster_id).next();
        let raft_index = statuses().map(|status| status.raft_applied_index).max();
        let has_leader = statuses().any(|status| status.leader != 0);
        let raft_term = statuses()
            .filter(|status| status.leader != 0)
            .map(|status| status.raft_term)
            .max();
        let reached = statuses().filter(|status| !status.learner);
        let reached: BTreeSet<u64> = reached.map(|status| status.member_id).collect();
        let members = LiveMember::each_once(answers);
        let voters = known.as_ref().map_or(members.len(), |members| {
            members.iter().filter(|member| !member.learner).count()
        });
        let cluster = Self {
            cluster_id,
            raft_index,
            raft_term,
            voters,
            quorum: reached.len() > voters / 2 && has_leader,
            unlisted,
            members,
        };
        cluster.with_the_unnamed(&known.unwrap_or_default())
    }

    /// Adds voting members to which no endpoint leads, so that there is an entry for each
    /// of `voters`. Plugins count the voters from 0: learners come last, and before them
    /// silent endpoints where there are more entries than voters.
    fn with_the_unnamed(mut self, known: &[Member]) -> Self {
        let reached: Vec<u64> = self.members.iter().filter_map(|live| live.id).collect();
        let named = self.members.iter().filter(|live| !live.learner).count();
        let unnamed = known
            .iter()
            .filter(|member| !member.learner && !reached.contains(&member.id))
            .filter(|member| {
                let urls = &member.client_urls;
                !self
                    .members
                    .iter()
                    .any(|live| urls.contains(&live.endpoint))
            })
            .take(self.voters.saturating_sub(named))
            .map(LiveMember::unnamed)
            .collect::<Vec<_>>();
        self.members.extend(unnamed);
        let is_crowded = named > self.voters;
        self.members
            .sort_by_key(|live| (live.learner, is_crowded && live.id.is_none()));
        let entries = self.members.iter().filter(|live| !live.learner).count();
        self.voters = self.voters.min(entries);
        self
    }

    /// What an operator has to know of a cluster that does not tell its members.
    fn finding(&self) -> Option<Finding> {
        let why = self.unlisted.as_ref()?;
        let message = format!(
            "the cluster did not list its members ({why}), so that members which no endpoint of the Cluster document leads to were not compared with, nor counted"
        );
        Some(Finding::new(Level::Note, "members-unlisted", message))
    }
}

/// The spool as the snapshot crate reads it, until the run is to stop.
struct PlainSource<'a> {
    plain: &'a SpoolReader,
    stop: &'a StopSignal,
}

impl Source for PlainSource<'_> {
    fn size(&self) -> std::io::Result<u64> {
        Ok(self.plain.size())
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<()> {
        if self.stop.borrow().is_some() {
            return Err(std::io::Error::other("the run was asked to stop"));
        }
        self.plain.read_exact_at(buffer, offset)
    }
}

/// Why a snapshot that is not known to be damaged has no figures.
fn unreadable(error: &SnapshotError) -> Fault {
    let why = drydock_core::chain(error);
    match error {
        SnapshotError::Limit(_) => Fault::permanent(
            ErrorCode::SnapshotLimit,
            format!(
                "{why}: nothing of it is stored; use a newer drydock, or store less under one key"
            ),
        ),
        SnapshotError::Read { .. } | SnapshotError::Size(_) | SnapshotError::Spill(_) => {
            Fault::transient(
                ErrorCode::Io,
                format!("the spool cannot be read back: {why}"),
            )
        }
        _ => Fault::permanent(
            ErrorCode::Corrupt,
            format!("the snapshot's figures cannot be read: {why}"),
        ),
    }
}

#[cfg(test)]
mod tests;

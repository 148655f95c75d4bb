//! What the live members say of a snapshot's revision: which there are, whether they have a
//! quorum, and the hash of each beside the one that the snapshot lets expect.

use std::collections::BTreeSet;

use drydock_capability_etcd::{EtcdAccess, HashKv as LiveHash, Member, MemberStatus, is_silence};
use drydock_core::nature::{ClusterReport, Comparison, HashKv, MemberHash, MemberReport};
use drydock_core::{Fault, Finding, Level};
use drydock_snapshot::Survey;

/// The cluster as it answers now.
pub struct LiveCluster {
    cluster_id: Option<u64>,
    pub raft_index: Option<u64>,
    /// Of the members that see a leader: what another says of terms may be long past.
    pub raft_term: Option<u64>,
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

/// Asks every configured endpoint, all at once, for its status and its hash at
/// `revision`. A member that does not answer is a fact, not an error.
pub async fn live_members(etcd: EtcdAccess, revision: i64) -> LiveCluster {
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

    /// Each member as it is kept, compared with the snapshot, whose own HashKV is `own`.
    pub fn report(&self, survey: &Survey<'_>, own: HashKv) -> ClusterReport {
        let members = self.members.iter();
        ClusterReport {
            id: self.id(),
            voters: self.voters as u64,
            quorum: self.quorum,
            members: members.map(|live| live.report(survey, own)).collect(),
        }
    }

    /// The cluster's id in lower-case hex.
    pub fn id(&self) -> Option<String> {
        self.cluster_id.map(|id| format!("{id:x}"))
    }

    /// What an operator has to know of a cluster that does not tell its members.
    pub fn finding(&self) -> Option<Finding> {
        let why = self.unlisted.as_ref()?;
        let message = format!(
            "the cluster did not list its members ({why}), so that members which no endpoint of the Cluster document leads to were not compared with, nor counted"
        );
        Some(Finding::new(Level::Note, "members-unlisted", message))
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

    /// How it compares with the snapshot, whose own HashKV is `own`.
    fn report(&self, survey: &Survey<'_>, own: HashKv) -> MemberReport {
        let (hash, comparison) = match &self.answer {
            Ok(answer) => {
                let hash = MemberHash {
                    hash_kv: answer.hash,
                    compact_revision: answer.compact_revision,
                };
                (Some(hash), expected(answer, survey, own))
            }
            Err(none) => (None, Err(none.why.clone())),
        };
        MemberReport {
            id: self.id.map(|id| format!("{id:x}")),
            endpoint: Some(self.endpoint.clone()).filter(|endpoint| !endpoint.is_empty()),
            learner: self.learner,
            reachable: self.answer.as_ref().err().is_none_or(|none| !none.silent),
            hash,
            comparison: comparison.map_or_else(Comparison::NotComparable, Comparison::Expected),
        }
    }
}

/// The hash that a member should have answered, or why nobody can tell.
fn expected(answer: &LiveHash, survey: &Survey<'_>, own: HashKv) -> Result<u32, String> {
    let revision = own.hash_revision;
    if answer.hash_revision != 0 && answer.hash_revision != revision {
        return Err(format!(
            "the member hashed revision {} instead of {revision}",
            answer.hash_revision
        ));
    }
    if answer.compact_revision == own.compact_revision {
        return Ok(own.hash);
    }
    survey
        .hash_kv_compacted_at(revision, answer.compact_revision)
        .map(|hash| hash.hash)
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;

//! The calls that can be granted, each checked when it is made.

use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use drydock_core::{ErrorCode, Fault};
use etcd_client::{Client, GetOptions};

use crate::alarm::{self, RaisedAlarm};
use crate::config::{EtcdConfig, Timeouts};
use crate::connect::Connections;
use crate::fault;
use crate::grant::EtcdCall;
use crate::snapshot::SnapshotStream;

/// Times that a call which only reads is made when its connection is cut: the first may be
/// one that the member closed while it was idle, and a refusal may overtake its reason once
/// or twice.
const CUT_TRIES_MAX: u32 = 4;

/// Log-ins for one call: a token may run out, or be revoked, between a log-in and the call
/// that it is for. Whoever is refused more often is refused.
const LOG_INS_MAX: u32 = 2;

/// The key that `etcdctl endpoint health` asks for.
const HEALTH_KEY: &str = "health";

/// A cluster and what may be asked of it. Clones and narrowed ones share connections.
#[derive(Clone)]
pub struct EtcdAccess {
    connections: Arc<Connections>,
    calls: BTreeSet<EtcdCall>,
}

/// A member as the member list has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub id: u64,
    /// Empty until the member has started for the first time.
    pub name: String,
    pub peer_urls: Vec<String>,
    pub client_urls: Vec<String>,
    pub learner: bool,
}

/// A member's own view. Sizes in bytes; `leader` is 0 when there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberStatus {
    pub cluster_id: u64,
    pub member_id: u64,
    pub leader: u64,
    pub raft_term: u64,
    pub raft_index: u64,
    pub raft_applied_index: u64,
    pub revision: i64,
    pub db_size: u64,
    pub db_size_in_use: u64,
    /// 0 from servers before 3.6, which do not say.
    pub db_size_quota: u64,
    pub version: String,
    pub learner: bool,
    /// All that stand in the cluster, as the member knows it.
    pub alarms: Vec<RaisedAlarm>,
    pub errors: Vec<String>,
}

/// A member's hash of its key-value store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashKv {
    pub hash: u32,
    pub compact_revision: i64,
    /// 0 from servers before 3.6.
    pub hash_revision: i64,
    /// The member's current revision when it answered.
    pub revision: i64,
}

/// What is asked of a member, and within which limits.
pub(crate) struct Question<'a> {
    pub endpoint: &'a str,
    /// For the sentence `cannot ... ENDPOINT`.
    pub act: &'a str,
    pub limit: Duration,
    /// Whether it changes something: then it is asked once.
    pub changes: bool,
}

impl EtcdAccess {
    /// Access to the cluster of `config` for these calls.
    #[must_use]
    pub fn new(config: EtcdConfig, calls: Vec<EtcdCall>) -> Self {
        Self {
            connections: Arc::new(Connections::new(config)),
            calls: calls.into_iter().collect(),
        }
    }

    /// The same cluster, for those of `calls` that this access has too.
    #[must_use]
    pub fn narrowed(&self, calls: &[EtcdCall]) -> Self {
        let wanted: BTreeSet<_> = calls.iter().copied().collect();
        Self {
            connections: Arc::clone(&self.connections),
            calls: self.calls.intersection(&wanted).copied().collect(),
        }
    }

    /// The configured endpoints, in the order of the file.
    #[must_use]
    pub fn endpoints(&self) -> &[String] {
        &self.connections.config.endpoints
    }

    /// The member list as this endpoint knows it; answered without quorum.
    ///
    /// # Errors
    /// `not-granted`, `unknown-endpoint`, or what the way there came to.
    pub async fn member_list(&self, endpoint: &str) -> Result<Vec<Member>, Fault> {
        self.require(EtcdCall::MemberList)?;
        let act = "list the members at";
        let call = |mut client: Client| async move { client.member_list().await };
        let answer = self.answer(endpoint, act, call).await?;
        Ok(answer.members().iter().map(member).collect())
    }

    /// The member's own view; answered without quorum.
    ///
    /// # Errors
    /// `not-granted`, `unknown-endpoint`, or what the way there came to.
    pub async fn status(&self, endpoint: &str) -> Result<MemberStatus, Fault> {
        self.require(EtcdCall::Status)?;
        self.status_unchecked(endpoint).await
    }

    /// The member's hash of its key-value store at `revision`; 0 asks for the newest.
    /// Answered without quorum.
    ///
    /// # Errors
    /// `not-granted`, `unknown-endpoint`, `compacted`, `future-revision`, or what the way
    /// there came to.
    pub async fn hash_kv(&self, endpoint: &str, revision: i64) -> Result<HashKv, Fault> {
        self.require(EtcdCall::HashKv)?;
        let call = |mut client: Client| async move { client.hash_kv(revision).await };
        let answer = self.answer(endpoint, "hash the keys at", call).await?;
        Ok(HashKv {
            hash: answer.hash(),
            compact_revision: answer.compact_version(),
            hash_revision: answer.hash_revision(),
            revision: answer
                .header()
                .map_or(0, etcd_client::ResponseHeader::revision),
        })
    }

    /// Reads through the cluster, and from this member's own database. The key need not be
    /// there, and its value is not asked for.
    ///
    /// # Errors
    /// `not-granted`, `unknown-endpoint`, or what the way there came to: without quorum, and
    /// while the member defragments, that is `timeout`.
    pub async fn health(&self, endpoint: &str) -> Result<(), Fault> {
        self.require(EtcdCall::Health)?;
        let call = |mut client: Client| async move {
            let options = GetOptions::new().with_count_only();
            client.get(HEALTH_KEY, Some(options)).await
        };
        let asked = self.answer(endpoint, "read through", call).await;
        // Whoever refuses the key has judged the question after all members agreed on it.
        match asked {
            Err(fault) if fault.code == ErrorCode::PermissionDenied => Ok(()),
            asked => asked.map(drop),
        }
    }

    /// Opens the member's snapshot stream. Works without quorum.
    ///
    /// # Errors
    /// `not-granted`, `unknown-endpoint`, or what the way there came to.
    pub async fn snapshot(&self, endpoint: &str) -> Result<SnapshotStream, Fault> {
        self.require(EtcdCall::Snapshot)?;
        // The stream itself does not say which member it comes from.
        let status = self.status_unchecked(endpoint).await?;
        let call = |mut client: Client| async move { client.snapshot().await };
        let opened = self.answer(endpoint, "open a snapshot at", call).await?;
        let idle = self.connections.config.timeouts.stream_idle;
        self.connections
            .snapshot_member
            .store(status.member_id, Ordering::Relaxed);
        Ok(SnapshotStream::new(
            opened,
            endpoint,
            status.member_id,
            idle,
        ))
    }

    /// The member that a snapshot was last asked of, through this access or any that
    /// shares its connections.
    #[must_use]
    pub fn snapshot_member(&self) -> Option<u64> {
        match self.connections.snapshot_member.load(Ordering::Relaxed) {
            0 => None,
            member => Some(member),
        }
    }

    async fn status_unchecked(&self, endpoint: &str) -> Result<MemberStatus, Fault> {
        let call = |mut client: Client| async move { client.status().await };
        let answer = self.answer(endpoint, "read the status of", call).await?;
        Ok(status(&answer))
    }

    pub(crate) fn require(&self, call: EtcdCall) -> Result<(), Fault> {
        if self.calls.contains(&call) {
            return Ok(());
        }
        let power = call.power();
        let and = if call.writes() {
            "; only a step of kind `action` changes a cluster, and not when it is asked what it would do or has done"
        } else {
            ""
        };
        Err(Fault::denied(
            ErrorCode::NotGranted,
            format!(
                "the plugin is not granted {}: add `{}` under `grants:` of its PluginGrant{and}",
                power.word, power.line
            ),
        ))
    }

    pub(crate) fn timeouts(&self) -> Timeouts {
        self.connections.config.timeouts
    }

    /// Asks something that changes nothing.
    pub(crate) async fn answer<T, F>(
        &self,
        endpoint: &str,
        act: &str,
        call: impl Fn(Client) -> F,
    ) -> Result<T, Fault>
    where
        F: Future<Output = Result<T, etcd_client::Error>>,
    {
        let question = Question {
            endpoint,
            act,
            limit: self.timeouts().request,
            changes: false,
        };
        self.put_question(&question, call).await
    }

    /// Waits for an answer within the time limit, and logs in anew where the cluster no
    /// longer knows who is asking: whoever is refused for that was not listened to.
    pub(crate) async fn put_question<T, F>(
        &self,
        question: &Question<'_>,
        call: impl Fn(Client) -> F,
    ) -> Result<T, Fault>
    where
        F: Future<Output = Result<T, etcd_client::Error>>,
    {
        let Question {
            endpoint,
            act,
            limit,
            changes,
        } = *question;
        let connections = &self.connections;
        let tries = if changes { 1 } else { CUT_TRIES_MAX };
        let mut log_ins_left = LOG_INS_MAX;
        loop {
            let lent = Box::pin(connections.client(endpoint)).await;
            let lent = lent.map_err(Fault::not_done)?;
            let asked = Box::pin(asked(lent.client.clone(), &call, tries));
            let error = match tokio::time::timeout(limit, asked).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) => error,
                Err(_) => return Err(fault::slow(endpoint, act, limit)),
            };
            let again = log_ins_left > 0 && connections.logs_in() && fault::wants_log_in(&error);
            if !again {
                let fault = connections.fault(&error, endpoint, act).await;
                return Err(fault.with_certainty(fault::certainty(&error)));
            }
            log_ins_left -= 1;
            connections.forget(endpoint, &lent);
        }
    }
}

/// Asks up to so many times, as long as connections are cut.
async fn asked<T, F>(
    client: Client,
    call: &impl Fn(Client) -> F,
    tries: u32,
) -> Result<T, etcd_client::Error>
where
    F: Future<Output = Result<T, etcd_client::Error>>,
{
    for _ in 1..tries {
        match call(client.clone()).await {
            Err(error) if fault::was_cut(&error) => {}
            answer => return answer,
        }
    }
    call(client).await
}

impl fmt::Debug for EtcdAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EtcdAccess")
            .field("config", &self.connections.config)
            .field("calls", &self.calls)
            .finish()
    }
}

pub(crate) fn member(member: &etcd_client::Member) -> Member {
    Member {
        id: member.id(),
        name: member.name().to_owned(),
        peer_urls: member.peer_urls().to_vec(),
        client_urls: member.client_urls().to_vec(),
        learner: member.is_learner(),
    }
}

fn status(answer: &etcd_client::StatusResponse) -> MemberStatus {
    let header = answer.header();
    MemberStatus {
        cluster_id: header.map_or(0, etcd_client::ResponseHeader::cluster_id),
        member_id: header.map_or(0, etcd_client::ResponseHeader::member_id),
        leader: answer.leader(),
        raft_term: answer.raft_term(),
        raft_index: answer.raft_index(),
        raft_applied_index: answer.raft_applied_index(),
        revision: header.map_or(0, etcd_client::ResponseHeader::revision),
        db_size: u64::try_from(answer.db_size()).unwrap_or(0),
        db_size_in_use: u64::try_from(answer.raft_used_db_size()).unwrap_or(0),
        db_size_quota: u64::try_from(answer.db_size_quota()).unwrap_or(0),
        version: answer.version().to_owned(),
        learner: answer.is_learner(),
        alarms: alarm::among(answer.errors()),
        errors: answer.errors().to_vec(),
    }
}

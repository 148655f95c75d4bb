//! Calls that change the cluster. Each is sent once.
//!
//! Whoever is asked to change something and is not heard of again may have done it all the
//! same. So no such call is repeated when its connection is cut, and its fault says whether
//! it surely was not done: where nothing was sent, or where the member refused it.
//!
//! A connection that was closed while it was idle is found by a look at the member that may
//! be repeated, so that it costs no such call its certainty.

use std::time::Duration;

use drydock_core::{ErrorCode, Fault};
use etcd_client::{
    AlarmAction, AlarmOptions, AlarmType, Client, CompactionOptions, Compare, CompareOp,
    MemberAddOptions, Txn, TxnOp,
};

use crate::alarm::Alarm;
use crate::backend::{EtcdAccess, Member, Question, member};
use crate::grant::EtcdCall;

/// The key of a write that never takes place. None of Kubernetes' lies there.
const PROBE_KEY: &str = "drydock/probe-put";

/// A call that changes something.
struct Write<'a> {
    call: EtcdCall,
    endpoint: &'a str,
    /// What is done, for the sentence `cannot ... ENDPOINT`.
    act: String,
    limit: Duration,
}

impl EtcdAccess {
    /// Rewrites the member's database without its free pages. The member answers nothing
    /// else meanwhile, and comes to the end of it whatever becomes of this call.
    ///
    /// # Errors
    /// `not-granted`, `unknown-endpoint`, `timeout` past 15 minutes, or what the way there
    /// came to.
    pub async fn defragment(&self, endpoint: &str) -> Result<(), Fault> {
        let write = Write {
            limit: self.timeouts().rewrite,
            ..self.short(EtcdCall::Defragment, endpoint, "defragment".to_owned())
        };
        let call = |mut client: Client| async move { client.defragment().await };
        self.write(&write, call).await.map(drop)
    }

    /// Drops what is older than `revision` in the whole cluster. With `physical` it waits
    /// until this member has done so.
    ///
    /// # Errors
    /// `not-granted`, `unknown-endpoint`, `compacted`, `future-revision`, or what the way
    /// there came to.
    pub async fn compact(
        &self,
        endpoint: &str,
        revision: i64,
        physical: bool,
    ) -> Result<(), Fault> {
        let timeouts = self.timeouts();
        let act = format!("compact to revision {revision} at");
        let write = Write {
            limit: if physical {
                timeouts.rewrite
            } else {
                timeouts.request
            },
            ..self.short(EtcdCall::Compact, endpoint, act)
        };
        let options = if physical {
            CompactionOptions::new().with_physical()
        } else {
            CompactionOptions::new()
        };
        let call = |mut client: Client| {
            let options = options.clone();
            async move { client.compact(revision, Some(options)).await }
        };
        self.write(&write, call).await.map(drop)
    }

    /// Lets an alarm of one member go; no error where it raised none.
    ///
    /// # Errors
    /// `not-granted`, `unknown-endpoint`, `bad-request` for an alarm that nobody knows, or
    /// what the way there came to.
    pub async fn alarm_disarm(
        &self,
        endpoint: &str,
        member_id: u64,
        alarm: Alarm,
    ) -> Result<(), Fault> {
        let (kind, name) = match alarm {
            Alarm::NoSpace => (AlarmType::Nospace, "NOSPACE"),
            Alarm::Corrupt => (AlarmType::Corrupt, "CORRUPT"),
            Alarm::Other => return Err(no_such_alarm(endpoint)),
        };
        let act = format!("disarm the alarm {name} of member {member_id:x} at");
        let write = self.short(EtcdCall::AlarmDisarm, endpoint, act);
        let call = |mut client: Client| async move {
            let mut options = AlarmOptions::new();
            options.with_member(member_id);
            client
                .alarm(AlarmAction::Deactivate, kind, Some(options))
                .await
        };
        self.write(&write, call).await.map(drop)
    }

    /// Hands the leadership from the member at `endpoint`, which must have it, to another.
    ///
    /// # Errors
    /// `not-granted`, `unknown-endpoint`, `not-leader`, `bad-transferee`, or what the way
    /// there came to.
    pub async fn move_leader(&self, endpoint: &str, to: u64) -> Result<(), Fault> {
        let act = format!("move the leadership to member {to:x} from");
        let write = self.short(EtcdCall::MoveLeader, endpoint, act);
        let call = |mut client: Client| async move { client.move_leader(to).await };
        self.write(&write, call).await.map(drop)
    }

    /// Takes a member in that does not vote, and answers it as the cluster knows it.
    ///
    /// # Errors
    /// `not-granted`, `unknown-endpoint`, `exists`, `bad-request`, `too-many-learners`,
    /// `unhealthy-cluster`, or what the way there came to.
    pub async fn member_add_learner(
        &self,
        endpoint: &str,
        peer_urls: &[String],
    ) -> Result<Member, Fault> {
        let act = format!("add the learner {} at", peer_urls.join(", "));
        let write = self.short(EtcdCall::MemberAddLearner, endpoint, act);
        let call = |mut client: Client| async move {
            let learner = MemberAddOptions::new().with_is_learner();
            client.member_add(peer_urls, Some(learner)).await
        };
        let answer = self.write(&write, call).await?;
        answer
            .member()
            .map(member)
            .ok_or_else(|| says_nothing(endpoint))
    }

    /// Makes a learner a voter.
    ///
    /// # Errors
    /// `not-granted`, `unknown-endpoint`, `learner-not-ready`, `not-a-learner`,
    /// `member-not-found`, `unhealthy-cluster`, or what the way there came to.
    pub async fn member_promote(&self, endpoint: &str, member_id: u64) -> Result<(), Fault> {
        let act = format!("promote member {member_id:x} at");
        let write = self.short(EtcdCall::MemberPromote, endpoint, act);
        let call = |mut client: Client| async move { client.member_promote(member_id).await };
        self.write(&write, call).await.map(drop)
    }

    /// Puts a member out for good.
    ///
    /// # Errors
    /// `not-granted`, `unknown-endpoint`, `member-not-found`, `unhealthy-cluster`, or what
    /// the way there came to.
    pub async fn member_remove(&self, endpoint: &str, member_id: u64) -> Result<(), Fault> {
        let act = format!("remove member {member_id:x} at");
        let write = self.short(EtcdCall::MemberRemove, endpoint, act);
        let call = |mut client: Client| async move { client.member_remove(member_id).await };
        self.write(&write, call).await.map(drop)
    }

    /// Whether a write would be taken: a transaction that would put a key, if it had been
    /// written less than no times. etcd judges its quota and its alarms by what it would
    /// write at most, and the members agree on it as on any other.
    ///
    /// # Errors
    /// `not-granted`, `unknown-endpoint`, `no-space`, or what the way there came to.
    pub async fn probe_put(&self, endpoint: &str) -> Result<(), Fault> {
        let act = "try a write at".to_owned();
        let write = self.short(EtcdCall::ProbePut, endpoint, act);
        let call = |mut client: Client| async move {
            let never = Compare::version(PROBE_KEY, CompareOp::Less, 0);
            let put = TxnOp::put(PROBE_KEY, "", None);
            client.txn(Txn::new().when([never]).and_then([put])).await
        };
        self.write(&write, call).await.map(drop)
    }

    /// A call that a healthy cluster answers at once.
    fn short<'a>(&self, call: EtcdCall, endpoint: &'a str, act: String) -> Write<'a> {
        Write {
            call,
            endpoint,
            act,
            limit: self.timeouts().request,
        }
    }

    async fn write<T, F>(&self, write: &Write<'_>, call: impl Fn(Client) -> F) -> Result<T, Fault>
    where
        F: Future<Output = Result<T, etcd_client::Error>>,
    {
        self.require(write.call).map_err(Fault::not_done)?;
        let look = |mut client: Client| async move { client.status().await };
        let looked = self.answer(write.endpoint, &write.act, look).await;
        looked.map_err(Fault::not_done)?;
        let question = Question {
            endpoint: write.endpoint,
            act: &write.act,
            limit: write.limit,
            changes: true,
        };
        self.put_question(&question, call).await
    }
}

fn no_such_alarm(endpoint: &str) -> Fault {
    Fault::permanent(
        ErrorCode::BadRequest,
        format!(
            "cannot disarm an alarm of an unknown kind at {endpoint}: see `etcdctl alarm list`, and disarm it there once its cause is gone"
        ),
    )
    .not_done()
}

fn says_nothing(endpoint: &str) -> Fault {
    Fault::permanent(
        ErrorCode::BadAnswer,
        format!(
            "{endpoint} took a learner in and does not say which: look at its member list by the peer URL"
        ),
    )
}

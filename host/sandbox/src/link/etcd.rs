//! Adapter for the interface `etcd`.

use std::convert::Infallible;
use std::time::Duration;

use drydock_capability_artifact::{Output, Work};
use drydock_capability_etcd::{EtcdAccess, EtcdCall, SnapshotStream};
use drydock_core::{CALL_BYTES_MAX, Capability, ErrorCode, Fault};
use wasmtime::component::{HasSelf, Resource};

use super::row::{Link, Terms, nothing_to_prepare};
use crate::guest::Guest;
use crate::step::{StopSignal, asked_to_stop};
use crate::world::contract::etcd::{
    Alarm, Host, Member, MemberHashKv, MemberStatus, SnapshotInfo, add_to_linker,
};
use crate::world::{Answer, World};

/// While a member works on what was asked of it, the guest shows a sign of life so often: far
/// below any limit of idle time. How long that may go on has a limit of the call's own.
const SIGN_OF_LIFE_EVERY: Duration = Duration::from_secs(5);

/// The share of the time that a stopped guest has left in which a call that changes something
/// may still be answered. The rest is the guest's, to come to its end.
const ANSWER_SHARE: u32 = 2;

/// A store has no cluster to work on.
pub(super) const LINK: Link = Link {
    capability: Capability::of::<EtcdCall>(),
    interface: Some("etcd"),
    foreign: &[],
    not_for: &[World::Store],
    writes_for: Some(World::Action),
    add: |l| add_to_linker::<_, HasSelf<Guest>>(l, |guest| guest),
    prepare: nothing_to_prepare,
    give,
};

/// The step's cluster, narrowed to the calls that are granted. Only what a run knows to change
/// its cluster changes one: runs that only read it go on beside each other.
fn give(guest: &mut Guest, terms: &Terms<'_>) {
    if let Some(access) = guest.context.etcd.take() {
        let calls: &[EtcdCall] = terms.grants.of();
        let mut calls = calls.to_vec();
        let may_write = LINK.may_write(terms.world);
        calls.retain(|call| may_write || !call.writes());
        guest.parts.put(access.narrowed(&calls));
    }
}

impl Host for Guest {
    async fn endpoints(&mut self) -> wasmtime::Result<Vec<String>> {
        let access = self.parts.get::<EtcdAccess>();
        Ok(access.map_or_else(Vec::new, |access| access.endpoints().to_vec()))
    }

    async fn member_list(&mut self, endpoint: String) -> Answer<Vec<Member>> {
        let access = self.parts.get::<EtcdAccess>().cloned();
        self.while_wanted(async move {
            let members = reach(&access)?.member_list(&endpoint).await?;
            Ok(members.into_iter().map(Into::into).collect())
        })
        .await
    }

    async fn status(&mut self, endpoint: String) -> Answer<MemberStatus> {
        let access = self.parts.get::<EtcdAccess>().cloned();
        self.while_wanted(async move { Ok(reach(&access)?.status(&endpoint).await?.into()) })
            .await
    }

    async fn snapshot(&mut self, endpoint: String, into: Resource<Output>) -> Answer<SnapshotInfo> {
        let access = self.parts.get::<EtcdAccess>().cloned();
        let output = self.table.get(&into)?.clone();
        let into = output.clone();
        let poured = async move {
            let stream = reach(&access)?.snapshot(&endpoint).await?;
            pour(stream, &into).await
        };
        let poured = unless_stopped(self.context.stop.clone(), poured);
        // Whatever ended the stream, what came of it is no artifact.
        self.on_main(async move { poured.await.inspect_err(|fault| output.break_off(fault)) })
            .await
    }

    async fn hash_kv(&mut self, endpoint: String, revision: i64) -> Answer<MemberHashKv> {
        let access = self.parts.get::<EtcdAccess>().cloned();
        self.while_wanted(
            async move { Ok(reach(&access)?.hash_kv(&endpoint, revision).await?.into()) },
        )
        .await
    }

    async fn health(&mut self, endpoint: String) -> Answer<()> {
        let access = self.parts.get::<EtcdAccess>().cloned();
        self.while_wanted(async move { reach(&access)?.health(&endpoint).await })
            .await
    }

    async fn defragment(&mut self, endpoint: String) -> Answer<()> {
        self.writing(async move |access| access.defragment(&endpoint).await)
            .await
    }

    async fn compact(&mut self, endpoint: String, revision: i64, physical: bool) -> Answer<()> {
        self.writing(async move |access| access.compact(&endpoint, revision, physical).await)
            .await
    }

    async fn alarm_disarm(&mut self, endpoint: String, member: u64, alarm: Alarm) -> Answer<()> {
        self.writing(async move |access| {
            let disarmed = access.alarm_disarm(&endpoint, member, alarm.into());
            disarmed.await
        })
        .await
    }

    async fn move_leader(&mut self, endpoint: String, to: u64) -> Answer<()> {
        self.writing(async move |access| access.move_leader(&endpoint, to).await)
            .await
    }

    async fn member_add_learner(
        &mut self,
        endpoint: String,
        peer_urls: Vec<String>,
    ) -> Answer<Member> {
        self.writing(async move |access| {
            let added = access.member_add_learner(&endpoint, &peer_urls).await?;
            Ok(added.into())
        })
        .await
    }

    async fn member_promote(&mut self, endpoint: String, member: u64) -> Answer<()> {
        self.writing(async move |access| access.member_promote(&endpoint, member).await)
            .await
    }

    async fn member_remove(&mut self, endpoint: String, member: u64) -> Answer<()> {
        self.writing(async move |access| access.member_remove(&endpoint, member).await)
            .await
    }

    async fn probe_put(&mut self, endpoint: String) -> Answer<()> {
        self.writing(async move |access| access.probe_put(&endpoint).await)
            .await
    }
}

impl Guest {
    /// A call that ends with the run: a member that says nothing must not hold it up.
    fn while_wanted<T: Send + 'static>(
        &self,
        call: impl Future<Output = Result<T, Fault>> + Send + 'static,
    ) -> impl Future<Output = Answer<T>> + Send {
        self.on_main(unless_stopped(self.context.stop.clone(), call))
    }

    /// A call that can change the cluster. It counts as answered where it is known what became
    /// of it. A run that stops gives it some time more, since an answer is worth having.
    fn writing<T, C, F>(&self, call: C) -> impl Future<Output = Answer<T>> + Send + use<T, C, F>
    where
        T: Send + 'static,
        C: FnOnce(EtcdAccess) -> F + Send + 'static,
        F: Future<Output = Result<T, Fault>> + Send + 'static,
    {
        let access = self.parts.get::<EtcdAccess>().cloned();
        let (work, stop) = (self.work.clone(), self.context.stop.clone());
        let grace = self.limiter.stop_grace_max() / ANSWER_SHARE;
        let written = self.work.writes();
        self.on_main(async move {
            let called = async { call(reach(&access).map_err(Fault::not_done)?.clone()).await };
            let done = tokio::select! {
                done = unless_stopped_for(grace, stop, called) => done,
                never = show_life(&work) => match never {},
            };
            if done.as_ref().err().is_none_or(|fault| !fault.may_be_done()) {
                written.answered();
            }
            done
        })
    }
}

/// Goes on as long as it is not dropped.
async fn show_life(work: &Work) -> Infallible {
    loop {
        tokio::time::sleep(SIGN_OF_LIFE_EVERY).await;
        work.beat();
    }
}

/// The call, which has so long to be answered once the run was asked to stop.
async fn unless_stopped_for<T>(
    grace: Duration,
    mut stop: StopSignal,
    call: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    let stopped = async {
        let why = asked_to_stop(&mut stop).await;
        tokio::time::sleep(grace).await;
        why
    };
    tokio::select! {
        biased;
        done = call => done,
        why = stopped => Err(left_alone(&why, grace)),
    }
}

fn left_alone(why: &Fault, grace: Duration) -> Fault {
    Fault::new(
        why.class,
        why.code.clone(),
        format!(
            "{}; the etcd member had not answered {} s later, and may do what it was asked all the same: look at it before you go on",
            why.message,
            grace.as_secs()
        ),
    )
}

async fn unless_stopped<T>(
    mut stop: StopSignal,
    call: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    tokio::select! {
        biased;
        done = call => done,
        why = asked_to_stop(&mut stop) => Err(why),
    }
}

/// Streams the snapshot into the output.
async fn pour(mut stream: SnapshotStream, output: &Output) -> Result<SnapshotInfo, Fault> {
    while let Some(chunk) = stream.next().await? {
        let mut bytes = chunk.bytes;
        while bytes.len() > CALL_BYTES_MAX {
            let rest = bytes.split_off(CALL_BYTES_MAX);
            output.write(std::mem::replace(&mut bytes, rest)).await?;
        }
        output.write(bytes).await?;
    }
    Ok(SnapshotInfo {
        size: stream.received(),
        version: stream.version().to_owned(),
        member_id: stream.member_id(),
    })
}

fn reach(access: &Option<EtcdAccess>) -> Result<&EtcdAccess, Fault> {
    access.as_ref().ok_or_else(|| {
        Fault::denied(
            ErrorCode::NotGranted,
            "this step has no etcd cluster to work on",
        )
    })
}

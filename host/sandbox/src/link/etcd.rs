//! Adapter for the interface `etcd`.

use drydock_capability_artifact::Output;
use drydock_capability_etcd::{EtcdAccess, EtcdCall, SnapshotStream};
use drydock_core::{CALL_BYTES_MAX, Capability, ErrorCode, Fault};
use wasmtime::component::{HasSelf, Resource};

use super::row::{Link, Terms, nothing_to_prepare};
use crate::guest::Guest;
use crate::step::{StopSignal, asked_to_stop};
use crate::world::contract::etcd::{
    Host, Member, MemberHashKv, MemberStatus, SnapshotInfo, add_to_linker,
};
use crate::world::{Answer, World};

/// A store has no cluster to work on.
pub(super) const LINK: Link = Link {
    capability: Capability::of::<EtcdCall>(),
    interface: Some("etcd"),
    foreign: &[],
    not_for: &[World::Store],
    add: |l| add_to_linker::<_, HasSelf<Guest>>(l, |guest| guest),
    prepare: nothing_to_prepare,
    give,
};

/// The step's cluster, narrowed to the calls that are granted.
fn give(guest: &mut Guest, terms: &Terms<'_>) {
    if let Some(access) = guest.context.etcd.take() {
        guest.parts.put(access.narrowed(terms.grants.of()));
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
}

impl Guest {
    /// A call that ends with the run: a member that says nothing must not hold it up.
    fn while_wanted<T: Send + 'static>(
        &self,
        call: impl Future<Output = Result<T, Fault>> + Send + 'static,
    ) -> impl Future<Output = Answer<T>> + Send {
        self.on_main(unless_stopped(self.context.stop.clone(), call))
    }
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

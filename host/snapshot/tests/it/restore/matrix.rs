//! Real clusters of three members on restored folders: the same hashes, ids and
//! keys as the source's, whatever versions source and servers have.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use drydock_snapshot::SnapshotFile;
use drydock_snapshot::restore::{Bump, InitialCluster, Request, Restored, restore};
use drydock_testkit::Scratch;
use drydock_testkit::etcd::{Cluster, EtcdOptions};
use etcd_client::{
    Client, CompactionOptions, DeleteOptions, Error, GetOptions, PutOptions, WatchOptions,
};

/// All versions, the oldest first.
pub const VERSIONS: [&str; 3] = ["3.5.35", "3.6.16", "3.7.3"];
/// How far the bumped clusters are bumped: what `auto` does.
const BUMP: i64 = 1_000_000_000;
const KEYS: usize = 200;
/// A second for every test is enough, a day for every debugger.
const LEASE_SECONDS: i64 = 86_400;

/// A key, its value, and the revision that put it there.
type Live = BTreeSet<(Vec<u8>, Vec<u8>, i64)>;

/// A snapshot of a cluster, and what the cluster said of itself at that moment.
pub struct Origin {
    scratch: Scratch,
    version: &'static str,
    revision: i64,
    hash: u32,
    compacted: i64,
    live: Live,
}

impl Origin {
    /// Fills a cluster of one member with Kubernetes-like keys, changes, deletions,
    /// leases and a compaction, and takes a snapshot of it.
    pub async fn make(version: &'static str) -> Result<Self> {
        let options = EtcdOptions {
            version,
            ..EtcdOptions::default()
        };
        let cluster = Cluster::start(options).await?;
        let mut client = cluster.client().await?;
        let revision = fill(&mut client).await?;
        let scratch = Scratch::new()?;
        let path = scratch.join("snapshot.db").display().to_string();
        cluster.etcdctl_of(0, &["snapshot", "save", &path])?;
        let hash = client.hash_kv(revision).await?;
        Ok(Self {
            scratch,
            version,
            revision,
            hash: hash.hash(),
            compacted: hash.compact_version(),
            live: live(&mut client).await?,
        })
    }

    /// Restores three members and starts servers of `version` on them. Not bumped, all
    /// is as it was; bumped, all that lives is as it was.
    pub async fn check(&self, version: &'static str) -> Result<()> {
        let what = format!("{} on {version}", self.version);
        let (cluster, restored) = self.boot(version, Bump::None).await?;
        self.check_ids(&cluster, &restored)
            .await
            .context(what.clone())?;
        self.check_equal(&cluster).await.context(what.clone())?;
        drop(cluster);
        let bump = Bump::Auto {
            last_known_revision: None,
        };
        let (cluster, restored) = self.boot(version, bump).await?;
        ensure!(
            restored.bumped_to == Some(self.revision + BUMP),
            "{restored:?}"
        );
        self.check_bumped(&cluster).await.context(what)
    }

    /// Restores three members and starts servers of `version` on them.
    pub async fn boot(&self, version: &'static str, bump: Bump) -> Result<(Cluster, Restored)> {
        let options = EtcdOptions {
            version,
            members: 3,
            ..EtcdOptions::default()
        };
        start_restored(options, &self.scratch.join("snapshot.db"), bump, false).await
    }

    async fn check_ids(&self, cluster: &Cluster, restored: &Restored) -> Result<()> {
        let mut client = cluster.client().await?;
        let listed = client.member_list().await?;
        let header = listed.header().context("a header")?;
        ensure!(
            header.cluster_id() == restored.cluster_id,
            "the cluster's id differs"
        );
        let mut theirs: Vec<(u64, String)> = listed
            .members()
            .iter()
            .map(|member| (member.id(), member.name().to_owned()))
            .collect();
        let ours = restored.members.iter();
        let mut ours: Vec<_> = ours
            .map(|member| (member.id, member.name.clone()))
            .collect();
        theirs.sort();
        ours.sort();
        ensure!(theirs == ours, "{theirs:?} instead of {ours:?}");
        Ok(())
    }

    async fn check_equal(&self, cluster: &Cluster) -> Result<()> {
        for index in 0..cluster.members().len() {
            let mut client = cluster.client_of(index).await?;
            let hash = client.hash_kv(self.revision).await?;
            ensure!(
                (hash.hash(), hash.compact_version()) == (self.hash, self.compacted),
                "member {index} has the hash {} at compaction {}, the source had {} at {}",
                hash.hash(),
                hash.compact_version(),
                self.hash,
                self.compacted
            );
            ensure!(
                live(&mut client).await? == self.live,
                "the live keys differ"
            );
        }
        let mut client = cluster.client().await?;
        let put = client.put("/new", "value", None).await?;
        let revision = put.header().context("a header")?.revision();
        ensure!(revision == self.revision + 1, "it goes on at {revision}");
        Ok(())
    }

    async fn check_bumped(&self, cluster: &Cluster) -> Result<()> {
        let mut client = cluster.client().await?;
        self.check_old_revisions_are_gone(&mut client).await?;
        let put = client.put("/new", "value", None).await?;
        let revision = put.header().context("a header")?.revision();
        ensure!(
            revision == self.revision + BUMP + 1,
            "it goes on at {revision}"
        );
        let mut hashes = BTreeSet::new();
        for index in 0..cluster.members().len() {
            let mut client = cluster.client_of(index).await?;
            // A read through the leader: then this member has applied the put, too.
            let mut live = live(&mut client).await?;
            live.retain(|(key, ..)| key != b"/new");
            ensure!(live == self.live, "the live keys differ");
            let hash = client.hash_kv(revision).await?;
            hashes.insert((hash.hash(), hash.compact_version()));
        }
        ensure!(hashes.len() == 1, "the members differ: {hashes:?}");
        Ok(())
    }

    async fn check_old_revisions_are_gone(&self, client: &mut Client) -> Result<()> {
        let old = GetOptions::new().with_revision(self.revision).with_prefix();
        let refused = client.get("/registry/", Some(old)).await;
        ensure!(
            matches!(&refused, Err(Error::GRpcStatus(status)) if status.message().contains("compacted")),
            "an old revision was read: {refused:?}"
        );
        let from = WatchOptions::new().with_start_revision(self.revision + 1);
        let mut watch = client.watch("/registry/", Some(from.with_prefix())).await?;
        loop {
            let message = watch
                .message()
                .await?
                .context("the watch says why it ends")?;
            if message.canceled() {
                let compacted = message.compact_revision();
                ensure!(
                    compacted == self.revision + BUMP,
                    "compacted at {compacted}"
                );
                return Ok(());
            }
        }
    }
}

/// Starts a cluster on folders that a restore makes, with the members' own addresses.
pub async fn start_restored(
    options: EtcdOptions,
    snapshot: &Path,
    bump: Bump,
    keep_alarms: bool,
) -> Result<(Cluster, Restored)> {
    let made = std::cell::RefCell::new(None);
    let cluster = Cluster::start_prepared(options, |cluster| {
        let restored = restore_for(cluster, snapshot, bump, keep_alarms)?;
        *made.borrow_mut() = Some(restored);
        Ok(())
    });
    let cluster = cluster.await?;
    let restored = made.into_inner().context("it was restored")?;
    Ok((cluster, restored))
}

fn restore_for(
    cluster: &Cluster,
    snapshot: &Path,
    bump: Bump,
    keep_alarms: bool,
) -> Result<Restored> {
    let request = Request {
        cluster: InitialCluster::parse(&cluster.initial_cluster(), "drydock-test")?,
        only: None,
        data_dir: cluster.folder().join("restored"),
        wal_dir: None,
        bump,
        keep_alarms,
        skip_hash_check: false,
    };
    let restored = restore(&SnapshotFile::open(snapshot)?, &request)?;
    for member in cluster.members() {
        let built: PathBuf = request.data_dir.join(member.name());
        fs::rename(built, member.data_folder())?;
    }
    Ok(restored)
}

/// Changes of every kind; gives the last revision.
async fn fill(client: &mut Client) -> Result<i64> {
    let lease = client.lease_grant(LEASE_SECONDS, None).await?.id();
    let leased = || Some(PutOptions::new().with_lease(lease));
    for number in 0..KEYS {
        let key = format!("/registry/pods/default/{:03}", number % 70);
        let value = "value ".repeat(1 + number % 90);
        let options = if number % 5 == 0 { leased() } else { None };
        client.put(key, value, options).await?;
    }
    let middle = client.delete("/registry/pods/default/004", None).await?;
    let middle = middle.header().context("a header")?.revision();
    for number in 0..KEYS / 4 {
        let key = format!("/registry/events/{number}");
        client.put(key, "x".repeat(3000), leased()).await?;
    }
    let physical = CompactionOptions::new().with_physical();
    client.compact(middle - 20, Some(physical)).await?;
    let prefix = DeleteOptions::new().with_prefix();
    let last = client.delete("/registry/events/3", Some(prefix)).await?;
    Ok(last.header().context("a header")?.revision())
}

async fn live(client: &mut Client) -> Result<Live> {
    let all = GetOptions::new().with_all_keys();
    let found = client.get("", Some(all)).await?;
    let pairs = found.kvs().iter();
    Ok(pairs
        .map(|pair| {
            (
                pair.key().to_vec(),
                pair.value().to_vec(),
                pair.mod_revision(),
            )
        })
        .collect())
}

//! A real backup: a snapshot of a real etcd through the shipped backup plugin into a plain
//! spool, checked as it streams, sent part by part through the shipped store plugin,
//! completed, read back and compared.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use drydock_capability_artifact::{OutputSink, PlainSpool};
use drydock_capability_etcd::{EtcdAccess, EtcdCall, EtcdConfig};
use drydock_capability_files::{Access, FolderGrant};
use drydock_core::store::PartReceipt;
use drydock_core::{ClusterName, ErrorCode, Fault, Grants, ReadAt, TargetName};
use drydock_repository::Target as _;
use drydock_repository::target::{Part, Whole};
use drydock_sandbox::{BackupCall, Plugin, Sandbox, StepCall, StoreContext, StoreTarget, Throttle};
use drydock_snapshot::{StreamCheck, StreamSummary};
use drydock_testkit::etcd::{Cluster, EtcdOptions};
use drydock_testkit::random_values;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tokio::sync::mpsc;

use super::company::{DUE, admit};
use super::scene::names;

/// What is put into etcd: small, so that a backup takes about as long as a sequence.
const DATA_BYTES: usize = 2 * 1024 * 1024;

/// A part of the upload, so that there are some.
const PART_BYTES: u64 = 256 * 1024;

/// The cluster that is backed up again and again, and where to.
pub struct Backup {
    cluster: Cluster,
    folders: TempDir,
    backup: Arc<Plugin>,
    store: Arc<Plugin>,
    tally: Arc<Tally>,
    /// Held while a backup is made.
    turn: tokio::sync::Mutex<()>,
}

/// What the backups amount to so far.
#[derive(Default)]
pub struct Tally {
    done: AtomicU64,
    running: AtomicBool,
    slowest_microseconds: AtomicU64,
}

/// Something to watch the backups by.
#[derive(Clone)]
pub struct Watch(Arc<Tally>);

impl Backup {
    /// Starts an etcd, fills it, and admits the shipped plugins to `sandbox`.
    ///
    /// # Errors
    /// When etcd does not start, or a plugin is refused.
    pub async fn prepare(sandbox: &Sandbox) -> Result<Self> {
        let cluster = Cluster::start(EtcdOptions::default()).await?;
        let client = cluster.client().await?;
        random_values::fill(&client, DATA_BYTES, 7).await?;
        let folders = tempfile::tempdir()?;
        std::fs::create_dir(folders.path().join("spool"))?;
        let grants = grants(&folders.path().join("target"));
        Ok(Self {
            cluster,
            backup: admit(sandbox, "etcd-backup", &grants, None)?,
            store: admit(sandbox, "store-file", &grants, None)?,
            folders,
            tally: Arc::default(),
            turn: tokio::sync::Mutex::default(),
        })
    }

    /// Waits for the backup under way; no other begins while the answer is held.
    pub async fn pause(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    pub fn watch(&self) -> Watch {
        Watch(Arc::clone(&self.tally))
    }

    /// Where the plain spools are made.
    pub fn spool(&self) -> PathBuf {
        self.folders.path().join("spool")
    }

    /// Makes one backup after the other until `over` is true. Each is verified.
    ///
    /// # Errors
    /// The first one that is not as it should be.
    pub async fn repeat(&self, over: &AtomicBool) -> Result<()> {
        while !over.load(Ordering::Relaxed) {
            self.once().await?;
        }
        Ok(())
    }

    /// Makes one and verifies it.
    ///
    /// # Errors
    /// When it is not as it should be.
    pub async fn once(&self) -> Result<()> {
        let _turn = self.turn.lock().await;
        let start = Instant::now();
        self.tally.running.store(true, Ordering::SeqCst);
        let done = self.snapshot_and_store().await;
        self.tally.running.store(false, Ordering::SeqCst);
        done?;
        let took = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.tally
            .slowest_microseconds
            .fetch_max(took, Ordering::Relaxed);
        self.tally.done.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    async fn snapshot_and_store(&self) -> Result<()> {
        let plain = self.snapshot().await.context("the snapshot failed")?;
        let sha256: [u8; 32] = Sha256::digest(&*plain).into();
        let object = "c1/rp/snapshot.db";
        let target = self.target();
        self.upload(&target, object, &plain, sha256)
            .await
            .map_err(fault("the upload failed"))?;
        let read = fetch(&target, object, plain.len() as u64).await;
        let read = read.map_err(fault("reading back failed"))?;
        ensure!(read == sha256, "what was read back is not what was sent");
        target
            .delete(object)
            .await
            .map_err(fault("the removal failed"))?;
        let left = names(&self.folders.path().join("target"));
        ensure!(left.is_empty(), "the target holds {left:?} afterwards");
        Ok(())
    }

    /// The whole snapshot, found sound.
    async fn snapshot(&self) -> Result<Vec<u8>> {
        let kept = Arc::new(Mutex::new(None));
        let sink = CheckedSink {
            folder: self.spool(),
            open: None,
            kept: Arc::clone(&kept),
        };
        let config = EtcdConfig {
            endpoints: self.cluster.endpoints(),
            ..EtcdConfig::default()
        };
        let context = StepCall {
            etcd: Some(EtcdAccess::new(config, all_calls())),
            ..idle()
        };
        let outputs = Box::new(sink);
        let attempt = self
            .backup
            .run_backup(BackupCall { context, outputs })
            .await;
        let report = attempt
            .result
            .map_err(|fault| anyhow!("{}: {}\n{}", fault.code, fault.message, attempt.log))?;
        ensure!(!report.degraded, "it is degraded: {report:?}");
        let kept = kept
            .lock()
            .map_err(|_| anyhow!("the sink panicked"))?
            .take();
        let (spool, summary): (PlainSpool, StreamSummary) = kept.context("there is no output")?;
        ensure!(summary.bytes == spool.written(), "bytes were lost");
        let mut plain = vec![0; usize::try_from(spool.written())?];
        spool.reader().read_exact_at(&mut plain, 0)?;
        Ok(plain)
    }

    fn target(&self) -> StoreTarget {
        let folder = self.folders.path().join("target");
        let context = StoreContext {
            target: TargetName::new("local"),
            config: json!({"folder": folder}).to_string(),
            step: idle(),
            observer: Arc::new(|_, _| {}),
            throttle: Throttle::default(),
        };
        StoreTarget::new(Arc::clone(&self.store), context)
    }

    async fn upload(
        &self,
        target: &StoreTarget,
        object: &str,
        plain: &[u8],
        sha256: [u8; 32],
    ) -> Result<(), Fault> {
        let bytes: Arc<Vec<u8>> = Arc::new(plain.to_vec());
        let size = plain.len() as u64;
        target.make_place().await?;
        let session = target.begin(object, Some(size), PART_BYTES).await?;
        let mut receipts = Vec::new();
        let offsets = (0..size).step_by(PART_BYTES as usize);
        for (number, offset) in (1..).zip(offsets) {
            let part = Part {
                bytes: bytes.clone(),
                offset,
                length: PART_BYTES.min(size - offset),
            };
            let taken = target
                .put_part(&session, number, offset, part, None)
                .await?;
            let receipt = taken.receipt;
            receipts.push(PartReceipt { number, receipt });
        }
        let whole = Whole {
            size,
            sha256,
            bytes: Some(bytes),
        };
        target.complete(&session, &receipts, whole).await.map(drop)
    }
}

impl Watch {
    /// Backups that are done and verified.
    pub fn done(&self) -> u64 {
        self.0.done.load(Ordering::Relaxed)
    }

    /// Whether one is under way.
    pub fn is_running(&self) -> bool {
        self.0.running.load(Ordering::SeqCst)
    }

    pub fn slowest(&self) -> Duration {
        Duration::from_micros(self.0.slowest_microseconds.load(Ordering::Relaxed))
    }
}

/// Spools the one output of a backup and checks its pages while they come.
struct CheckedSink {
    folder: PathBuf,
    open: Option<(PlainSpool, StreamCheck)>,
    kept: Arc<Mutex<Option<(PlainSpool, StreamSummary)>>>,
}

impl OutputSink for CheckedSink {
    fn open(&mut self, _name: &str, _secret: bool) -> Result<(), Fault> {
        let spool = PlainSpool::create(&self.folder);
        self.open = Some((spool.map_err(|error| unsound(&error))?, StreamCheck::new()));
        Ok(())
    }

    fn write(&mut self, bytes: Vec<u8>) -> Result<(), Fault> {
        let (spool, check) = self.open.as_mut().ok_or_else(|| unsound(&"none is open"))?;
        check.push(&bytes).map_err(|problem| unsound(&problem))?;
        spool.append(&bytes).map_err(|error| unsound(&error))
    }

    fn finish(&mut self) -> Result<(), Fault> {
        let (spool, check) = self.open.take().ok_or_else(|| unsound(&"none is open"))?;
        let summary = check.finish().map_err(|problems| unsound(&problems))?;
        let mut kept = self.kept.lock().map_err(|_| unsound(&"poisoned"))?;
        *kept = Some((spool, summary));
        Ok(())
    }

    fn discard(&mut self, _reason: Fault) {
        self.open = None;
    }
}

async fn fetch(target: &StoreTarget, object: &str, length: u64) -> Result<[u8; 32], Fault> {
    let (into, mut out) = mpsc::channel(4);
    let digest = async {
        let mut digest = Sha256::new();
        while let Some(piece) = out.recv().await {
            digest.update(piece);
        }
        digest.finalize().into()
    };
    let (given, digest) = tokio::join!(target.get_range(object, 0, length, into), digest);
    given.map(|()| digest)
}

fn idle() -> StepCall {
    StepCall::idle(ClusterName::new("c1"), DUE)
}

fn all_calls() -> Vec<EtcdCall> {
    vec![
        EtcdCall::MemberList,
        EtcdCall::Status,
        EtcdCall::Snapshot,
        EtcdCall::HashKv,
    ]
}

fn grants(target: &Path) -> Grants {
    Grants::default()
        .with(all_calls())
        .with([FolderGrant::new(target, Access::Write)])
}

fn fault(what: &'static str) -> impl Fn(Fault) -> anyhow::Error {
    move |fault| anyhow!("{what}: {}: {}", fault.code, fault.message)
}

fn unsound(why: &dyn std::fmt::Display) -> Fault {
    Fault::permanent(ErrorCode::of("unsound"), why.to_string())
}

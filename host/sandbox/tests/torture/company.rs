//! The hostile fixtures, admitted to one sandbox, and what it means to let one play.
//!
//! A guest checks its configuration and runs. A judge judges three mebibytes. A store is
//! led through everything that a run does with a store, and the first error ends it: see
//! [`Company::store`].

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, Result};
use drydock_capability_artifact::Slice;
use drydock_core::store::{ChecksumAlgorithm, PartReceipt, Session};
use drydock_core::{Clock, ClusterName, ErrorCode, Facts, Fault, Grants, TargetName, UnixTime};
use drydock_repository::Target as _;
use drydock_repository::object::check_retained;
use drydock_repository::pages::{ObjectPages, SessionPages};
use drydock_repository::target::{Part, Whole};
use drydock_sandbox::{
    Admission, AttemptLog, BackupCall, JudgeCall, Limits, Plugin, Sandbox, SandboxConfig, StepCall,
    StopSignal, StoreContext, StoreTarget, Throttle,
};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::sync::{mpsc, watch};

use super::behaviours::Act;
use super::ends::{Ending, ends};
use super::scene::{Life, Scene};

/// 2026-01-02T03:04:05Z.
pub const DUE: UnixTime = UnixTime(1_767_323_045);

/// What the guest is told in secret.
pub const SECRET: &str = "swordfish-4711";

/// What a judge gets to see, and what a store gets to keep.
const JUDGED_BYTES: usize = 3 * 1024 * 1024;
const STORED_BYTES: usize = 3 * PART_BYTES / 2;
const PART_BYTES: usize = 64 * 1024;

/// What a store gets to keep in one request.
const SMALL: &[u8] = b"a small object";

/// Until when what can be locked is.
const LOCKED_UNTIL: UnixTime = UnixTime(DUE.0 + 30 * 24 * 60 * 60);

/// Pages of a listing before it counts as endless.
const PAGES_MAX: usize = 20;

/// Limits that every hostile guest hits soon, and no good one of the fixtures.
pub fn limits() -> Limits {
    Limits {
        memory_bytes_max: 24 * 1024 * 1024,
        table_elements_max: 10_000,
        cpu_max: Duration::from_millis(200),
        // On a machine that is busy elsewhere, 200 ms of computing take far longer, and so do
        // thousands of calls that move nothing.
        idle_max: Duration::from_secs(120),
        wall_max: Duration::from_secs(600),
        stop_grace_max: Duration::from_millis(50),
        host_calls_max: 5_000,
        handles_max: 200,
        result_bytes_max: 256 * 1024,
        log_bytes_max: 16 * 1024,
        ..Limits::default()
    }
}

/// The same for those that wait for ever, which nobody has to wait for.
fn limits_of_idlers() -> Limits {
    Limits {
        idle_max: Duration::from_millis(150),
        ..limits()
    }
}

/// A sandbox with the limits that a node has by itself, and a clock that cannot be trusted.
///
/// # Errors
/// When this machine has no room for one.
pub fn sandbox() -> Result<Sandbox> {
    Ok(Sandbox::new(SandboxConfig {
        cache: None,
        compiler: None,
        limits: Limits::default(),
        clock: Arc::new(JumpingClock::default()),
    })?)
}

/// Everything hostile in one sandbox.
#[derive(Clone)]
pub struct Company {
    guest: Fixture,
    judge: Fixture,
    store: Fixture,
    good: Arc<Plugin>,
}

/// A fixture, admitted with two sets of limits.
#[derive(Clone)]
struct Fixture {
    busy: Arc<Plugin>,
    idle: Arc<Plugin>,
}

/// How an attempt went.
pub struct Played {
    /// What the guest saw, or its fault.
    pub result: Result<Vec<String>, Fault>,
    /// Everything that it said, in all its calls.
    pub log: AttemptLog,
}

/// What a play is told, and who holds on to it while it lasts.
pub struct Cue {
    pub stop: StopSignal,
    pub life: Life,
}

impl Company {
    /// Admits the fixtures for the folders of all scenes.
    ///
    /// # Errors
    /// When one is not built, or is refused.
    pub fn assemble(sandbox: &Sandbox, scenes: &[&Scene]) -> Result<Self> {
        let folders = scenes.iter().flat_map(|scene| scene.grants());
        let grants = Grants::default().with(folders);
        let fixture = |name| {
            Ok::<_, anyhow::Error>(Fixture {
                busy: admit(sandbox, name, &grants, Some(&limits()))?,
                idle: admit(sandbox, name, &grants, Some(&limits_of_idlers()))?,
            })
        };
        Ok(Self {
            guest: fixture("hostile")?,
            judge: fixture("hostile-verify")?,
            store: fixture("hostile-store")?,
            good: admit(sandbox, "store-file", &grants, None)?,
        })
    }

    /// Lets a fixture do its worst once.
    pub async fn play(&self, act: Act, scene: &Scene, cue: &Cue) -> Played {
        match act {
            Act::Guest(_) => self.guest(act, scene, cue).await,
            Act::Judge(_) => self.judge(act, cue).await,
            Act::Store(_) => self.store(act, scene, cue).await,
        }
    }

    /// A store that does as it should, in the same sandbox.
    ///
    /// # Errors
    /// When it does not.
    pub async fn good_guest(&self, scene: &Scene) -> Result<()> {
        let config = json!({"folder": scene.store()}).to_string();
        let cue = Cue::default();
        let (target, _log) = target(&self.good, &config, &cue);
        let sights = lead(&target).await;
        let sights = sights.map_err(|fault| anyhow::anyhow!("a good guest failed: {fault:?}"))?;
        anyhow::ensure!(sights.is_empty(), "a good guest saw {sights:?}");
        Ok(())
    }

    async fn guest(&self, act: Act, scene: &Scene, cue: &Cue) -> Played {
        let config = json!({"do": act.word(), "folder": scene.granted(), "text": SECRET});
        let context = cue.context(&config.to_string());
        let guest = self.guest.plugin(act);
        let checked = guest.check_config(context.clone(), None).await;
        if let Err(fault) = checked.result {
            return Played {
                result: Err(fault),
                log: checked.log,
            };
        }
        let outputs = scene.sink();
        let call = BackupCall { context, outputs };
        let attempt = guest.run_backup(call).await;
        Played {
            result: attempt.result.map(|report| said(report.findings)),
            log: attempt.log,
        }
    }

    async fn judge(&self, act: Act, cue: &Cue) -> Played {
        let config = json!({"do": act.word()}).to_string();
        let bytes = vec![7; JUDGED_BYTES];
        let call = JudgeCall {
            context: cue.context(&config),
            facts: facts(),
            plain: Some(Slice::whole(Arc::new(bytes))),
        };
        let attempt = self.judge.plugin(act).judge(call).await;
        Played {
            result: attempt.result.map(|verdict| said(verdict.findings)),
            log: attempt.log,
        }
    }

    /// Makes the place, checks the target, puts a small object twice, uploads another in two
    /// parts, completes it, locks it where that can be done, looks at it, reads it back, lists
    /// it and the open uploads, and removes it. An error ends that, and the upload is aborted.
    async fn store(&self, act: Act, scene: &Scene, cue: &Cue) -> Played {
        let config = json!({"folder": scene.store(), "do": act.word()}).to_string();
        let (target, log) = target(self.store.plugin(act), &config, cue);
        let result = lead(&target).await;
        drop(target);
        let log = log.lock().map(|log| log.clone()).unwrap_or_default();
        Played { result, log }
    }
}

impl Fixture {
    fn plugin(&self, act: Act) -> &Arc<Plugin> {
        match ends(act) {
            Ending::Fault("idle-limit") => &self.idle,
            _ => &self.busy,
        }
    }
}

impl Default for Cue {
    /// Nobody stops it.
    fn default() -> Self {
        Self {
            stop: watch::channel(None).1,
            life: Life::default(),
        }
    }
}

impl Cue {
    fn context(&self, config: &str) -> StepCall {
        let life = self.life.clone();
        StepCall {
            config: config.to_owned(),
            stop: self.stop.clone(),
            progress: Arc::new(move |_| {
                let _held = &life;
            }),
            ..StepCall::idle(ClusterName::new("c1"), DUE)
        }
    }
}

impl Played {
    /// The fault's code.
    pub fn code(&self) -> Option<&str> {
        self.result.as_ref().err().map(|fault| fault.code.as_str())
    }
}

/// A clock that jumps by a day or by years, there and back, each time that it is asked.
#[derive(Default)]
struct JumpingClock(AtomicU64);

impl Clock for JumpingClock {
    fn now(&self) -> UnixTime {
        let turn = self.0.fetch_add(1, Ordering::Relaxed);
        let far = [0, 86_400, -1_000_000_000, 3_000_000_000][(turn % 4) as usize];
        UnixTime(DUE.0 + far)
    }
}

/// The bytes of a plugin that was built from `plugins/`.
///
/// # Errors
/// When it is not there; the message says what builds it.
pub fn built(name: &str) -> Result<Vec<u8>> {
    let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins/dist");
    let places = [dist.join(name), dist.join("fixtures").join(name)];
    let mut read = places
        .iter()
        .filter_map(|place| std::fs::read(place.with_extension("wasm")).ok());
    read.next()
        .with_context(|| format!("plugins/dist holds no {name}.wasm: run `cargo xtask plugins`"))
}

/// Admits a fixture or shipped plugin.
///
/// # Errors
/// When it is not built or is refused.
pub fn admit(
    sandbox: &Sandbox,
    name: &str,
    grants: &Grants,
    limits: Option<&Limits>,
) -> Result<Arc<Plugin>> {
    let component = built(name)?;
    let admission = Admission {
        component: &component,
        builtin: None,
        grants: Some(grants),
        ceiling: None,
        limits,
    };
    sandbox
        .admit(admission)
        .with_context(|| format!("{name} is refused"))
}

fn facts() -> Facts {
    let mut facts = Facts::default();
    for number in 0..100 {
        facts.set_text(format!("snapshot.problem.{number}"), "x".repeat(100));
    }
    facts
}

fn said(findings: Vec<drydock_core::Finding>) -> Vec<String> {
    findings.into_iter().map(|found| found.message).collect()
}

/// The plugin as a target, and the log of all calls that it ends.
fn target(plugin: &Arc<Plugin>, config: &str, cue: &Cue) -> (StoreTarget, Arc<Mutex<AttemptLog>>) {
    let log = Arc::new(Mutex::new(AttemptLog::default()));
    let kept = Arc::clone(&log);
    let context = StoreContext {
        target: TargetName::new("local"),
        config: config.to_owned(),
        step: cue.context("{}"),
        observer: Arc::new(move |_, said| {
            if let Ok(mut log) = kept.lock() {
                log.lines.extend(said.lines);
                log.dropped += said.dropped;
            }
        }),
        throttle: Throttle::default(),
    };
    (StoreTarget::new(Arc::clone(plugin), context), log)
}

/// What a run does with a store, from the first look to the last.
async fn lead(target: &StoreTarget) -> Result<Vec<String>, Fault> {
    target.make_place().await?;
    target.check().await?;
    let object = object_name();
    let layout = target.layout().await?;
    let mut sights = Vec::new();
    if layout.part_bytes_min > PART_BYTES as u64 {
        sights.push("no part fits into the layout".to_owned());
    }
    sights.extend(put(target, &format!("{object}.json")).await?);
    upload(target, &object, layout.part_checksum).await?;
    if layout.retain {
        target.retain(&object, LOCKED_UNTIL).await?;
        check_retained(target, &object, LOCKED_UNTIL).await?;
    }
    let stat = target.stat(&object).await?;
    if stat.size != STORED_BYTES as u64 {
        sights.push(format!("the object has {} bytes", stat.size));
    }
    if fetch(target, &object, STORED_BYTES).await? != bytes() {
        sights.push("the object's bytes are other ones".to_owned());
    }
    let mut objects = ObjectPages::new(target, "c1/");
    to_the_end(async || Ok(objects.next().await?.is_some())).await?;
    let mut sessions = SessionPages::new(target, "c1/");
    to_the_end(async || Ok(sessions.next().await?.is_some())).await?;
    target.delete(&object).await?;
    Ok(sights)
}

/// One request, and another for the same name.
async fn put(target: &StoreTarget, object: &str) -> Result<Vec<String>, Fault> {
    target.put_object(object, part_of(SMALL), None).await?;
    let mut sights = Vec::new();
    if fetch(target, object, SMALL.len()).await? != SMALL {
        sights.push("the small object's bytes are other ones".to_owned());
    }
    match target.put_object(object, part_of(b"another"), None).await {
        Err(fault) if fault.code == ErrorCode::Exists => {}
        Err(fault) => return Err(fault),
        Ok(_) => sights.push("the small object was overwritten".to_owned()),
    }
    Ok(sights)
}

fn part_of(bytes: &[u8]) -> Part {
    Part {
        bytes: Arc::new(bytes.to_vec()),
        offset: 0,
        length: bytes.len() as u64,
    }
}

async fn upload(
    target: &StoreTarget,
    object: &str,
    checksum: Option<ChecksumAlgorithm>,
) -> Result<(), Fault> {
    let session = target.begin(object, None, PART_BYTES as u64).await?;
    let done = finish(target, &session, checksum).await;
    if done.is_err() {
        // What an abort comes to is the next attempt's business.
        let _aborted = target.abort(&session).await;
    }
    done
}

async fn finish(
    target: &StoreTarget,
    session: &Session,
    checksum: Option<ChecksumAlgorithm>,
) -> Result<(), Fault> {
    let bytes: Arc<Vec<u8>> = Arc::new(bytes());
    let mut receipts = Vec::new();
    for (number, offset) in (1..).zip((0..STORED_BYTES).step_by(PART_BYTES)) {
        let part = Part {
            bytes: bytes.clone(),
            offset: offset as u64,
            length: PART_BYTES.min(STORED_BYTES - offset) as u64,
        };
        let taken = target.put_part(session, number, offset as u64, part, checksum);
        let receipt = taken.await?.receipt;
        receipts.push(PartReceipt { number, receipt });
    }
    let whole = Whole {
        size: STORED_BYTES as u64,
        sha256: Sha256::digest(&*bytes).into(),
        bytes: Some(bytes),
    };
    target.complete(session, &receipts, whole).await.map(drop)
}

/// Reads the whole object. What comes is taken out while it comes.
async fn fetch(target: &StoreTarget, object: &str, length: usize) -> Result<Vec<u8>, Fault> {
    let (into, mut out) = mpsc::channel(4);
    let take = async {
        let mut bytes = Vec::new();
        while let Some(piece) = out.recv().await {
            bytes.extend(piece);
        }
        bytes
    };
    let (given, bytes) = tokio::join!(target.get_range(object, 0, length as u64, into), take);
    given.map(|()| bytes)
}

/// Follows a listing to its end, if it has one.
async fn to_the_end(mut more: impl AsyncFnMut() -> Result<bool, Fault>) -> Result<(), Fault> {
    for _ in 0..PAGES_MAX {
        if !more().await? {
            return Ok(());
        }
    }
    Err(Fault::permanent(
        ErrorCode::of("endless"),
        "the listing does not end",
    ))
}

fn bytes() -> Vec<u8> {
    (0..STORED_BYTES).map(|n| (n % 251) as u8).collect()
}

/// An object that no other play has.
fn object_name() -> String {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    format!("c1/rp-{number}/a.zst")
}

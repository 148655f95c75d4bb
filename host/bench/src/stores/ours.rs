//! An upload or a download through a store plugin, as a run does it: the built-in plugin in its
//! sandbox under its grants and its identity, parts in flight as many as it says. The program
//! calls itself for that, so that it is a process to measure like the peers.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use drydock::{BUILT_IN, Deps, NoActions, ProcessEnvironment, SystemClock};
use drydock_core::store::PartReceipt;
use drydock_core::{ClusterName, NoCrash, ReadAt};
use drydock_node::{Configuration, Need, PluginRegistry};
use drydock_repository::object::{PIECES_AHEAD, stream};
use drydock_repository::target::{Part, Whole};
use drydock_repository::{Sha256, Target};
use tokio::task::JoinSet;

/// As a run's parts.
const PART_BYTES: u64 = 8 * 1024 * 1024;

/// The threads on which guests run.
const GUEST_THREAD: &str = "drydock-guest";

/// The parts of a second in which the kernel counts a thread's CPU time.
const TICKS_PER_SECOND: u64 = 100;

struct FileBytes {
    file: File,
    size: u64,
}

impl ReadAt for FileBytes {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }
}

/// Carries out one act: `make CONFIG TARGET -`, `upload CONFIG TARGET OBJECT FILE SHA256`, or
/// `download` with the same words.
pub async fn carry(words: &[String]) -> Result<()> {
    let [act, config, name, object, rest @ ..] = words else {
        bail!("an act, a configuration, a target and an object are needed");
    };
    let deps = Deps {
        clock: Arc::new(SystemClock),
        crash: Arc::new(NoCrash),
        env: Arc::new(ProcessEnvironment),
        built_in: BUILT_IN,
        actions: Arc::new(NoActions),
    };
    let node = Configuration::load(Path::new(config), &Need::target(Some(name)), deps)?;
    let registry = PluginRegistry::open(node)?;
    let document = registry.node.target(name)?;
    let target = registry.idle_target(document, &ClusterName::new("quickstart"))?;
    let target: Arc<dyn Target> = Arc::new(target);
    match (act.as_str(), rest) {
        ("make", _) => target.make_place().await?,
        ("upload", [file, sha256]) => upload(target, object, Path::new(file), sha256).await?,
        ("download", _) => download(&*target, object).await?,
        _ => bail!("there is no act `{act}` of these words"),
    }
    eprintln!("{{\"guest_ms\":{}}}", guest_milliseconds()?);
    Ok(())
}

async fn upload(target: Arc<dyn Target>, object: &str, file: &Path, sha256: &str) -> Result<()> {
    let sha256 = Sha256::from_hex(sha256).context("the digest is no SHA-256 in hex")?;
    let file = File::open(file).with_context(|| format!("cannot open {}", file.display()))?;
    let size = file.metadata()?.len();
    let bytes: Arc<dyn ReadAt> = Arc::new(FileBytes { file, size });
    let layout = target.layout().await?;
    let part_size = PART_BYTES.clamp(layout.part_bytes_min, layout.part_bytes_max);
    let session = Arc::new(target.begin(object, None, part_size).await?);
    let (mut under_way, mut receipts) = (JoinSet::new(), Vec::new());
    let mut verified = true;
    for (number, offset) in (1..).zip((0..size).step_by(usize::try_from(part_size)?)) {
        if under_way.len() >= layout.parallel_max as usize {
            take(&mut under_way, &mut receipts, &mut verified).await?;
        }
        let part = Part {
            bytes: Arc::clone(&bytes),
            offset,
            length: part_size.min(size - offset),
        };
        let (target, session) = (Arc::clone(&target), Arc::clone(&session));
        under_way.spawn(async move {
            let checksum = layout.part_checksum;
            let taken = target.put_part(&session, number, offset, part, checksum);
            taken.await.map(|taken| (number, taken))
        });
    }
    while !under_way.is_empty() {
        take(&mut under_way, &mut receipts, &mut verified).await?;
    }
    receipts.sort_by_key(|part: &PartReceipt| part.number);
    let whole = Whole {
        size,
        sha256: sha256.0,
        bytes: Some(bytes),
    };
    let completion = target.complete(&session, &receipts, whole).await?;
    ensure!(verified || completion.verified, "nothing was compared");
    Ok(())
}

type Taken = Result<(u32, drydock_core::store::Acknowledgement), drydock_core::Fault>;

async fn take(
    under_way: &mut JoinSet<Taken>,
    receipts: &mut Vec<PartReceipt>,
    verified: &mut bool,
) -> Result<()> {
    let Some(taken) = under_way.join_next().await else {
        return Ok(());
    };
    let (number, taken) = taken??;
    *verified &= taken.verified;
    receipts.push(PartReceipt {
        number,
        receipt: taken.receipt,
    });
    Ok(())
}

async fn download(target: &dyn Target, object: &str) -> Result<()> {
    let size = target.stat(object).await?.size;
    let (sender, mut pieces) = tokio::sync::mpsc::channel::<Vec<u8>>(PIECES_AHEAD);
    let drain = async {
        let mut bytes = 0;
        while let Some(piece) = pieces.recv().await {
            bytes += piece.len() as u64;
        }
        bytes
    };
    let (streamed, bytes) = tokio::join!(stream(target, object, size, sender), drain);
    streamed?;
    ensure!(bytes == size, "{bytes} of {size} bytes came");
    Ok(())
}

/// The CPU time of all threads that guests run on.
fn guest_milliseconds() -> Result<u64> {
    let mut ticks = 0;
    for task in std::fs::read_dir("/proc/self/task").context("proc(5) is there")? {
        let task = task?.path();
        let name = std::fs::read_to_string(task.join("comm")).unwrap_or_default();
        if name.trim_end().starts_with(GUEST_THREAD) {
            // Fields 14 and 15, counted from behind the name.
            let stat = std::fs::read_to_string(task.join("stat")).unwrap_or_default();
            let fields = stat.rsplit(')').next().unwrap_or_default();
            let times = fields.split_whitespace().skip(11).take(2);
            ticks += times
                .filter_map(|field| field.parse::<u64>().ok())
                .sum::<u64>();
        }
    }
    Ok(ticks * 1000 / TICKS_PER_SECOND)
}

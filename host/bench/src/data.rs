//! The data sets: snapshot files of a real etcd that was filled once, kept in the cache
//! folder under names that say all they depend on.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use drydock_testkit::etcd::{Cluster, EtcdOptions};
use drydock_testkit::kube_objects::{self, LoadOptions, Write};
use drydock_testkit::program::run;
use drydock_testkit::random_values;
use drydock_testkit::tools::ETCD_VERSION;

use crate::arguments::Arguments;

/// Counts up when the same size and kind means other keys or values.
const GENERATION: u32 = 1;

const SEED: u64 = 1;

/// Objects of the sample from which the number of objects is reckoned.
const SAMPLE_OBJECTS: usize = 5_000;

/// How much larger the file is than the Kubernetes objects in it, in percent: pages that
/// are not full, a header a row.
const FILE_PERCENT_OF_OBJECTS: usize = 138;

/// Above the largest data set; etcd's own default is 2 GiB.
pub const QUOTA_BYTES: u64 = 8 * 1024 * 1024 * 1024;

const MEBIBYTE: u64 = 1024 * 1024;

/// What a data set holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Values of 4 to 64 KiB that do not compress.
    Random,
    /// The quickstart's Kubernetes objects, with updates and deletions.
    Kubernetes,
}

/// A data set that is there.
pub struct DataSet {
    pub name: String,
    pub file: PathBuf,
    pub bytes: u64,
}

impl Kind {
    pub const ALL: [Self; 2] = [Self::Random, Self::Kubernetes];

    pub fn word(self) -> &'static str {
        match self {
            Self::Random => "random",
            Self::Kubernetes => "kubernetes",
        }
    }

    fn parse(word: &str) -> Result<Self> {
        let known = Self::ALL.into_iter().find(|kind| kind.word() == word);
        known.with_context(|| format!("there is no kind of data `{word}`"))
    }
}

/// The data set of this kind and size, made if it is not in the cache folder yet.
pub fn provide(arguments: &Arguments, kind: Kind, mebibytes: u64) -> Result<DataSet> {
    let name = format!("{}-{mebibytes}", kind.word());
    let file = arguments
        .data
        .join(format!("{name}-etcd{ETCD_VERSION}-g{GENERATION}.db"));
    if !file.exists() {
        eprintln!("==> make the data set {name} (once)");
        std::fs::create_dir_all(&arguments.data)
            .with_context(|| format!("cannot make {}", arguments.data.display()))?;
        let program = std::env::current_exe().context("cannot tell where this program lies")?;
        let mut command = Command::new(program);
        command
            .arg("--drydock")
            .arg(&arguments.drydock)
            .arg("--data")
            .arg(&arguments.data)
            .args(["--mebibytes", &mebibytes.to_string()])
            .args(["--make", kind.word()])
            .arg(&file);
        run(&mut command)?;
    }
    let bytes = std::fs::metadata(&file)
        .with_context(|| format!("cannot look at {}", file.display()))?
        .len();
    Ok(DataSet { name, file, bytes })
}

/// Fills an etcd and saves its snapshot. The file gets its name only when it is whole.
pub async fn make(words: &[String], mebibytes: u64) -> Result<()> {
    let [kind, file] = words else {
        bail!("a kind of data and a file are wanted");
    };
    let (kind, file) = (Kind::parse(kind)?, Path::new(file));
    let options = EtcdOptions {
        token: "drydock-bench-data".to_owned(),
        quota_bytes: Some(QUOTA_BYTES),
        // The data is thrown away with the server, so nothing need be on the disk early.
        arguments: vec!["--unsafe-no-fsync".to_owned()],
        ..EtcdOptions::default()
    };
    let cluster = Cluster::start(options).await?;
    fill(&cluster, kind, mebibytes * MEBIBYTE).await?;
    let scratch = cluster.folder().join("snapshot.db");
    cluster.etcdctl_of(0, &["snapshot", "save", &scratch.to_string_lossy()])?;
    let part = file.with_extension("part");
    std::fs::copy(&scratch, &part).with_context(|| format!("cannot write {}", part.display()))?;
    std::fs::rename(&part, file).with_context(|| format!("cannot name {}", file.display()))
}

async fn fill(cluster: &Cluster, kind: Kind, bytes: u64) -> Result<()> {
    let bytes = usize::try_from(bytes).context("the data set is larger than memory can be")?;
    let mut client = cluster.client().await?;
    match kind {
        Kind::Random => {
            random_values::fill(&client, bytes, SEED).await?;
        }
        Kind::Kubernetes => {
            let objects = bytes / FILE_PERCENT_OF_OBJECTS * 100 / bytes_per_object();
            let options = LoadOptions {
                objects,
                seed: SEED,
            };
            kube_objects::load(&mut client, options).await?;
        }
    }
    Ok(())
}

/// What one object that stays takes, with its updates and with those that were deleted.
fn bytes_per_object() -> usize {
    let plan = kube_objects::plan(LoadOptions {
        objects: SAMPLE_OBJECTS,
        seed: SEED,
    });
    let writes = plan.transactions.iter().flatten();
    let bytes: usize = writes
        .map(|write| match write {
            Write::Put { key, value, .. } => key.len() + value.len(),
            Write::Delete { key } => key.len(),
        })
        .sum();
    bytes.div_ceil(SAMPLE_OBJECTS)
}

//! The live cluster as a snapshot: streamed by one member into a file without a name, so
//! that there is one way of reading. The bytes are checked while they come, as in a backup.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use drydock_capability_etcd::{
    EtcdAccess, EtcdCall, EtcdConfig, Timeouts,
    certificates::{Part, Unsound},
};
use drydock_core::{UnixTime, nearest};
use drydock_documents::{Cluster, Located};
use drydock_node::{Configuration, Need, cluster_access, judge_certificates};
use drydock_snapshot::{SnapshotFile, StreamCheck, StreamRefused};

use super::source::{LIVE, Opened, scratch_folder, unnamed_with_room};
use crate::args::Global;
use crate::args::Inside;
use crate::args::LiveAccess;
use crate::runtime::block_on;
use crate::{Context as _, Failure};

/// Streams a snapshot of the cluster that the command line names.
pub fn open(global: &Global, inside: &Inside) -> Result<Opened, Failure> {
    let (access, scratch) = if inside.live.endpoints.is_empty() {
        of_documents(global, inside.opening.at.cluster.as_deref())?
    } else {
        (
            of_flags(&inside.live, global.deps.clock.now())?,
            tempfile::env::temp_dir(),
        )
    };
    let file = block_on(fetch(access, scratch))?;
    Ok(Opened {
        file: SnapshotFile::of(file, LIVE),
        point: None,
    })
}

fn of_documents(global: &Global, cluster: Option<&str>) -> Result<(EtcdAccess, PathBuf), Failure> {
    let node = crate::runtime::load(global, &Need::cluster(cluster))?;
    let access = cluster_access(select(&node, cluster)?, &node.deps)?;
    Ok((access, scratch_folder(&node)))
}

/// The named cluster, or the only one.
fn select<'a>(
    node: &'a Configuration,
    wanted: Option<&str>,
) -> Result<&'a Located<Cluster>, Failure> {
    let clusters: Vec<&Located<Cluster>> = node.documents.clusters().collect();
    let name = |cluster: &&&'a Located<Cluster>| Some(cluster.value.name.as_str()) == wanted;
    let found = match (wanted, clusters.as_slice()) {
        (None, [only]) => Some(*only),
        _ => clusters.iter().find(name).copied(),
    };
    found.ok_or_else(|| {
        let known: Vec<&str> = clusters.iter().map(|c| c.value.name.as_str()).collect();
        let Some(wanted) = wanted else {
            return Failure::usage(format!(
                "the documents define {} clusters: name one with --cluster, or give --endpoints",
                known.len()
            ));
        };
        let near = nearest(wanted, known.iter().copied())
            .map_or_else(String::new, |near| format!("; did you mean {near}?"));
        Failure::usage(format!("the documents define no cluster {wanted}{near}"))
    })
}

fn of_flags(live: &LiveAccess, now: UnixTime) -> Result<EtcdAccess, Failure> {
    let read = |path: &Option<PathBuf>| path.as_deref().map(read_pem).transpose();
    let config = EtcdConfig {
        endpoints: live.endpoints.clone(),
        ca: read(&live.cacert)?,
        certificate: read(&live.cert)?,
        key: read(&live.key)?,
        username: None,
        password: None,
        timeouts: Timeouts::default(),
    };
    judge_certificates(&config, now).map_err(|Unsound { part, why }| {
        let (flag, path) = match part {
            Part::Authorities => ("--cacert", &live.cacert),
            Part::Certificate => ("--cert", &live.cert),
            Part::Key => ("--key", &live.key),
        };
        let path = path.as_deref().unwrap_or(Path::new(""));
        Failure::usage(format!("{flag} {} {why}", path.display()))
    })?;
    Ok(EtcdAccess::new(config, vec![EtcdCall::Snapshot]))
}

fn read_pem(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path)
        .map_err(Failure::usage)
        .with_context(|| format!("{} cannot be read", path.display()))
}

/// The first member that gives a snapshot gives it.
async fn fetch(access: EtcdAccess, scratch: PathBuf) -> Result<File, Failure> {
    let mut failure = None;
    for endpoint in access.endpoints() {
        match stream(&access, endpoint, &scratch).await {
            Ok(file) => return Ok(file),
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    Err(failure.unwrap_or_else(|| Failure::usage("no endpoint was given")))
}

async fn stream(access: &EtcdAccess, endpoint: &str, scratch: &Path) -> Result<File, Failure> {
    let mut stream = access.snapshot(endpoint).await?;
    let mut check = StreamCheck::new();
    let mut file = None;
    while let Some(chunk) = stream.next().await? {
        // The first piece tells how much there will be.
        let size = chunk.bytes.len() as u64 + chunk.remaining;
        let file = match &mut file {
            Some(file) => file,
            none => none.insert(unnamed_with_room(scratch, size)?),
        };
        check
            .push(&chunk.bytes)
            .context("the snapshot that came is damaged")?;
        file.write_all(&chunk.bytes)
            .with_context(|| format!("the snapshot cannot be kept in {}", scratch.display()))?;
    }
    // What the stream's window could not judge is judged by whoever reads the file next.
    if let Err(StreamRefused::Damaged { problems, .. }) = check.finish() {
        return Err(problems).context("the snapshot that came is damaged");
    }
    file.ok_or_else(|| Failure::failed(format!("{endpoint} sent no snapshot")))
}

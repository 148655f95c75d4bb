//! A recovery point to look into: one etcd member and a read-only API server on it, for
//! as long as somebody looks. Fetched, checked and restored as in a drill, without the
//! comparing.

use std::path::PathBuf;

use drydock_api_types::drill::Phase;
use drydock_scratch::{
    Scratch, ScratchError,
    api_server::{ApiServer, BootError},
    etcd::{Layout, Means, Members, two_numbers},
};

use super::report::Report;
use super::{Asked, DrillError, Equipment, Lab, Stop, boot, data, objects, snapshot_of};

/// One is enough to read from.
const MEMBERS: usize = 1;

/// Where the kubeconfig lies in the scratch folder.
const KUBECONFIG: &str = "kubeconfig";

/// Servers under way. Dropping it ends them and removes their folder.
pub struct Opened {
    pub kubeconfig: PathBuf,
    // The API server is gone before etcd, and both before what they hang on.
    _server: ApiServer,
    _members: Members,
    pub lab: Lab,
}

/// Opens a recovery point; `tell` hears of every phase that has ended.
///
/// # Errors
/// [`DrillError`]; nothing is left behind then.
pub async fn open(
    asked: &Asked<'_>,
    mut tell: impl FnMut(Phase, u64),
) -> Result<Opened, DrillError> {
    let mut report = Report::begin(asked);
    let mut told = 0;
    let mut ended = |report: &Report| {
        for timed in &report.data.phases[told..] {
            tell(timed.phase, timed.milliseconds);
        }
        told = report.data.phases.len();
    };
    let artifact = snapshot_of(asked.point)?;
    let lab = prepare(asked, &mut report).await?;
    ended(&report);
    let brought = match data::bring(asked, artifact, &lab.scratch, &mut report).await {
        Ok(brought) => brought,
        Err(stop) => return Err(stopped(stop, report)),
    };
    ended(&report);
    let counts = data::resources(asked, &brought.snapshot).await?;
    let prefix = objects::main_prefix(asked, &counts)?;
    let layout = Layout::new(MEMBERS)?;
    let restored = report.timed(Phase::Restore, async || {
        boot::folders(&lab, &layout, &brought.snapshot).await
    });
    let folders = restored.await?;
    ended(&report);
    let means = Means {
        scratch: &lab.scratch,
        nursery: &lab.nursery,
        program: &lab.etcd,
        authority: &lab.authority,
        pair: &lab.pair,
        data_bytes: artifact.plain.size,
    };
    let booted = report.timed(Phase::Boot, async || {
        Members::boot(layout, &folders, &means).await
    });
    let members = booted.await?;
    ended(&report);
    let served = report.timed(Phase::ApiServer, async || {
        let archives = &brought.archives;
        let named = asked.encryption.as_deref();
        let encryption = objects::configuration(named, &lab, archives).await?;
        let booted = objects::boot(&lab, &members, encryption.as_deref(), &prefix).await;
        booted.map_err(|error| match error {
            BootError::Scratch(error) => DrillError::Scratch(error),
            BootError::Unreadable(why) => DrillError::Data(why),
        })
    });
    let server = served.await?;
    ended(&report);
    Ok(Opened {
        kubeconfig: lab.scratch.write(KUBECONFIG, &server.kubeconfig())?,
        _server: server,
        _members: members,
        lab,
    })
}

async fn prepare(asked: &Asked<'_>, report: &mut Report) -> Result<Lab, DrillError> {
    let written_by = asked.point.manifest.figures();
    let equipment = Equipment {
        config: asked.config,
        places: &asked.places,
        http: asked.http,
        api_server: true,
        written_by: written_by.and_then(|etcd| two_numbers(&etcd.version)),
        members: MEMBERS,
    };
    let root = asked.places.scratch.clone();
    let prepared = report.timed(Phase::Prepare, async || {
        let scratch = tokio::task::spawn_blocking(move || Scratch::new(&root)).await??;
        let sizes = asked.point.manifest.artifacts.iter();
        scratch.require(sizes.map(|artifact| artifact.plain.size).sum())?;
        Ok::<_, DrillError>(equipment.open(scratch).await?.0)
    });
    prepared.await
}

/// What is wrong with the data is an error here.
fn stopped(stop: Stop, report: Report) -> DrillError {
    match stop {
        Stop::Error(error) => error,
        Stop::Failed => DrillError::Data(report.finish().reason.unwrap_or_default()),
    }
}

impl Opened {
    /// Starts a command that sees the API server.
    ///
    /// # Errors
    /// [`ScratchError::Start`].
    pub fn command(
        &self,
        words: &[std::ffi::OsString],
    ) -> Result<drydock_scratch::children::Guarded, ScratchError> {
        self.lab
            .nursery
            .command(words, ("KUBECONFIG", &self.kubeconfig))
    }
}

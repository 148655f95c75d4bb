//! What is known of a cluster's revisions beside the snapshot itself, and where it is kept
//! what a restore bumped to.
//!
//! Known are: every recovery point of the cluster at the targets, whatever its lineage; what
//! earlier restores bumped to, by the marks beside them and by this node's journal; and what
//! the operator says. A restore is remembered in the journal, and by a mark, which every
//! machine with the target sees; before its folders appear, so that none appears whose bump
//! was forgotten. What cannot be asked is a doubt that is told, and stops nothing: whoever
//! restores has no time. A target that does not take the mark is not waited for longer than
//! [`MARK_WALL_MAX`].

use std::path::{Path, PathBuf};
use std::time::Duration;

use drydock_core::{ClusterName, RecoveryPointName, UnixTime, VERSION, chain};
use drydock_journal::{Journal, LockOwner, OpenError, RestoreEntry, StateLock};
use drydock_node::{Configuration, Need};
use drydock_repository::{
    Repository,
    mark::{MARK_FORMAT_VERSION, Mark, MarkKind, MarkTool, Restoration},
    recovery_point::{KnownRevision, RecoveryPoint},
};
use drydock_snapshot::restore::Restored;
use drydock_terminal::print;

use crate::Failure;
use crate::args::At;
use crate::args::Global;
use crate::args::RestoreArgs;
use crate::catalog;
use crate::catalog::Catalog;
use crate::catalog::Purpose;
use crate::runtime::block_on;

/// How long a restore that is written waits for its mark to be put: some small objects, at
/// a target that gave a whole snapshot a moment ago.
const MARK_WALL_MAX: Duration = Duration::from_secs(60);

/// What is known, and where it is kept.
#[derive(Default)]
pub struct Memory {
    /// The newest revision that is known of the cluster.
    pub newest: Option<i64>,
    /// What could not be asked, a sentence each.
    pub doubts: Vec<String>,
    cluster: Option<ClusterName>,
    /// What was restored, as the journal names it.
    source: String,
    /// The state folder of a node with a journal.
    journal: Option<PathBuf>,
    mark: Option<Marking>,
}

/// Which recovery point the mark is put beside, and how it is found.
struct Marking {
    global: Global,
    at: At,
    point: RecoveryPointName,
}

/// Where a restore is remembered.
#[derive(Default)]
pub struct Remembered {
    pub by_mark: bool,
    pub in_journal: bool,
    /// Why it is not where it should be, a sentence each.
    pub failures: Vec<String>,
}

impl Memory {
    /// Gathers what is known. Blocks; not to be called on a runtime.
    ///
    /// # Errors
    /// The node cannot be used any more that gave the recovery point.
    pub fn of(
        global: &Global,
        args: &RestoreArgs,
        point: Option<RecoveryPoint>,
    ) -> Result<Self, Failure> {
        let mut memory = Self {
            newest: args.known_revision,
            source: args.source.display().to_string(),
            ..Self::default()
        };
        match point {
            Some(point) => {
                let manifest = point.manifest;
                let at = At {
                    cluster: Some(manifest.cluster.to_string()),
                    ..args.opening.at.clone()
                };
                let node = node(global, &at)?;
                // A machine without a signing key can mark nothing.
                let signs = node.config.value.spec.signing_key.is_some();
                block_on(async {
                    let catalog = Catalog::over(node, &at, false)?;
                    memory.look(&catalog, &manifest.cluster).await;
                    Ok(())
                })?;
                memory.mark = signs.then(|| Marking {
                    global: global.clone(),
                    at,
                    point: manifest.recovery_point,
                });
            }
            None => memory.of_file(global, args),
        }
        Ok(memory)
    }

    /// A bare file tells no cluster. It is the named one, or the only one of this node; a
    /// machine without a configuration knows of none.
    fn of_file(&mut self, global: &Global, args: &RestoreArgs) {
        let at = &args.opening.at;
        // One that cannot be looked at may be there: loading it says why it is not used.
        let is_absent = matches!(global.config.try_exists(), Ok(false));
        if is_absent && at.target_folder.is_none() {
            return;
        }
        let looked = node(global, at).and_then(|node| {
            block_on(async {
                let catalog = Catalog::over(node, at, false)?;
                let Some(cluster) = the_only_cluster(&catalog) else {
                    return Ok(None);
                };
                self.look(&catalog, &cluster).await;
                Ok(Some(cluster))
            })
        });
        match looked {
            Ok(Some(cluster)) => print::note(&format!(
                "{} is taken for a snapshot of cluster {cluster}: its revisions are counted from what is known of that cluster",
                args.source.display()
            )),
            Ok(None) => self.doubts.push(
                "The file does not tell its cluster, and this node has not one alone: name it with --cluster, so that what is known of its revisions is counted.".to_owned(),
            ),
            Err(failure) => self.doubts.push(format!(
                "The node's configuration {} is not used, so what it knows of the cluster's revisions is not counted: {failure}.",
                global.config.display()
            )),
        }
    }

    /// Asks the journal, and every target of the catalog.
    async fn look(&mut self, catalog: &Catalog, cluster: &ClusterName) {
        self.cluster = Some(cluster.clone());
        if !catalog.registry.node.is_made_up() {
            self.look_into_journal(catalog.registry.node.state(), cluster);
        }
        for document in catalog.documents() {
            let name = &document.value.name;
            let known = match catalog.target(document) {
                Ok(target) => {
                    let repository = Repository::new(&target, &catalog.signers);
                    let known = repository.known_revision(cluster).await;
                    known.map_err(|error| chain(&error))
                }
                Err(error) => Err(chain(&error)),
            };
            match known {
                Ok(known) => self.take(known, name.as_str(), cluster),
                Err(why) => self.doubts.push(format!(
                    "Target {name} cannot be asked for revisions of cluster {cluster}, so those that only it knows are not counted: {why}."
                )),
            }
        }
    }

    fn take(&mut self, known: KnownRevision, target: &str, cluster: &ClusterName) {
        self.newest = self.newest.max(known.newest);
        if known.refused > 0 {
            self.doubts.push(format!(
                "Recovery points and marks of cluster {cluster} at {target} that cannot be read or believed, or hold a damaged snapshot, and whose revisions are not counted: {}. `drydock recovery-point list` and `show` say why.",
                known.refused
            ));
        }
    }

    fn look_into_journal(&mut self, state: &Path, cluster: &ClusterName) {
        let known = match Journal::open_reader(state) {
            Ok(journal) => journal
                .known_revision(cluster)
                .map_err(|error| chain(&error)),
            // It is made when there is something to remember.
            Err(OpenError::Missing { .. }) => Ok(None),
            Err(error) => Err(chain(&error)),
        };
        match known {
            Ok(newest) => {
                self.newest = self.newest.max(newest);
                self.journal = Some(state.to_owned());
            }
            Err(why) => self.doubts.push(format!(
                "What the journal knows of the cluster's revisions is not counted: {why}."
            )),
        }
    }

    /// Keeps what is bumped to now. Blocks; not to be called on a runtime. The journal is first:
    /// it is near, and does not hang.
    pub fn remember(&self, restored: &Restored, now: UnixTime) -> Remembered {
        let mut remembered = Remembered::default();
        let Some(bumped_to) = restored.bumped_to else {
            return remembered;
        };
        if let (Some(state), Some(cluster)) = (&self.journal, &self.cluster) {
            match self.note(state, cluster, bumped_to, now) {
                Ok(()) => remembered.in_journal = true,
                Err(failure) => remembered
                    .failures
                    .push(format!("The journal does not keep it: {failure}.")),
            }
        }
        if let Some(marking) = &self.mark {
            match marking.put(bumped_to, restored.cluster_id) {
                Ok(()) => remembered.by_mark = true,
                Err(failure) => remembered.failures.push(format!(
                    "The mark `restored` could not be put beside {}: {failure}.",
                    marking.point
                )),
            }
        }
        remembered
    }

    fn note(
        &self,
        state: &Path,
        cluster: &ClusterName,
        bumped_to: i64,
        at: UnixTime,
    ) -> Result<(), Failure> {
        let restore = RestoreEntry {
            cluster: cluster.clone(),
            bumped_to,
            source: self.source.clone(),
            at,
        };
        let journal = match Journal::open_beside(state) {
            Err(OpenError::Missing { .. }) => {
                let owner = LockOwner {
                    command: "drydock snapshot restore".to_owned(),
                    since: restore.at,
                };
                let _lock = StateLock::acquire(state, &owner)?;
                Journal::open(state)?
            }
            opened => opened?,
        };
        Ok(journal.note_restore(&restore)?)
    }
}

impl Marking {
    fn put(&self, bumped_to: i64, cluster_id: u64) -> Result<(), Failure> {
        let node = node(&self.global, &self.at)?;
        block_on(in_time(async {
            let catalog = Catalog::over(node, &self.at, true)?;
            let found = catalog.find(self.point.as_str(), Purpose::Look).await?;
            let key = catalog.registry.signing_key()?;
            let restoration = Restoration {
                bumped_to,
                cluster_id: format!("{cluster_id:x}"),
            };
            let mark = mark(&found.point, &catalog.registry.node, restoration);
            let repository = Repository::new(&found.target, &catalog.signers);
            repository.mark(&mark, &key).await?;
            Ok(())
        }))
    }
}

/// Gives up what hangs.
async fn in_time(put: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let limit = MARK_WALL_MAX.as_secs();
    let over = || format!("the target did not take it within {limit} s");
    match tokio::time::timeout(MARK_WALL_MAX, put).await {
        Ok(put) => put,
        Err(_) => Err(Failure::failed(over())),
    }
}

/// The node that tells of recovery points.
fn node(global: &Global, at: &At) -> Result<Configuration, Failure> {
    catalog::node(global, at, &Need::target(at.target.as_deref()))
}

/// The named cluster, or the only one of the documents.
fn the_only_cluster(catalog: &Catalog) -> Option<ClusterName> {
    if let Some(named) = &catalog.cluster {
        return Some(named.clone());
    }
    let mut clusters = catalog.registry.node.documents.clusters();
    let first = clusters.next()?.value.name.clone();
    clusters.next().is_none().then_some(first)
}

fn mark(point: &RecoveryPoint, node: &Configuration, restored: Restoration) -> Mark {
    Mark {
        format_version: MARK_FORMAT_VERSION,
        mark: MarkKind::Restored,
        cluster: point.manifest.cluster.clone(),
        recovery_point: point.manifest.recovery_point.clone(),
        manifest_sha256: point.manifest_sha256,
        at: node.deps.clock.now(),
        node: node.config.value.name.to_string(),
        reason: None,
        checks: Vec::new(),
        recovery_milliseconds: None,
        restored: Some(restored),
        tool: MarkTool {
            name: "drydock".to_owned(),
            version: VERSION.to_owned(),
        },
    }
}

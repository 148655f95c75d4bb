//! What the backup steps of one run share: their outputs, the room in the spool, and the turn
//! at the cluster's stream. They may run side by side.

use std::path::PathBuf;
use std::sync::Arc;

use drydock_capability_artifact::spool::require_free;
use drydock_capability_etcd::EtcdAccess;
use drydock_core::{ClusterName, Fault};
use drydock_point::Point;
use drydock_point::state::Output;
use tokio::sync::OwnedSemaphorePermit;

use super::outputs::{AttemptOutputs, Outputs};
use super::pipeline::{Pipeline, PipelineContext};
use super::room::Room;
use super::spool::{create_folder, spool_fault};
use super::{Attempts, Examiner};
use crate::limits::NodeLimits;
use crate::node::NodeCall;

/// The backup steps of one run.
pub struct Backups {
    pub cluster: ClusterName,
    /// As the node sees the cluster, without a plugin's grants.
    pub etcd: EtcdAccess,
    pub spool_root: PathBuf,
    pub outputs: Arc<Outputs>,
    pub attempts: Attempts,
    pub limits: Arc<NodeLimits>,
    /// The surroundings of every output.
    pub context: PipelineContext,
}

impl Backups {
    /// Waits until the step may stream a snapshot from the cluster, if it takes any.
    pub async fn stream(&self, takes_snapshots: bool) -> Option<OwnedSemaphorePermit> {
        if takes_snapshots {
            self.limits.etcd_stream(&self.cluster).await
        } else {
            None
        }
    }

    /// Removes what dead attempts left, and the plain bytes that no verdict needs any more:
    /// a step that begins needs the room. What other attempts have just made stays, whether
    /// or not the run has heard of it.
    pub fn make_room(&self, point: Option<&Point>) -> Result<(), Fault> {
        let claimed = self.outputs.claimed();
        let outputs = point.map(Point::outputs);
        self.context.plain.keep_only(|output| {
            let known = outputs.and_then(|outputs| outputs.get(&output));
            claimed.contains(&output) && !known.is_some_and(Output::is_verified)
        });
        self.context.spool.remove_those(&self.outputs.dead())
    }

    /// Refuses to start where the spool cannot hold what the step may bring: the largest
    /// database of the cluster where it may take snapshots. How much another plugin brings
    /// is not known before it does; writing stops where the room ends.
    pub async fn room(&self, takes_snapshots: bool) -> Result<Room, Fault> {
        let room = if takes_snapshots {
            Room::ask(&self.etcd).await
        } else {
            Room::default()
        };
        create_folder(&self.spool_root)?;
        require_free(&self.spool_root, room.bytes()).map_err(|error| spool_fault(&error))?;
        Ok(room)
    }

    /// Takes the outputs of one attempt. One that stands during a hold says its cut.
    pub fn pipeline(&self, call: &NodeCall, outputs: AttemptOutputs, says_cut: bool) -> Pipeline {
        let context = PipelineContext {
            examiner: Examiner {
                stop: call.stop.clone(),
                ..self.context.examiner.clone()
            },
            ..self.context.clone()
        };
        Pipeline::new(context, call.emissions.clone(), outputs, says_cut)
    }
}

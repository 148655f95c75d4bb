//! The newest revision that a target knows of a cluster, whatever its lineage: a restored
//! cluster has to go on beyond it.

use drydock_core::ClusterName;
use drydock_core::nature::EtcdSection;

use super::{MarkStanding, Repository, Standing};
use crate::error::RepositoryError;
use crate::mark::MarkKind;

/// What a target tells of a cluster's revisions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KnownRevision {
    /// Of all recovery points, and of all restores that were marked beside them.
    pub newest: Option<i64>,
    /// Recovery points and marks of restores whose revisions were not counted: those that
    /// cannot be read or believed, and those of damaged snapshots.
    pub refused: usize,
}

impl Repository<'_> {
    /// Reads every recovery point of the cluster, and every mark of a restore.
    ///
    /// # Errors
    /// When the target fails, or holds more than one walk can bear.
    pub async fn known_revision(
        &self,
        cluster: &ClusterName,
    ) -> Result<KnownRevision, RepositoryError> {
        let mut walk = self.walk(Some(cluster)).await?;
        // Behind each of these there may be more than one.
        let mut known = KnownRevision {
            refused: walk.unread.len(),
            ..KnownRevision::default()
        };
        for place in walk.places() {
            let Standing::Signed(point) = self.standing(&place).await? else {
                known.refused += 1;
                continue;
            };
            let folder = place.folder;
            match &point.manifest.etcd {
                Some(EtcdSection::Sound(etcd)) => known.take(Some(etcd.revision)),
                // It has a revision, and nobody knows which.
                Some(EtcdSection::Damaged(_)) => known.refused += 1,
                None => {}
            }
            let restored = walk.marks_of(&folder).into_iter();
            for name in restored.filter(|name| name.kind() == MarkKind::Restored) {
                match self.mark_standing(&folder, &point, &name).await? {
                    MarkStanding::Sound { mark, .. } => {
                        known.take(mark.restored.map(|restored| restored.bumped_to));
                    }
                    MarkStanding::Refused(_) | MarkStanding::Unread(_) => known.refused += 1,
                }
            }
        }
        Ok(known)
    }
}

impl KnownRevision {
    fn take(&mut self, revision: Option<i64>) {
        self.newest = self.newest.max(revision);
    }
}

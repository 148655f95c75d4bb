//! `latest`: the newest recovery point of the only cluster, or of the one that is named.
//! One that cannot be believed, or that is known to be bad, is never passed over in silence.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use drydock_core::{ClusterName, RecoveryPointName, chain, nature::EtcdSection};
use drydock_repository::{
    Repository,
    recovery_point::{Listed, Standing, State, due_stamp},
};
use drydock_sandbox::StoreTarget;
use drydock_terminal::print;

use super::{Catalog, Found, warn_of};
use crate::Failure;

/// The name for the newest recovery point. Committed ones have names with an instant.
pub const LATEST: &str = "latest";

/// Recovery points that are looked at for an older one to name: weeks of hourly ones.
const LOOKED_AT_MAX: usize = 500;

/// What a recovery point is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To look at it, or to prove it: a failed drill is no reason not to.
    Look,
    /// To bring its data back.
    Use,
}

/// What one target has.
struct Shown {
    target: StoreTarget,
    target_name: String,
    listed: Vec<Listed>,
}

impl Catalog {
    /// The newest recovery point.
    ///
    /// # Errors
    /// There is none, it is not clear whose is meant, or the newest cannot be used.
    pub async fn latest(&self, purpose: Purpose) -> Result<Found, Failure> {
        let cluster = self.the_cluster().await?;
        let mut shown = self.shown(&cluster).await?;
        let newest = shown
            .iter()
            .enumerate()
            .filter_map(|(index, shown)| Some((rank(shown.listed.first()?), Reverse(index))))
            .max();
        let Some((_, Reverse(index))) = newest else {
            let targets: Vec<_> = self.documents().map(|t| t.value.name.as_str()).collect();
            return Err(Failure::failed(format!(
                "there is no recovery point of cluster {cluster} at {}: see that what should be there is mounted, or back up first",
                targets.join(", ")
            )));
        };
        let mut shown = shown.swap_remove(index);
        let newest = shown.listed.remove(0);
        let name = newest.folder.name().clone();
        if let Some(why) = objection(&newest, purpose) {
            return Err(refusal(&shown, &name, &why, purpose));
        }
        let Standing::Signed(point) = newest.standing else {
            return Err(refusal(&shown, &name, "it cannot be believed", purpose));
        };
        print::note(&format!("The latest is {name} of {}.", shown.target_name));
        Ok(Found {
            target: shown.target,
            target_name: shown.target_name,
            point: *point,
        })
    }

    /// What the targets have of a cluster. One that cannot be looked at is told, where there
    /// are others.
    async fn shown(&self, cluster: &ClusterName) -> Result<Vec<Shown>, Failure> {
        let mut shown = Vec::new();
        let mut failure = None;
        for document in self.documents() {
            match self.shown_at(document, cluster).await {
                Ok(found) => shown.push(found),
                Err(error) => {
                    warn_of(document, &error);
                    failure = Some(error);
                }
            }
        }
        match failure {
            Some(failure) if shown.is_empty() => Err(failure),
            _ => Ok(shown),
        }
    }

    async fn shown_at(
        &self,
        document: &drydock_documents::Located<drydock_documents::Target>,
        cluster: &ClusterName,
    ) -> Result<Shown, Failure> {
        let target = self.target(document)?;
        let repository = Repository::new(&target, &self.signers);
        let listed = repository.list(Some(cluster), LOOKED_AT_MAX).await?;
        for why in &listed.unread {
            print::note(&format!("warning: {why}"));
        }
        Ok(Shown {
            target,
            target_name: document.value.name.to_string(),
            listed: listed.points,
        })
    }

    /// The cluster that is meant: the named one, the only one of the documents, or the only
    /// one that has recovery points.
    async fn the_cluster(&self) -> Result<ClusterName, Failure> {
        if let Some(cluster) = &self.cluster {
            return Ok(cluster.clone());
        }
        let node = &self.registry.node;
        let documented: Vec<ClusterName> = self.documented().into_iter().collect();
        if let ([cluster], false) = (documented.as_slice(), node.is_partial()) {
            return Ok(cluster.clone());
        }
        let mut there = BTreeSet::new();
        let mut targets = Vec::new();
        for document in self.documents() {
            let target = self.target(document)?;
            let folders = Repository::new(&target, &self.signers)
                .folders(None)
                .await?;
            there.extend(folders.iter().map(|folder| folder.cluster().clone()));
            targets.push(document.value.name.as_str());
        }
        let mut several = there.iter().map(ClusterName::as_str);
        match (there.len(), targets.is_empty()) {
            (_, true) => Err(self.no_target()),
            (0, _) if node.is_made_up() => Err(Failure::failed(
                "there is no recovery point in the folder: name the one that holds a folder for each cluster",
            )),
            (0, _) => Err(Failure::failed(format!(
                "there is no recovery point at {}: see that what should be there is mounted, or back up first",
                targets.join(", ")
            ))),
            (1, _) => Ok(ClusterName::new(several.next().unwrap_or_default())),
            _ => Err(Failure::usage(format!(
                "whose newest recovery point is meant? Name it, or say --cluster: there are {}",
                several.collect::<Vec<_>>().join(", ")
            ))),
        }
    }
}

/// The newest first, by its name; of two copies, the one that can be believed.
fn rank(listed: &Listed) -> (Option<String>, bool) {
    let due = due_stamp(listed.folder.name().as_str());
    let is_sound = matches!(listed.standing, Standing::Signed(_));
    (due.map(str::to_owned), is_sound)
}

/// Why the newest is not to be taken.
fn objection(newest: &Listed, purpose: Purpose) -> Option<String> {
    match (&newest.standing, &newest.state) {
        (Standing::Refused(error) | Standing::Unread(error), _) => Some(chain(error)),
        _ if purpose == Purpose::Look => None,
        (_, State::Failed { why } | State::Listed { why }) => Some(why.clone()),
        (Standing::Signed(point), _) => {
            let etcd = point.manifest.etcd.as_ref();
            let damage = etcd.and_then(EtcdSection::damage);
            damage.map(|damage| format!("its manifest says that {damage}"))
        }
    }
}

/// The newest is not taken, and no other in its place: which one could be named.
fn refusal(shown: &Shown, name: &RecoveryPointName, why: &str, purpose: Purpose) -> Failure {
    let good = |listed: &&Listed| objection(listed, purpose).is_none();
    let other = match shown.listed.iter().find(good) {
        Some(other) => format!(
            "the newest one before it without that is {}",
            other.folder.name()
        ),
        None => "there is none before it without that".to_owned(),
    };
    Failure::failed(format!(
        "{name}, the newest recovery point of {}, is not taken for `{LATEST}`: {why}; {other}; name the one that you want",
        shown.target_name
    ))
}

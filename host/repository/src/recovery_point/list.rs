//! One walk over the target's keys finds every folder with a `manifest.json`. What is
//! damaged or not signed by a trusted key is listed with the reason, never hidden.

use std::collections::{BTreeMap, BTreeSet};

use drydock_core::ClusterName;

use super::marks::{FoundMark, MarkStanding, mark_of};
use super::{RecoveryPoint, Repository};
use crate::error::RepositoryError;
use crate::mark::MarkName;
use crate::names::{Folder, MANIFEST};
use crate::pages::ObjectPages;

/// Most pages of one walk: at a thousand keys a page, ten million objects.
const PAGES_MAX: usize = 10_000;

/// Most recovery points of one walk: a hundred clusters, hourly, for a month.
const RECOVERY_POINTS_MAX: usize = 100_000;

/// Marks of one recovery point that a walk keeps, and so tries to believe: whoever can
/// write to the target may have put worthless ones before a good one.
const MARKS_KEPT_MAX: usize = 16;

/// A recovery point in a listing.
#[derive(Debug)]
pub struct Listed {
    pub folder: Folder,
    pub standing: Standing,
    /// The newest mark that can be believed.
    pub mark: Option<FoundMark>,
}

/// What one walk over the keys found.
#[derive(Default)]
struct Walk {
    folders: BTreeSet<(String, String)>,
    marks: BTreeMap<(ClusterName, String), Vec<MarkName>>,
}

/// Whether a listed recovery point can be believed.
#[derive(Debug)]
pub enum Standing {
    Sound(Box<RecoveryPoint>),
    /// Not signed, not by a trusted signer, or damaged.
    Refused(RepositoryError),
}

impl Repository<'_> {
    /// Recovery points of one cluster or of all, newest due instant first, at most
    /// `entries_max` of them. Only the manifests of those are read.
    ///
    /// # Errors
    /// When the target fails, or holds more than one walk can bear.
    pub async fn list(
        &self,
        cluster: Option<&ClusterName>,
        entries_max: usize,
    ) -> Result<Vec<Listed>, RepositoryError> {
        let Walk { folders, mut marks } = self.walk(cluster).await?;
        let mut folders = newest_first(folders);
        folders.truncate(entries_max);
        let mut listed = Vec::with_capacity(folders.len());
        for folder in folders {
            let standing = self.standing(&folder).await?;
            let of_folder = (folder.cluster().clone(), folder.name().to_string());
            let names = marks.remove(&of_folder).unwrap_or_default();
            let mark = match &standing {
                Standing::Sound(point) => self.newest_mark(&folder, point, names).await?,
                Standing::Refused(_) => None,
            };
            listed.push(Listed {
                folder,
                standing,
                mark,
            });
        }
        Ok(listed)
    }

    async fn newest_mark(
        &self,
        folder: &Folder,
        point: &RecoveryPoint,
        names: Vec<MarkName>,
    ) -> Result<Option<FoundMark>, RepositoryError> {
        for name in names.into_iter().rev() {
            let standing = self.mark_standing(folder, point, &name).await?;
            if matches!(standing, MarkStanding::Sound { .. }) {
                return Ok(Some(FoundMark { name, standing }));
            }
        }
        Ok(None)
    }

    /// A failing target is no statement about a recovery point, so it is an error.
    pub(super) async fn standing(&self, folder: &Folder) -> Result<Standing, RepositoryError> {
        match self.load_folder(folder).await {
            Ok(point) => Ok(Standing::Sound(Box::new(point))),
            Err(error @ RepositoryError::Target { .. }) => Err(error),
            Err(error) => Ok(Standing::Refused(error)),
        }
    }

    /// Recovery points by their names alone, newest due instant first: none is read.
    ///
    /// # Errors
    /// As [`Repository::list`].
    pub async fn folders(
        &self,
        cluster: Option<&ClusterName>,
    ) -> Result<Vec<Folder>, RepositoryError> {
        Ok(newest_first(self.walk(cluster).await?.folders))
    }

    async fn walk(&self, cluster: Option<&ClusterName>) -> Result<Walk, RepositoryError> {
        let prefix = cluster.map_or_else(String::new, |cluster| format!("{cluster}/"));
        let mut walk = Walk::default();
        let whole = self.each_key(&prefix, PAGES_MAX, |key| {
            walk.take(key);
            let found = walk.folders.len().max(walk.marks.len());
            found <= RECOVERY_POINTS_MAX
        });
        match whole.await? {
            true => Ok(walk),
            false => Err(too_many(prefix)),
        }
    }

    /// Calls `each` with every key under `prefix`, until it says that this is too much.
    /// Whether that was all of them: not if there are more than `pages_max` pages either.
    ///
    /// # Errors
    /// When the target fails, or its listing contradicts itself or has no end.
    pub(super) async fn each_key(
        &self,
        prefix: &str,
        pages_max: usize,
        mut each: impl FnMut(&str) -> bool + Send,
    ) -> Result<bool, RepositoryError> {
        let mut pages = ObjectPages::new(self.target, prefix);
        for _ in 0..pages_max {
            let page = pages.next().await;
            let page = page.map_err(|fault| RepositoryError::target(prefix, fault))?;
            let Some(objects) = page else {
                return Ok(true);
            };
            if !objects.iter().all(|stat| each(&stat.object)) {
                return Ok(false);
            }
        }
        Ok(pages.ended())
    }
}

impl Walk {
    fn take(&mut self, key: &str) {
        self.folders.extend(committed(key));
        let Some((folder, name)) = mark_of(key) else {
            return;
        };
        let marks = self.marks.entry(folder).or_default();
        let place = marks.binary_search(&name).unwrap_or_else(|place| place);
        marks.insert(place, name);
        if marks.len() > MARKS_KEPT_MAX {
            // The oldest goes.
            marks.remove(0);
        }
    }
}

/// The folder that this key commits, as an orderable pair of its names.
fn committed(key: &str) -> Option<(String, String)> {
    let (folder, file) = Folder::split(key)?;
    let names = (folder.cluster().to_string(), folder.name().to_string());
    (file == MANIFEST).then_some(names)
}

fn newest_first(names: BTreeSet<(String, String)>) -> Vec<Folder> {
    let mut names: Vec<_> = names.into_iter().collect();
    names.sort_by(|(_, a), (_, b)| due_stamp(b).cmp(&due_stamp(a)).then_with(|| b.cmp(a)));
    let folder = |(cluster, name): (String, String)| {
        Folder::new(
            &ClusterName::new(cluster),
            &drydock_core::RecoveryPointName::new(name),
        )
    };
    names
        .into_iter()
        .filter_map(|pair| folder(pair).ok())
        .collect()
}

/// The instant in a recovery point's name, e.g. `20260102T030405Z`; names without one
/// sort last.
#[must_use]
pub fn due_stamp(name: &str) -> Option<&str> {
    name.rsplit('.').find(|part| {
        let bytes = part.as_bytes();
        bytes.len() == 16
            && bytes[8] == b'T'
            && bytes[15] == b'Z'
            && bytes[..8]
                .iter()
                .chain(&bytes[9..15])
                .all(u8::is_ascii_digit)
    })
}

fn too_many(prefix: String) -> RepositoryError {
    RepositoryError::TooMany {
        what: if prefix.is_empty() {
            "the target".to_owned()
        } else {
            prefix
        },
        entries_max: RECOVERY_POINTS_MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newest_due_instant_comes_first_across_schedules() {
        let names = [
            ("c", "b.20260101T000000Z"),
            ("c", "odd"),
            ("c", "a.20260103T000000Z.m00000001"),
            ("c", "a.20260102T000000Z"),
        ];
        let set = names.map(|(c, n)| (c.to_owned(), n.to_owned())).into();
        let order: Vec<String> = newest_first(set)
            .iter()
            .map(|folder| folder.name().to_string())
            .collect();
        let expected = [
            "a.20260103T000000Z.m00000001",
            "a.20260102T000000Z",
            "b.20260101T000000Z",
            "odd",
        ];
        assert_eq!(order, expected);
    }
}

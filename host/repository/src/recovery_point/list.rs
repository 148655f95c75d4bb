//! One walk over the target's keys finds every folder with a `manifest.json`. What is
//! damaged or not signed by a trusted key is listed with the reason, never hidden. What
//! could not be read is listed too, or told of, where by its name it may be one of ours;
//! everything else is somebody else's.

use std::collections::{BTreeMap, BTreeSet};

use drydock_core::ClusterName;
use drydock_core::store::{ObjectStat, PassedOver};

use super::marks::FoundMark;
use super::state::{Marks, Objects, Sizes, State};
use super::{RecoveryPoint, Repository, label};
use crate::error::RepositoryError;
use crate::mark::{MarkKind, MarkName};
use crate::names::{Behind, Folder, MANIFEST, due_stamp, foreign_part};
use crate::object;
use crate::pages::ObjectPages;

/// Most pages of one walk: at a thousand keys a page, ten million objects.
const PAGES_MAX: usize = 10_000;

/// Most recovery points of one walk: a hundred clusters, hourly, for a month.
const RECOVERY_POINTS_MAX: usize = 100_000;

/// Places above recovery points that could not be read and are told one by one.
const UNREAD_MAX: usize = 64;

/// Marks of one kind beside one recovery point that a walk keeps, and so tries to believe:
/// whoever can write to the target may have put worthless ones before a good one.
const MARKS_KEPT_MAX: usize = 16;

/// Foreign names that are kept to be told of; an operator recognises them by a few.
const FOREIGN_NAMES_MAX: usize = 8;

/// What a target holds.
#[derive(Debug)]
pub struct Listing {
    /// Newest due instant first.
    pub points: Vec<Listed>,
    /// Why recovery points may be missing from the list, a sentence each.
    pub unread: Vec<String>,
    pub foreign: Foreign,
}

/// What stands at a target and is none of ours.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Foreign {
    names: BTreeSet<String>,
    /// Whether there is more than the names tell.
    more: bool,
}

/// A recovery point in a listing.
#[derive(Debug)]
pub struct Listed {
    pub folder: Folder,
    pub standing: Standing,
    /// What is known of it beyond its signature.
    pub state: State,
    /// The newest mark of a drill that can be believed, or that could not be read.
    pub drill: Option<FoundMark>,
}

/// What one walk over the keys found.
#[derive(Default)]
pub(super) struct Walk {
    /// By cluster and name; with the reason where the place could not be read.
    folders: BTreeMap<(String, String), Option<String>>,
    found: BTreeMap<(ClusterName, String), Inside>,
    pub unread: Vec<String>,
    pub foreign: Foreign,
}

/// What lies in one folder.
#[derive(Default)]
struct Inside {
    /// In the order of their instants.
    marks: Vec<MarkName>,
    /// Kinds of which there are more marks than are kept; the older ones went.
    crowded: BTreeSet<MarkKind>,
    sizes: Sizes,
}

/// A recovery point's place, and why it could not be read, if so.
pub(super) struct Place {
    pub folder: Folder,
    pub unread: Option<String>,
}

/// Whether a listed recovery point can be believed.
#[derive(Debug)]
pub enum Standing {
    /// Its manifest is signed by a trusted signer. Nothing is said of what it names.
    Signed(Box<RecoveryPoint>),
    /// Not signed, not by a trusted signer, or damaged.
    Refused(RepositoryError),
    /// It could not be read, which says nothing of what it is.
    Unread(RepositoryError),
}

impl Foreign {
    /// A sentence, if there is anything.
    #[must_use]
    pub fn note(&self) -> Option<String> {
        if self.names.is_empty() {
            return None;
        }
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        let more = if self.more { " and more" } else { "" };
        Some(format!(
            "it also holds what is none of Drydock's and was passed over: {}{more}",
            names.join(", ")
        ))
    }

    fn add(&mut self, name: &str) {
        if self.names.len() < FOREIGN_NAMES_MAX {
            self.names.insert(name.to_owned());
        } else {
            self.more |= !self.names.contains(name);
        }
    }
}

impl Repository<'_> {
    /// Recovery points of one cluster or of all, newest due instant first, at most
    /// `entries_max` of them. Of those the manifests and the newest marks are read; an
    /// object that the walk did not meet is asked for.
    ///
    /// # Errors
    /// When the target fails, or holds more than one walk can bear.
    pub async fn list(
        &self,
        cluster: Option<&ClusterName>,
        entries_max: usize,
    ) -> Result<Listing, RepositoryError> {
        let mut walk = self.walk(cluster).await?;
        let mut places = walk.places();
        places.truncate(entries_max);
        let mut points = Vec::with_capacity(places.len());
        for place in places {
            let standing = self.standing(&place).await?;
            let inside = walk.inside(&place.folder);
            points.push(self.look(place.folder, standing, inside).await?);
        }
        Ok(Listing {
            points,
            unread: walk.unread,
            foreign: walk.foreign,
        })
    }

    /// What a listing would say of a loaded recovery point.
    ///
    /// # Errors
    /// When the target fails, or holds more than one walk can bear.
    pub async fn listed(&self, point: RecoveryPoint) -> Result<Listed, RepositoryError> {
        let folder = point.manifest.folder()?;
        let inside = self.walk_below(folder.object("")).await?.inside(&folder);
        let standing = Standing::Signed(Box::new(point));
        self.look(folder, standing, inside).await
    }

    async fn look(
        &self,
        folder: Folder,
        standing: Standing,
        inside: Inside,
    ) -> Result<Listed, RepositoryError> {
        let point = match &standing {
            Standing::Signed(point) => point,
            Standing::Refused(_) => return Ok(Listed::unknown(folder, standing, State::Refused)),
            Standing::Unread(_) => return Ok(Listed::unknown(folder, standing, State::Unread)),
        };
        let objects = self.objects(&folder, point, &inside.sizes).await;
        let marks = self.newest_marks(&folder, point, inside).await?;
        Ok(Listed {
            state: State::of(&objects, &marks),
            drill: marks.drill,
            folder,
            standing,
        })
    }

    /// Whether the objects that the manifest names are there in their sizes.
    async fn objects(&self, folder: &Folder, point: &RecoveryPoint, sizes: &Sizes) -> Objects {
        for artifact in &point.manifest.artifacts {
            let object = folder.object(&artifact.object);
            let size = match sizes.of(&artifact.object) {
                Some(size) => Ok(Some(size)),
                // It may have come after the walk went by, or be one too many to remember.
                None => object::size_of(self.target, &object).await,
            };
            let objects = Objects::of(&object, artifact.sealed.size, size);
            if objects != Objects::Complete {
                return objects;
            }
        }
        Objects::of_all(&point.manifest.artifacts)
    }

    /// The newest mark of each sort that can be believed. Of one that cannot be read nobody
    /// knows what it says, so that it counts too.
    async fn newest_marks(
        &self,
        folder: &Folder,
        point: &RecoveryPoint,
        inside: Inside,
    ) -> Result<Marks, RepositoryError> {
        let mut marks = Marks::default();
        let last_kept = inside.last_kept();
        for name in inside.marks.into_iter().rev() {
            if marks.wants(name.kind()) {
                let standing = self.mark_standing(folder, point, &name).await?;
                marks.take(FoundMark { name, standing });
            }
        }
        for name in &last_kept {
            marks.look_no_further(name);
        }
        Ok(marks)
    }

    /// A target that fails for now is no statement about a recovery point, so it is an
    /// error; what it refuses of this one for good is.
    pub(super) async fn standing(&self, place: &Place) -> Result<Standing, RepositoryError> {
        if let Some(why) = &place.unread {
            return Ok(Standing::Unread(RepositoryError::Unread {
                point: label(&place.folder),
                why: why.clone(),
            }));
        }
        match self.load_folder(&place.folder).await {
            Ok(point) => Ok(Standing::Signed(Box::new(point))),
            Err(error) if error.is_for_now() => Err(error),
            Err(error @ RepositoryError::Target { .. }) => Ok(Standing::Unread(error)),
            Err(error) => Ok(Standing::Refused(error)),
        }
    }

    /// Recovery points by their names alone, newest due instant first: none is read.
    ///
    /// # Errors
    /// As [`Repository::list`], and where recovery points may be missing from the answer.
    pub async fn folders(
        &self,
        cluster: Option<&ClusterName>,
    ) -> Result<Vec<Folder>, RepositoryError> {
        let mut walk = self.walk(cluster).await?;
        match walk.unread.pop() {
            Some(why) => Err(RepositoryError::Unread {
                point: "part of the target".to_owned(),
                why,
            }),
            None => Ok(walk
                .places()
                .into_iter()
                .map(|place| place.folder)
                .collect()),
        }
    }

    pub(super) async fn walk(
        &self,
        cluster: Option<&ClusterName>,
    ) -> Result<Walk, RepositoryError> {
        let prefix = cluster.map_or_else(String::new, |cluster| format!("{cluster}/"));
        self.walk_below(prefix).await
    }

    async fn walk_below(&self, prefix: String) -> Result<Walk, RepositoryError> {
        let mut walk = Walk::default();
        let whole = self.each(&prefix, PAGES_MAX, |entry| {
            match entry {
                Entry::Object(stat) => walk.take(stat),
                Entry::PassedOver(passed) => walk.pass_over(passed),
            }
            let found = walk.folders.len().max(walk.found.len());
            found <= RECOVERY_POINTS_MAX
        });
        if whole.await? {
            Ok(walk)
        } else {
            Err(too_many(prefix))
        }
    }

    /// Calls `each` with every key under `prefix`, as [`Repository::each`] does.
    ///
    /// # Errors
    /// When the target fails, its listing contradicts itself or has no end, or not all of it
    /// could be read.
    pub(super) async fn each_key(
        &self,
        prefix: &str,
        pages_max: usize,
        mut each: impl FnMut(&str) -> bool + Send,
    ) -> Result<bool, RepositoryError> {
        let mut unread = None;
        let whole = self.each(prefix, pages_max, |entry| match entry {
            Entry::Object(stat) => each(&stat.object),
            Entry::PassedOver(passed) => {
                unread = passed.hides.then(|| passed.clone());
                unread.is_none()
            }
        });
        let whole = whole.await?;
        match unread {
            None => Ok(whole),
            Some(passed) => Err(RepositoryError::Unread {
                point: passed.object,
                why: passed.why,
            }),
        }
    }

    /// Calls `each` with every object under `prefix`, and with what was passed over, until it
    /// says that this is too much. Whether that was all of them: not if there are more than
    /// `pages_max` pages either.
    ///
    /// # Errors
    /// When the target fails, or its listing contradicts itself or has no end.
    async fn each(
        &self,
        prefix: &str,
        pages_max: usize,
        mut each: impl FnMut(Entry<'_>) -> bool + Send,
    ) -> Result<bool, RepositoryError> {
        let mut pages = ObjectPages::new(self.target, prefix);
        for _ in 0..pages_max {
            let page = pages.next().await;
            let page = page.map_err(|fault| RepositoryError::target(prefix, fault))?;
            let Some(objects) = page else {
                return Ok(true);
            };
            let keys = objects.iter().map(Entry::Object);
            let passed = pages.passed_over().iter().map(Entry::PassedOver);
            if !keys.chain(passed).all(&mut each) {
                return Ok(false);
            }
        }
        Ok(pages.ended())
    }
}

/// What a listing tells of.
enum Entry<'a> {
    Object(&'a ObjectStat),
    PassedOver(&'a PassedOver),
}

impl Walk {
    fn take(&mut self, stat: &ObjectStat) {
        if let Some(part) = foreign_part(&stat.object) {
            return self.foreign.add(part);
        }
        let Some((folder, file)) = Folder::split(&stat.object) else {
            return;
        };
        let names = (folder.cluster().clone(), folder.name().to_string());
        if file == MANIFEST {
            let names = (names.0.to_string(), names.1.clone());
            self.folders.entry(names).or_default();
        }
        self.found.entry(names).or_default().take(file, stat.size);
    }

    /// What was met in a folder.
    fn inside(&mut self, folder: &Folder) -> Inside {
        let names = (folder.cluster().clone(), folder.name().to_string());
        self.found.remove(&names).unwrap_or_default()
    }

    /// The marks in a folder, in the order of their instants.
    pub(super) fn marks_of(&mut self, folder: &Folder) -> Vec<MarkName> {
        self.inside(folder).marks
    }

    /// What cannot be one of ours by its name is foreign; everything else may be.
    fn pass_over(&mut self, passed: &PassedOver) {
        match Behind::of(&passed.object) {
            Behind::Point(folder) if passed.hides || stands_for(&passed.object, &folder) => {
                let names = (folder.cluster().to_string(), folder.name().to_string());
                self.folders.insert(names, Some(passed.why.clone()));
            }
            Behind::Cluster(cluster) if passed.hides => {
                if self.unread.len() < UNREAD_MAX {
                    self.unread.push(format!(
                        "recovery points of {cluster} may be missing from the list: {}",
                        passed.why
                    ));
                }
            }
            _ => self.foreign.add(passed.object.trim_end_matches('/')),
        }
    }

    /// Newest due instant first; names without one last.
    pub(super) fn places(&mut self) -> Vec<Place> {
        let mut places: Vec<_> = std::mem::take(&mut self.folders).into_iter().collect();
        places.sort_by(|((_, a), _), ((_, b), _)| {
            due_stamp(b).cmp(&due_stamp(a)).then_with(|| b.cmp(a))
        });
        let place = |((cluster, name), unread): ((String, String), Option<String>)| {
            let name = drydock_core::RecoveryPointName::new(name);
            let folder = Folder::new(&ClusterName::new(cluster), &name).ok()?;
            Some(Place { folder, unread })
        };
        places.into_iter().filter_map(place).collect()
    }
}

/// Whether something that is no object stands where a recovery point, or its manifest, has to
/// be one.
fn stands_for(passed: &str, folder: &Folder) -> bool {
    let point = format!("{}/{}", folder.cluster(), folder.name());
    passed == point || passed == folder.manifest()
}

impl Listed {
    /// One of which nothing is believed.
    fn unknown(folder: Folder, standing: Standing, state: State) -> Self {
        Self {
            folder,
            standing,
            state,
            drill: None,
        }
    }
}

impl Inside {
    /// Of each kind of which marks went, the oldest that is kept.
    fn last_kept(&self) -> Vec<MarkName> {
        let oldest = |kind: &MarkKind| self.marks.iter().find(|mark| mark.kind() == *kind);
        self.crowded.iter().filter_map(oldest).cloned().collect()
    }

    fn take(&mut self, file: &str, size: u64) {
        let Some(name) = MarkName::of_content(file) else {
            self.sizes.take(file, size);
            return;
        };
        let kind = name.kind();
        let place = self
            .marks
            .binary_search(&name)
            .unwrap_or_else(|place| place);
        self.marks.insert(place, name);
        let of_kind = |mark: &&MarkName| mark.kind() == kind;
        if self.marks.iter().filter(of_kind).count() > MARKS_KEPT_MAX {
            self.crowded.insert(kind);
            // The oldest goes.
            let oldest = self.marks.iter().position(|mark| mark.kind() == kind);
            oldest.map(|place| self.marks.remove(place));
        }
    }
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
        let mut walk = Walk::default();
        for name in [
            "b.20260101T000000Z",
            "odd",
            "a.20260103T000000Z.m00000001",
            "a.20260102T000000Z",
        ] {
            walk.take(&ObjectStat {
                object: format!("c/{name}/manifest.json"),
                size: 1,
                checksum: None,
                retained_until: None,
            });
        }
        let places = walk.places();
        let order: Vec<String> = places
            .iter()
            .map(|place| place.folder.name().to_string())
            .collect();
        let expected = [
            "a.20260103T000000Z.m00000001",
            "a.20260102T000000Z",
            "b.20260101T000000Z",
            "odd",
        ];
        assert_eq!(order, expected);
    }

    #[test]
    fn foreign_names_are_told_and_bounded() {
        let mut foreign = Foreign::default();
        assert_eq!(foreign.note(), None);
        foreign.add("lost+found");
        foreign.add("#recycle");
        foreign.add("lost+found");
        assert_eq!(
            foreign.note().unwrap(),
            "it also holds what is none of Drydock's and was passed over: #recycle, lost+found"
        );
        for number in 0..FOREIGN_NAMES_MAX {
            foreign.add(&format!("x{number}"));
        }
        assert!(foreign.note().unwrap().ends_with(" and more"));
        assert_eq!(foreign.names.len(), FOREIGN_NAMES_MAX);
    }
}

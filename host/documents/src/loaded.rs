//! Documents as they were read: those that are sound, and what is wrong with the others. A
//! verb says what it needs ([`Need`]); what is wrong elsewhere does not stop it.
//!
//! **Invariant:** a document that something is wrong with is not in the set, and neither is
//! one of two that only could be told apart by guessing.

use super::{Document, DocumentSet, FileError, Kind, Located, Lookup, Schedule, Step};
use drydock_core::ScheduleName;

/// Which of the configuration's folders a file stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Among {
    Schedules,
    Grants,
}

/// What of the documents somebody uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need<'a> {
    /// All of them, as what is in force together.
    All,
    /// Whatever is sound.
    Sound,
    /// This one, and whatever else is sound.
    One(Kind, &'a str),
    /// This schedule, what it refers to, and all grants: which of them are its plugins' is
    /// seen only once those are there.
    Schedule(&'a ScheduleName),
}

/// What was read.
#[derive(Debug, Default)]
pub struct Loaded {
    set: DocumentSet,
    troubles: Vec<Trouble>,
}

/// Something that is wrong.
#[derive(Debug)]
pub(super) struct Trouble {
    pub about: About,
    pub error: FileError,
}

/// With what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum About {
    /// A file, in which any document may have stood, or one that stands in the wrong folder.
    File(Among),
    Document(Kind, String),
}

/// The documents that were asked for, and what is wrong with others.
#[derive(Debug)]
pub struct Usable {
    pub set: DocumentSet,
    pub warnings: Vec<FileError>,
}

impl Loaded {
    /// Joins documents, wherever they come from.
    #[must_use]
    pub fn of(documents: Vec<Located<Document>>) -> Self {
        let (set, troubles) = DocumentSet::join(documents);
        Self { set, troubles }
    }

    /// Joins what the node's configuration names: the folders of the schedules, which
    /// many people write, and those of the grants, which give power. A grant among the
    /// schedules is refused.
    #[must_use]
    pub fn from_folders(schedules: Vec<Located<Document>>, grants: Vec<Located<Document>>) -> Self {
        let work = [Kind::Schedule, Kind::Cluster, Kind::Target];
        let (mut belong, misplaced) = sort_out(schedules, &work, "schedules");
        let (grants, misplaced_grants) = sort_out(grants, &[Kind::PluginGrant], "grants");
        belong.extend(grants);
        let mut loaded = Self::of(belong);
        loaded.note_unread(Among::Schedules, misplaced);
        loaded.note_unread(Among::Grants, misplaced_grants);
        loaded
    }

    /// What is sound.
    #[must_use]
    pub fn sound(&self) -> &DocumentSet {
        &self.set
    }

    /// Notes what could not be read: files, places for them, documents that do not belong.
    pub fn note_unread(&mut self, among: Among, errors: Vec<FileError>) {
        let about = About::File(among);
        let troubles = errors.into_iter().map(|error| Trouble {
            about: about.clone(),
            error,
        });
        self.troubles.extend(troubles);
    }

    /// Reads the values of configurations and servers that stand elsewhere, and refuses the
    /// documents of which one cannot be had.
    pub fn read_values(&mut self, lookup: &dyn Lookup) {
        for (kind, name, error) in self.set.read_values(lookup) {
            self.refuse(kind, &name, error);
        }
    }

    /// Takes a document out of the set, since it was found to be wrong.
    pub fn refuse(&mut self, kind: Kind, name: &str, error: FileError) {
        self.set.remove(kind, name);
        let about = About::Document(kind, name.to_owned());
        self.troubles.push(Trouble { about, error });
    }

    /// The documents for this need.
    ///
    /// # Errors
    /// Everything that is wrong with what is needed. Where files could not be read, what is
    /// wrong between documents may only follow from that, and is not told.
    pub fn take(self, need: Need<'_>) -> Result<Usable, Vec<FileError>> {
        let stops = match need {
            Need::All => !self.troubles.is_empty(),
            Need::Sound => false,
            Need::One(kind, name) => self.lacks(kind, name),
            Need::Schedule(name) => self.lacks_of_schedule(name),
        };
        let Self { set, troubles } = self;
        if stops {
            let needed = |trouble: &Trouble| need.is_about(&set, &trouble.about);
            return Err(told(troubles.into_iter().filter(needed).collect()));
        }
        Ok(Usable {
            set,
            warnings: told(troubles),
        })
    }

    /// Whether a document is missing that may have been meant by what is wrong.
    fn lacks(&self, kind: Kind, name: &str) -> bool {
        let may_be = |about: &About| match about {
            About::File(among) => (*among == Among::Grants) == (kind == Kind::PluginGrant),
            About::Document(other, known) => *other == kind && known == name,
        };
        let troubles = || self.troubles.iter();
        !self.set.has(kind, name) && troubles().any(|trouble| may_be(&trouble.about))
    }

    fn lacks_of_schedule(&self, name: &ScheduleName) -> bool {
        let grants = |trouble: &Trouble| {
            matches!(
                trouble.about,
                About::File(Among::Grants) | About::Document(Kind::PluginGrant, _)
            )
        };
        let schedule = self.set.schedule(name);
        let parts = schedule.map(referred).unwrap_or_default();
        self.troubles.iter().any(grants)
            || self.lacks(Kind::Schedule, name.as_str())
            || parts.iter().any(|(kind, name)| self.lacks(*kind, name))
    }
}

impl Need<'_> {
    /// Whether what is wrong may have to do with this.
    fn is_about(&self, set: &DocumentSet, about: &About) -> bool {
        let (kind, name) = match about {
            About::File(_) => return true,
            About::Document(kind, name) => (*kind, name.as_str()),
        };
        match self {
            Self::All => true,
            Self::Sound => false,
            Self::One(wanted, own) => (*wanted, *own) == (kind, name),
            Self::Schedule(own) => {
                let parts = set.schedule(own).map(referred).unwrap_or_default();
                let is_part = parts.iter().any(|(part, own)| *part == kind && own == name);
                kind == Kind::PluginGrant
                    || (kind == Kind::Schedule && name == own.as_str())
                    || is_part
            }
        }
    }
}

/// The documents that a schedule names.
fn referred(schedule: &Located<Schedule>) -> Vec<(Kind, String)> {
    let spec = &schedule.value.spec;
    let targets = spec.steps.iter().filter_map(Step::target);
    let cluster = (Kind::Cluster, spec.cluster.to_string());
    let mut named: Vec<_> = targets
        .map(|name| (Kind::Target, name.to_string()))
        .collect();
    named.push(cluster);
    named
}

/// Files first and alone: the rest may follow from them.
fn told(troubles: Vec<Trouble>) -> Vec<FileError> {
    let is_file = |trouble: &Trouble| matches!(trouble.about, About::File(_));
    let (files, between): (Vec<_>, Vec<_>) = troubles.into_iter().partition(is_file);
    let shown = if files.is_empty() { between } else { files };
    let mut errors: Vec<FileError> = shown.into_iter().map(|trouble| trouble.error).collect();
    errors.sort();
    errors.dedup();
    errors
}

/// The documents that belong into the files under `key`, and an error for each other.
fn sort_out(
    documents: Vec<Located<Document>>,
    allowed: &[Kind],
    key: &str,
) -> (Vec<Located<Document>>, Vec<FileError>) {
    let (belong, others): (Vec<_>, Vec<_>) = documents
        .into_iter()
        .partition(|document| allowed.contains(&document.value.kind()));
    let errors = others.iter().map(|document| misplaced(document, key));
    (belong, errors.collect())
}

fn misplaced(document: &Located<Document>, key: &str) -> FileError {
    let kind = document.value.kind();
    let mend = match kind {
        Kind::NodeConfig => "into the file that --config names",
        Kind::PluginGrant => "to a folder under grants:",
        Kind::Cluster | Kind::Target | Kind::Schedule => "to a folder under schedules:",
    };
    document.sentence(
        "kind",
        format!(
            "the {kind} {} does not belong among the files under {key}: of the node's configuration; move it {mend}",
            document.value.name()
        ),
    )
}

//! Judges a tar archive while it streams by: whether it is whole, and whether it can be
//! unpacked below a folder without surprises. Nothing of it is kept but a digest of each
//! name.

use super::decode::{Damage, Decoder, Entry, Event, Kind};
use super::name::{self, Names, Standing};

/// Problems that are spelled out; the others are counted.
pub const PROBLEMS_MAX: usize = 16;

/// Entries whose names are remembered, at about 40 bytes each. A node has a few thousand
/// files of the kind that is worth an archive.
pub const ENTRIES_MAX: u64 = 1024 * 1024;

/// Characters of a name in a problem's sentence.
const NAME_SHOWN_MAX: usize = 200;

/// What an archive amounted to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ArchiveSummary {
    /// Files, folders, links and everything else that has a name.
    pub entries: u64,
    /// Bytes of the files' contents.
    pub bytes: u64,
    /// Sentences, at most [`PROBLEMS_MAX`].
    pub problems: Vec<String>,
    pub problems_total: u64,
    /// Entries whose names were compared with no other: those behind the first
    /// [`ENTRIES_MAX`]. They are no problem, and nobody knows whether they are one.
    pub names_unchecked: u64,
}

/// Checks an archive piece by piece.
#[derive(Debug, Default)]
pub struct ArchiveCheck {
    decoder: Decoder,
    names: Names,
    summary: ArchiveSummary,
    broken: bool,
}

impl ArchiveCheck {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes, however they were cut.
    pub fn push(&mut self, mut bytes: &[u8]) {
        while !self.broken {
            match self.decoder.next(&mut bytes) {
                Ok(Some(event)) => self.take(&event),
                Ok(None) => return,
                Err(damage) => self.break_off(&damage),
            }
        }
    }

    /// Call it when all bytes were pushed.
    #[must_use]
    pub fn finish(mut self) -> ArchiveSummary {
        if !self.broken
            && let Err(damage) = self.decoder.finish()
        {
            self.break_off(&damage);
        }
        self.summary
    }

    fn take(&mut self, event: &Event<'_>) {
        match event {
            Event::Entry(entry) => self.take_entry(entry),
            Event::Data(bytes) => self.summary.bytes += bytes.len() as u64,
            Event::EntryEnd => {}
        }
    }

    fn take_entry(&mut self, entry: &Entry) {
        self.summary.entries += 1;
        let mut found: Vec<String> = own_objections(entry).collect();
        if self.summary.entries > ENTRIES_MAX {
            self.summary.names_unchecked += 1;
        } else {
            found.extend(self.name_objections(entry));
        }
        for what in found {
            self.problem(format!(
                "{} at byte {}: {what}",
                shown(&entry.path),
                entry.offset
            ));
        }
    }

    /// What an entry's name is beside those before it.
    fn name_objections(&mut self, entry: &Entry) -> Vec<String> {
        let mut found = Vec::new();
        match self.names.add(&entry.path, entry.kind == Kind::Folder) {
            Standing::New => {}
            Standing::Twice => found.push("an entry of this name came before".to_owned()),
            Standing::BelowNoFolder => {
                found.push("it lies below an entry that is no folder".to_owned());
            }
        }
        if entry.kind == Kind::HardLink {
            let known = self.names.has_file(&entry.link)
                && name::objection(&entry.link).is_none()
                && name::NameKey::of(&entry.link) != name::NameKey::of(&entry.path);
            if !known {
                found.push(format!(
                    "it is another name of {}, which is no file before it in the archive",
                    shown(&entry.link)
                ));
            }
        }
        found
    }

    /// Nothing after this can be believed.
    fn break_off(&mut self, damage: &Damage) {
        self.broken = true;
        self.problem(damage.to_string());
    }

    fn problem(&mut self, sentence: String) {
        self.summary.problems_total += 1;
        if self.summary.problems.len() < PROBLEMS_MAX {
            self.summary.problems.push(sentence);
        }
    }
}

/// What is wrong with an entry by itself.
fn own_objections(entry: &Entry) -> impl Iterator<Item = String> {
    let kind = match entry.kind {
        Kind::SymbolicLink if entry.link.is_empty() || entry.link.contains(&0) => {
            Some("it is a symbolic link to nowhere".to_owned())
        }
        Kind::Unknown(flag) => Some(format!(
            "it is of the kind {:?}, which cannot be unpacked",
            char::from(flag)
        )),
        _ => None,
    };
    let name = name::objection(&entry.path).map(str::to_owned);
    name.into_iter().chain(kind)
}

/// A name as a sentence shows it, whatever bytes it has.
#[must_use]
pub fn shown(name: &[u8]) -> String {
    let text = String::from_utf8_lossy(name);
    let short: String = text.chars().take(NAME_SHOWN_MAX).collect();
    format!("{short:?}")
}

#[cfg(test)]
mod tests;

//! A round trip that an operator can ask of a target: one object is created in one request and
//! another in parts, neither can be created again, both are read back, listed, and deleted.
//! They go the same ways as a backup's own objects, so that what holds here holds for them;
//! there are stores that keep the first object in one of the two ways only.
//!
//! The contract that tests hold targets to asks much more, with uploads that break off and
//! names that climb; it is for the authors of store plugins and leaves more behind when it
//! fails. It begins with this probe.
//!
//! What the probe creates it takes away, also after a failure; where even that fails, the
//! findings name the object.

use drydock_core::store::{Layout, Sessions};
use drydock_core::{ErrorCode, Finding, Level};

use crate::error::RepositoryError;
use crate::object::{self, Creation};
use crate::pages::{ObjectPages, SessionPages};
use crate::target::Target;

/// Size of a part where the target leaves it open: two parts are a moment's work.
const PART_BYTES_PREFERRED: u64 = 64 * 1024;

/// Where a target wants larger parts than this, one small part has to do.
const PART_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// Bytes of the object that goes in one request.
const SMALL_BYTES: u64 = 1024;

/// Pages of a listing that are followed; the probe's own prefix holds two objects.
const PAGES_MAX: usize = 16;

/// Why an object is still there.
enum Undeleted {
    /// Who asks may not delete.
    Denied(String),
    Failed(String),
}

/// What a law's author says when it holds, or how it does not.
type Law = Result<String, String>;

/// Works on two objects below `prefix`, which ends with `/` and should be nobody else's.
/// Answers what was found: notes for what holds, a failure for the first that does not.
pub async fn probe(target: &dyn Target, prefix: &str) -> Vec<Finding> {
    let layout = match target.layout().await {
        Ok(layout) => layout,
        Err(fault) => return vec![failure("probe-layout", fault.message)],
    };
    let probe = Probe {
        target,
        small: format!("{prefix}object"),
        parts: format!("{prefix}parts"),
        prefix,
        sizes: Sizes::of(&layout),
        layout,
    };
    let mut findings = probe.laws().await;
    if findings.iter().all(|finding| finding.level == Level::Note) {
        findings.push(probe.may_delete().await);
    } else if let Err(left) = probe.tidy().await {
        findings.push(failure("probe-left", left));
    }
    findings.extend(probe.locking());
    findings
}

struct Probe<'a> {
    target: &'a dyn Target,
    prefix: &'a str,
    /// The object that goes in one request, and the one that goes in parts.
    small: String,
    parts: String,
    sizes: Sizes,
    layout: Layout,
}

/// In bytes.
#[derive(Debug, PartialEq, Eq)]
struct Sizes {
    object: u64,
    part: u64,
}

impl Probe<'_> {
    /// One after the other; the first that does not hold ends them.
    async fn laws(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut holds = |code: &str, law: Law| {
            let (level, message) = match law {
                Ok(message) => (Level::Note, message),
                Err(message) => (Level::Failure, message),
            };
            findings.push(Finding::new(level, code, message));
            level == Level::Note
        };
        let _ = holds("probe-create", self.create().await)
            && holds("probe-create-again", self.create_again().await)
            && holds("probe-upload", self.upload().await)
            && holds("probe-upload-again", self.upload_again().await)
            && holds("probe-read", self.read().await)
            && holds("probe-list", self.list().await)
            && holds("probe-uploads", self.uploads().await);
        findings
    }

    async fn create(&self) -> Law {
        let object = &self.small;
        let created = object::create(self.target, object, &small_bytes(), None).await;
        match created.map_err(told)? {
            Creation::Created => Ok(format!(
                "{object} was created: {SMALL_BYTES} bytes in one request"
            )),
            Creation::AlreadyThere => Err(taken(object)),
        }
    }

    async fn create_again(&self) -> Law {
        let object = &self.small;
        let again = object::create(self.target, object, b"another", None).await;
        match again.map_err(told)? {
            Creation::AlreadyThere => Ok(format!("{object} could not be created again")),
            Creation::Created => Err(overwritten(object, "in one request")),
        }
    }

    async fn upload(&self) -> Law {
        let (object, Sizes { object: size, part }) = (&self.parts, &self.sizes);
        match self.in_parts(&self.bytes()).await? {
            Creation::Created => Ok(format!(
                "{object} was uploaded: {size} bytes in {} parts",
                size.div_ceil(*part)
            )),
            Creation::AlreadyThere => Err(taken(object)),
        }
    }

    async fn upload_again(&self) -> Law {
        let object = &self.parts;
        match self.in_parts(b"another").await? {
            Creation::AlreadyThere => Ok(format!("{object} could not be uploaded again")),
            Creation::Created => Err(overwritten(object, "by an upload")),
        }
    }

    async fn in_parts(&self, bytes: &[u8]) -> Result<Creation, String> {
        let part = self.sizes.part;
        let created =
            object::create_in_parts(self.target, &self.layout, &self.parts, bytes, part).await;
        created.map_err(told)
    }

    async fn read(&self) -> Law {
        for (object, expected) in [(&self.small, small_bytes()), (&self.parts, self.bytes())] {
            let stored = object::read(self.target, object, expected.len() as u64).await;
            match stored.map_err(told)? {
                Some(bytes) if bytes == expected => {}
                Some(_) => return Err(format!("{object} gives back other bytes than were stored")),
                None => return Err(format!("{object} was stored and is not there")),
            }
        }
        Ok("both were read back byte by byte".to_owned())
    }

    async fn list(&self) -> Law {
        let expected = [
            (self.small.clone(), SMALL_BYTES),
            (self.parts.clone(), self.sizes.object),
        ];
        let listed = self.listed().await?;
        if listed == expected {
            return Ok(format!(
                "both are listed under {} with their sizes",
                self.prefix
            ));
        }
        Err(format!(
            "under {} is listed {listed:?} instead of {expected:?}",
            self.prefix
        ))
    }

    async fn uploads(&self) -> Law {
        if let Sessions::Expire { seconds } = self.layout.sessions {
            return Ok(format!(
                "an upload that is left takes room for {seconds} s, and can be neither listed nor aborted here"
            ));
        }
        match self.open_uploads().await?.len() {
            0 => Ok("no upload is left open".to_owned()),
            count => Err(format!(
                "{count} uploads under {} are still listed as open, although each was completed or aborted",
                self.prefix
            )),
        }
    }

    /// The end of a probe in which everything held. Who may not delete is no failure: a node that
    /// only backs up is best given no such right.
    async fn may_delete(&self) -> Finding {
        let (mut denied, mut failed, mut stay) = (None, Vec::new(), Vec::new());
        for object in [&self.small, &self.parts] {
            match self.delete(object).await {
                Ok(()) => continue,
                Err(Undeleted::Denied(why)) => denied = Some(why),
                Err(Undeleted::Failed(why)) => failed.push(why),
            }
            stay.push(object.as_str());
        }
        let stay = stay.join(" and ");
        if !failed.is_empty() {
            let why = format!("{}: remove {stay} by hand", failed.join("; "));
            return failure("probe-delete", why);
        }
        let message = match denied {
            None => "both were deleted".to_owned(),
            Some(why) => format!(
                "what was made may not be deleted from here, so that {stay} stay: a node that only backs up needs no such right, and what removes recovery points has to have it ({why})"
            ),
        };
        Finding::new(Level::Note, "probe-delete", message)
    }

    async fn delete(&self, object: &str) -> Result<(), Undeleted> {
        // Twice, since a repetition after a crash must be no error.
        for _ in 0..2 {
            match self.target.delete(object).await {
                Ok(()) => {}
                Err(fault) if fault.code == ErrorCode::PermissionDenied => {
                    return Err(Undeleted::Denied(fault.message));
                }
                Err(fault) => {
                    let why = format!("{object} could not be deleted: {fault}");
                    return Err(Undeleted::Failed(why));
                }
            }
        }
        let size = object::size_of(self.target, object).await;
        match size.map_err(|error| Undeleted::Failed(told(error)))? {
            None => Ok(()),
            Some(_) => {
                let why = format!("{object} was deleted and is still there");
                Err(Undeleted::Failed(why))
            }
        }
    }

    /// What was not tried, since nobody can take it back.
    fn locking(&self) -> Option<Finding> {
        let message = "that objects can be locked was not tried, since a lock cannot be taken back: the first run under `retainDays` looks whether its own are";
        let note = || Finding::new(Level::Note, "probe-retain", message);
        self.layout.retain.then(note)
    }

    /// Removes whatever a law that did not hold left behind.
    async fn tidy(&self) -> Result<(), String> {
        let left = |what: String| format!("{what}: remove what is under {} by hand", self.prefix);
        if self.layout.lists_sessions() {
            for session in self.open_uploads().await.map_err(left)? {
                let aborted = self.target.abort(&session).await;
                aborted.map_err(|fault| left(fault.message))?;
            }
        }
        for object in [&self.small, &self.parts] {
            let deleted = self.target.delete(object).await;
            deleted.map_err(|fault| left(fault.message))?;
        }
        Ok(())
    }

    async fn listed(&self) -> Result<Vec<(String, u64)>, String> {
        let (mut listed, mut pages) = (Vec::new(), ObjectPages::new(self.target, self.prefix));
        for _ in 0..PAGES_MAX {
            let page = pages.next().await;
            let page = page.map_err(|fault| format!("objects cannot be listed: {fault}"))?;
            let Some(objects) = page else {
                return Ok(listed);
            };
            listed.extend(objects.into_iter().map(|stat| (stat.object, stat.size)));
        }
        Err(endless(self.prefix))
    }

    async fn open_uploads(&self) -> Result<Vec<drydock_core::store::Session>, String> {
        let (mut open, mut pages) = (Vec::new(), SessionPages::new(self.target, self.prefix));
        for _ in 0..PAGES_MAX {
            let page = pages.next().await;
            let page = page.map_err(|fault| format!("uploads cannot be listed: {fault}"))?;
            let Some(sessions) = page else {
                return Ok(open);
            };
            open.extend(sessions.into_iter().map(|info| info.session));
        }
        Err(endless(self.prefix))
    }

    /// Bytes that differ from their neighbours, so that a part in the wrong place shows.
    fn bytes(&self) -> Vec<u8> {
        sample(self.sizes.object)
    }
}

fn small_bytes() -> Vec<u8> {
    sample(SMALL_BYTES)
}

fn sample(size: u64) -> Vec<u8> {
    (0..size)
        .map(|place| u8::try_from((place + place / 251) % 251).expect("below 251"))
        .collect()
}

fn taken(object: &str) -> String {
    format!(
        "{object} cannot be created because it is there already, although nobody else uses that name"
    )
}

fn overwritten(object: &str, how: &str) -> String {
    format!(
        "{object} was there and was created again {how} with other bytes: this target cannot keep two runs from overwriting each other's recovery point; do not use it"
    )
}

impl Sizes {
    /// A whole part and some of another one, where that is little.
    fn of(layout: &Layout) -> Self {
        let part = PART_BYTES_PREFERRED
            .max(layout.part_bytes_min)
            .min(layout.part_bytes_max);
        let object = if part > PART_BYTES_MAX || layout.parts_max < 2 {
            // The last part may be below the smallest, and the only one is the last.
            PART_BYTES_PREFERRED
        } else {
            part + PART_BYTES_PREFERRED.min(part / 2)
        };
        Self { object, part }
    }
}

fn failure(code: &str, message: String) -> Finding {
    Finding::new(Level::Failure, code, message)
}

fn endless(prefix: &str) -> String {
    format!("the target's listing under {prefix} does not end after {PAGES_MAX} pages")
}

/// An error with what caused it.
fn told(error: RepositoryError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_parts_are_sent_where_parts_are_small() {
        let layout = |min, max, parts| Layout {
            part_bytes_min: min,
            part_bytes_max: max,
            parts_max: parts,
            parallel_max: 1,
            equal_parts: false,
            object_bytes_max: 1 << 20,
            part_checksum: None,
            sessions: Sessions::Listed,
            retain: false,
        };
        let sizes = |object, part| Sizes { object, part };
        assert_eq!(Sizes::of(&layout(1, 1 << 30, 9)), sizes(98_304, 65_536));
        assert_eq!(Sizes::of(&layout(1, 1000, 9)), sizes(1500, 1000));
        assert_eq!(
            Sizes::of(&layout(5 << 20, 5 << 30, 9)).object,
            (5 << 20) + 65_536
        );
        assert_eq!(
            Sizes::of(&layout(16 << 20, 1 << 30, 9)),
            sizes(65_536, 16 << 20)
        );
        assert_eq!(Sizes::of(&layout(1, 1 << 30, 1)), sizes(65_536, 65_536));
    }
}

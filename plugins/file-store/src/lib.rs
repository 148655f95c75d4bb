//! A folder of the node as a place that keeps objects.
//!
//! Each object is a plain file at `<folder>/<object key>`, so that a stranger finds it
//! without Drydock. An upload in progress is a folder of its own,
//! `.drydock-uploads/<id>/`, with two files: `meta` says which object is meant, `data`
//! takes the parts at their offsets. Completing compares size and bytes of the file as
//! the file system gives it back (with what it was written from, else by SHA-256), and then gives it the object's name in one step, which
//! fails if that name is taken. Whether that is a link or a rename is the host's business.
//! An object that comes in one piece is a file in `.drydock-puts/` until then. Names that begin with `.` at the top of the folder are
//! the store's own and never objects.
//!
//! The crate knows nothing of what the objects hold.
//!
//! **Invariant:** a file under an object's name is whole: it got there in one step, after
//! its bytes had been made durable and compared.
//! **Invariant:** `meta` is written before `data` and removed after it, so that every
//! upload that takes room is listed.
//! **Invariant:** a part is acknowledged only when its bytes are durable.
//!
//! A crash leaves at most the upload's folder, which `complete` goes on with, or which
//! `abort` removes. A crash between that step and the removal leaves the upload beside the
//! object, with its data where the file system links, without where it moves; completing
//! once more removes what is left.

mod check;
mod complete;
mod config;
mod create;
mod put;
mod upload;

use drydock_plugin_sdk::{
    Acknowledgement, Classed as _, Error, Finding, Folder, ObjectPage, ObjectStat, PartReceipt,
    PassedOver, SessionInfo, SessionPage, Sink, Slice, Store, StoreLayout, from_token, to_token,
    unique_id, warn,
};

pub use config::Config;
use upload::{Receipt, UPLOADS, Upload, is_meta};

/// The folder as a store. It is opened when a call needs it.
pub struct FileStore {
    config: Config,
}

impl FileStore {
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { config }
    }

    /// Opens the folder, which has to be there.
    pub fn folder(&self) -> Result<Folder, Error> {
        self.mounted(Folder::open(&self.config.folder, false)?)
    }

    fn mounted(&self, folder: Folder) -> Result<Folder, Error> {
        if !self.config.require_mount || folder.is_mounted()? {
            return Ok(folder);
        }
        Err(Error::permanent(
            "not-mounted",
            format!(
                "{} is not on a mount of its own, as `requireMount: true` in the target's config wants it: mount its file system, or remove the key if it is to lie on this node's own disk",
                self.config.folder
            ),
        ))
    }
}

impl Store for FileStore {
    type Config = Config;

    fn check_config(config: &Config) -> Result<Vec<Finding>, Error> {
        config.check().map(|()| Vec::new())
    }

    fn open(config: Config) -> Result<Self, Error> {
        config.check()?;
        Ok(Self::new(config))
    }

    fn check(&self) -> Result<Vec<Finding>, Error> {
        Ok(check::look_at(&self.config.folder, &self.folder()?))
    }

    fn layout(&self) -> Result<StoreLayout, Error> {
        Ok(self.config.layout())
    }

    /// Where the folder has to lie on a mount of its own, its file system has it already: a
    /// folder that was made in the place of a mount would be one of the node's own disk.
    fn make_place(&self) -> Result<(), Error> {
        let create = !self.config.require_mount;
        self.mounted(Folder::open(&self.config.folder, create)?)
            .map(drop)
    }

    fn put_object(
        &self,
        object: &str,
        bytes: &Slice,
        retain_until: Option<u64>,
    ) -> Result<ObjectStat, Error> {
        check_object(object)?;
        if retain_until.is_some() {
            return Err(no_locks());
        }
        put::put(&self.folder()?, object, bytes)
    }

    fn begin(
        &self,
        object: &str,
        _size_max: Option<u64>,
        part_size: u64,
    ) -> Result<Vec<u8>, Error> {
        check_object(object)?;
        let folder = self.folder()?;
        // Asking for its size lets the host refuse a key that it would not take later.
        folder.size(object).absent_if("not-found")?;
        let upload = Upload {
            id: unique_id(),
            object: object.to_owned(),
            part_size,
        };
        upload.create(&folder)
    }

    fn put_part(
        &self,
        session: &[u8],
        _number: u32,
        offset: u64,
        bytes: &Slice,
    ) -> Result<Acknowledgement, Error> {
        let upload = Upload::parse(session)?;
        let folder = self.folder()?;
        if folder
            .size(&upload.meta())
            .absent_if("not-found")?
            .is_none()
        {
            return Err(upload.gone());
        }
        folder.write_at(&upload.data(), offset, bytes)?;
        folder.sync(&upload.data())?;
        let receipt = Receipt {
            offset,
            length: bytes.size(),
        };
        Ok(Acknowledgement {
            receipt: to_token(&receipt)?,
            checksum: None,
        })
    }

    fn complete(
        &self,
        session: &[u8],
        receipts: &[PartReceipt],
        size: u64,
        sha256: &[u8],
        whole: Option<&Slice>,
    ) -> Result<ObjectStat, Error> {
        let upload = Upload::parse(session)?;
        upload::check_coverage(&receipts_of(receipts)?, size)?;
        complete::complete(&self.folder()?, &upload, size, sha256, whole)
    }

    fn retain(&self, _object: &str, _until: u64) -> Result<(), Error> {
        Err(no_locks())
    }

    fn abort(&self, session: &[u8]) -> Result<(), Error> {
        Upload::parse(session)?.remove(&self.folder()?)
    }

    fn list_sessions(&self, prefix: &str, cursor: Option<&str>) -> Result<SessionPage, Error> {
        let folder = self.folder()?;
        let page = folder.list(UPLOADS, cursor)?;
        if let Some(passed) = page.passed_over.first() {
            // An upload that nobody can see takes room for good.
            return Err(passed.why.clone());
        }
        let metas = page.entries.iter().filter(|entry| is_meta(&entry.path));
        let sessions =
            metas.filter_map(|entry| open_upload(&folder, &entry.path, prefix).transpose());
        Ok(SessionPage {
            sessions: sessions.collect::<Result<_, _>>()?,
            next: page.next,
        })
    }

    fn list(&self, prefix: &str, cursor: Option<&str>) -> Result<ObjectPage, Error> {
        let page = self.folder()?.list(prefix, cursor)?;
        let objects = page.entries.into_iter();
        let passed = page.passed_over.into_iter();
        Ok(ObjectPage {
            objects: objects
                .filter(|entry| is_object(&entry.path))
                .map(|entry| stat_of(entry.path, entry.size))
                .collect(),
            passed_over: passed
                .filter(|passed| !is_of_uploads(&passed.path))
                .map(|passed| PassedOver {
                    hides: hides(&passed.path, &passed.why.code),
                    object: passed.path,
                    why: passed.why.message,
                })
                .collect(),
            next: page.next,
        })
    }

    fn stat(&self, object: &str) -> Result<ObjectStat, Error> {
        check_object(object)?;
        let size = self.folder()?.size(object)?;
        Ok(stat_of(object.to_owned(), size))
    }

    fn get_range(&self, object: &str, offset: u64, length: u64, into: &Sink) -> Result<(), Error> {
        check_object(object)?;
        self.folder()?.read_range(object, offset, length, into)
    }

    fn delete(&self, object: &str) -> Result<(), Error> {
        check_object(object)?;
        self.folder()?.remove(object)
    }
}

/// The upload that a `meta` file tells of, if it is for an object of this prefix. One
/// that goes away meanwhile, or that was cut off while it was written, is none: its
/// session was never handed out.
fn open_upload(folder: &Folder, meta: &str, prefix: &str) -> Result<Option<SessionInfo>, Error> {
    let read = folder.read_bytes(meta, 0, upload::META_BYTES_MAX);
    let Some(session) = read.absent_if("not-found")? else {
        return Ok(None);
    };
    let Ok(upload) = Upload::parse(&session) else {
        warn!("{meta} was cut off while it was written: remove it by hand");
        return Ok(None);
    };
    let wanted = upload.object.starts_with(prefix) && upload.meta() == meta;
    Ok(wanted.then_some(SessionInfo {
        object: upload.object,
        session,
    }))
}

fn receipts_of(receipts: &[PartReceipt]) -> Result<Vec<Receipt>, Error> {
    receipts
        .iter()
        .map(|part| from_token("receipt", &part.receipt))
        .collect()
}

fn stat_of(object: String, size: u64) -> ObjectStat {
    ObjectStat {
        object,
        size,
        checksum: None,
        retained_until: None,
    }
}

/// Whether objects may be behind what could not be listed: not behind a name that no object
/// has, nor behind one that is no text, or a pipe.
fn hides(path: &str, code: &str) -> bool {
    is_object(path) && !matches!(code, "bad-name" | "not-a-file")
}

/// Whether it is of what is not an object yet.
fn is_of_uploads(path: &str) -> bool {
    path.starts_with(UPLOADS) || path.starts_with(put::PUTS)
}

fn no_locks() -> Error {
    let message = "a folder cannot lock what it keeps: leave `retainDays` out of the Target, or keep this at a store that locks objects";
    Error::permanent("no-retention", message).not_done()
}

/// The store keeps names that begin with `.` for itself; the host checks the rest.
fn is_object(key: &str) -> bool {
    !key.starts_with('.')
}

fn check_object(key: &str) -> Result<(), Error> {
    if is_object(key) {
        return Ok(());
    }
    Err(Error::permanent(
        "bad-object",
        format!(
            "`{key}` cannot be an object's key here: names that begin with `.` are the store's own"
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_store_are_no_objects() {
        check_object("cluster/rp/manifest.json").unwrap();
        check_object("cluster/.hidden").unwrap();
        for refused in [".drydock-uploads/x/data", ".x", "../x"] {
            assert_eq!(check_object(refused).unwrap_err().code, "bad-object");
        }
    }

    #[test]
    fn only_where_objects_can_be_something_is_hidden() {
        for (path, code, expected) in [
            ("c1/", "permission-denied", true),
            ("lost+found/", "permission-denied", true),
            ("c1", "symbolic-link", true),
            ("c1/.x/", "permission-denied", true),
            (".snapshot/", "permission-denied", false),
            (".snapshot", "symbolic-link", false),
            ("c1/pipe", "not-a-file", false),
            ("caf", "bad-name", false),
        ] {
            assert_eq!(hides(path, code), expected, "{path} {code}");
        }
    }

    #[test]
    fn foreign_receipts_are_refused() {
        let part = |receipt: &[u8]| PartReceipt {
            number: 1,
            receipt: receipt.to_vec(),
        };
        let good = br#"{"offset":0,"length":5}"#;
        assert_eq!(receipts_of(&[part(good)]).unwrap().len(), 1);
        assert_eq!(receipts_of(&[part(b"?")]).unwrap_err().code, "bad-token");
    }
}

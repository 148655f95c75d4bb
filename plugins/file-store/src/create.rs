//! Making an object of a file that is whole: compared, then given the object's name.

use drydock_plugin_sdk::{Checksum, Classed as _, Error, Folder, ObjectStat, Slice, warn};

/// What is to be there in the end.
pub struct Wanted<'a> {
    pub object: &'a str,
    pub size: u64,
    pub sha256: &'a [u8],
    /// The bytes that it was written from, where they are still there.
    pub bytes: Option<&'a Slice>,
}

/// How a file compares with what is wanted.
#[derive(Debug, PartialEq)]
pub enum Found {
    Nothing,
    Equal,
    OtherSize(u64),
    /// From this byte on, where that is known.
    OtherBytes(Option<u64>),
}

impl Wanted<'_> {
    /// Gives a whole file the object's name. Where that fails, what has the name by now
    /// decides: the same object may be there from an earlier call, or half a step may have
    /// been missing until its name was durable.
    pub fn publish(&self, folder: &Folder, file: &str) -> Result<(), Error> {
        let Err(error) = folder.publish(file, self.object) else {
            return Ok(());
        };
        match self.look(folder, self.object) {
            Ok(Found::Equal) => folder.sync(self.object),
            Ok(Found::OtherSize(_) | Found::OtherBytes(_)) => Err(self.exists()),
            // Who is told that it exists goes by that.
            Ok(Found::Nothing) if error.is("exists") => Err(self.gone_again()),
            Ok(Found::Nothing) | Err(_) => Err(error),
        }
    }

    /// Compares with the bytes that the file was written from, which is cheap, and hashes
    /// where they are gone, cannot be read or differ: then the digest says which of both is
    /// wrong.
    pub fn look(&self, folder: &Folder, path: &str) -> Result<Found, Error> {
        let Some(size) = folder.size(path).absent_if("not-found")? else {
            return Ok(Found::Nothing);
        };
        if size != self.size {
            return Ok(Found::OtherSize(size));
        }
        let compared = self.bytes.map(|bytes| folder.compare(path, bytes));
        let offset = match compared {
            Some(Ok(None)) => return Ok(Found::Equal),
            Some(Ok(Some(offset))) => Some(offset),
            Some(Err(_)) | None => None,
        };
        if folder.sha256(path)? != self.sha256 {
            return Ok(Found::OtherBytes(offset));
        }
        if let Some(offset) = offset {
            let object = self.object;
            warn!(
                "{object} is what it was to be, and the bytes at hand that it was written from have changed from byte {offset} on: look at the disk with the daemon's state folder, and at its memory"
            );
        }
        Ok(Found::Equal)
    }

    /// Of an object whose bytes were compared.
    pub fn stat(&self) -> ObjectStat {
        ObjectStat {
            object: self.object.to_owned(),
            size: self.size,
            checksum: Some(Checksum::sha256(self.sha256)),
            retained_until: None,
        }
    }

    pub fn wrong_size(&self, found: u64) -> Error {
        Error::permanent(
            "size-mismatch",
            format!(
                "the upload of {} has {found} bytes instead of {}: upload it again",
                self.object, self.size
            ),
        )
        .not_done()
    }

    pub fn wrong_bytes(&self, offset: Option<u64>) -> Error {
        let place = offset.map_or_else(String::new, |offset| format!(", from byte {offset} on"));
        Error::permanent(
            "digest-mismatch",
            format!(
                "the file system gives back other bytes of {} than were written{place}: check the disk, then upload it again",
                self.object
            ),
        )
        .not_done()
    }

    fn gone_again(&self) -> Error {
        let message = format!(
            "something had the name {} and was removed a moment ago",
            self.object
        );
        Error::transient("changed-meanwhile", message).not_done()
    }

    fn exists(&self) -> Error {
        let message = format!(
            "another object is there under the name {}: see who put it there, and move it away",
            self.object
        );
        Error::permanent("exists", message).not_done()
    }
}

//! Completing an upload: the one step that makes an object visible.

use drydock_plugin_sdk::{Classed as _, Completion, Error, Folder, ObjectStat, warn};

use crate::upload::Upload;

/// What is to be there in the end.
struct Wanted<'a> {
    object: &'a str,
    size: u64,
    sha256: &'a [u8],
}

/// How a file compares with what is wanted.
#[derive(Debug, PartialEq)]
enum Found {
    Nothing,
    Equal,
    OtherSize(u64),
    OtherBytes,
}

/// Compares, links, tidies up. Any repetition ends in the same state.
pub fn complete(
    folder: &Folder,
    upload: &Upload,
    size: u64,
    sha256: &[u8],
    if_absent: bool,
) -> Result<Completion, Error> {
    let wanted = Wanted {
        object: &upload.object,
        size,
        sha256,
    };
    // Only clean pages can be forgotten by the kernel and read back from the disk.
    folder.sync(&upload.data()).absent_if("not-found")?;
    match look(folder, &upload.data(), &wanted)? {
        Found::Equal => publish(folder, upload, &wanted, if_absent)?,
        // An earlier call may have got further than its answer did.
        Found::Nothing => match look(folder, wanted.object, &wanted)? {
            Found::Equal => {}
            _ => return Err(upload.gone().not_done()),
        },
        Found::OtherSize(found) => return Err(wrong_size(&wanted, found)),
        Found::OtherBytes => return Err(wrong_bytes(&wanted)),
    }
    // The object is there: what is left of the upload is room, and is listed as an upload.
    if let Err(error) = upload.remove(folder) {
        let object = wanted.object;
        warn!(
            "{object} is complete, and its upload could not be removed: {}",
            error.message
        );
    }
    Ok(wanted.completion())
}

/// Gives the uploaded file its name.
fn publish(
    folder: &Folder,
    upload: &Upload,
    wanted: &Wanted,
    if_absent: bool,
) -> Result<(), Error> {
    let Err(error) = folder.link_if_absent(&upload.data(), wanted.object) else {
        return Ok(());
    };
    if !error.is("exists") {
        return Err(error);
    }
    match look(folder, wanted.object, wanted)? {
        Found::Equal => Ok(()),
        _ if if_absent => Err(error),
        // A link cannot replace a name. For a moment there is no object, but never half
        // a one; a crash in between leaves the upload, and `complete` goes on with it.
        _ => {
            folder.remove(wanted.object)?;
            folder.link_if_absent(&upload.data(), wanted.object)
        }
    }
}

fn look(folder: &Folder, path: &str, wanted: &Wanted) -> Result<Found, Error> {
    let Some(size) = folder.size(path).absent_if("not-found")? else {
        return Ok(Found::Nothing);
    };
    if size != wanted.size {
        return Ok(Found::OtherSize(size));
    }
    if folder.sha256(path)? == wanted.sha256 {
        Ok(Found::Equal)
    } else {
        Ok(Found::OtherBytes)
    }
}

fn wrong_size(wanted: &Wanted, found: u64) -> Error {
    Error::permanent(
        "size-mismatch",
        format!(
            "the upload of {} has {found} bytes instead of {}: upload it again",
            wanted.object, wanted.size
        ),
    )
    .not_done()
}

fn wrong_bytes(wanted: &Wanted) -> Error {
    Error::permanent(
        "digest-mismatch",
        format!(
            "the file system gives back other bytes of {} than were written: check the disk, then upload it again",
            wanted.object
        ),
    )
    .not_done()
}

impl Wanted<'_> {
    fn completion(&self) -> Completion {
        Completion {
            stat: ObjectStat {
                object: self.object.to_owned(),
                size: self.size,
                sha256: Some(self.sha256.to_vec()),
            },
            verified: true,
        }
    }
}

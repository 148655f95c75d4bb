//! Completing an upload: the one step that makes an object of it.

use drydock_plugin_sdk::{Classed as _, Error, Folder, ObjectStat, Slice, warn};

use crate::create::{Found, Wanted};
use crate::upload::Upload;

/// Compares, publishes, tidies up. Any repetition ends in the same state.
pub fn complete(
    folder: &Folder,
    upload: &Upload,
    size: u64,
    sha256: &[u8],
    whole: Option<&Slice>,
) -> Result<ObjectStat, Error> {
    let wanted = Wanted {
        object: &upload.object,
        size,
        sha256,
        bytes: whole,
    };
    // Only clean pages can be forgotten by the kernel and read back from the disk.
    folder.sync(&upload.data()).absent_if("not-found")?;
    match wanted.look(folder, &upload.data())? {
        Found::Equal => wanted.publish(folder, &upload.data())?,
        // An earlier call may have got further than its answer did.
        Found::Nothing => match wanted.look(folder, wanted.object)? {
            // It was moved there, and perhaps not yet made durable.
            Found::Equal => folder.sync(wanted.object)?,
            _ => return Err(upload.gone().not_done()),
        },
        Found::OtherSize(found) => return Err(wanted.wrong_size(found)),
        Found::OtherBytes(offset) => return Err(wanted.wrong_bytes(offset)),
    }
    // The object is there: what is left of the upload is room, and is listed as an upload.
    if let Err(error) = upload.remove(folder) {
        let object = wanted.object;
        warn!(
            "{object} is complete, and its upload could not be removed: {}",
            error.message
        );
    }
    Ok(wanted.stat())
}

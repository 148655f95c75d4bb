//! An upload in progress: its session, its files, its receipts.

use drydock_plugin_sdk::{Error, Folder, from_token, to_token};
use serde::{Deserialize, Serialize};

/// Where uploads live, as a prefix of paths.
pub const UPLOADS: &str = ".drydock-uploads/";

/// A session is at most this long, and `meta` holds nothing else.
pub const META_BYTES_MAX: u32 = 4096;

/// What the session's bytes say, as JSON; `meta` holds the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Upload {
    /// 32 hex digits.
    pub id: String,
    pub object: String,
    /// Bytes.
    pub part_size: u64,
}

/// What a part's receipt says: where in the object it lies. In bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Receipt {
    pub offset: u64,
    pub length: u64,
}

impl Upload {
    pub fn parse(session: &[u8]) -> Result<Self, Error> {
        let upload: Self = from_token("session", session)?;
        let hex = upload.id.bytes().all(|byte| byte.is_ascii_hexdigit());
        if hex && upload.id.len() >= 16 {
            return Ok(upload);
        }
        Err(Error::permanent(
            "bad-token",
            "this session was not made by this plugin: its id is no hex number",
        ))
    }

    pub fn meta(&self) -> String {
        format!("{UPLOADS}{}/meta", self.id)
    }

    pub fn data(&self) -> String {
        format!("{UPLOADS}{}/data", self.id)
    }

    /// Makes the upload's files and answers its session. What a failure leaves is removed
    /// again, for a full disk takes the names of files that it has no room for.
    pub fn create(&self, folder: &Folder) -> Result<Vec<u8>, Error> {
        let session = to_token(self)?;
        let made = folder
            .write_bytes_at(&self.meta(), 0, &session)
            .and_then(|()| folder.write_bytes_at(&self.data(), 0, &[]))
            .and_then(|()| folder.sync(&self.meta()));
        match made {
            Ok(()) => Ok(session),
            Err(error) => {
                self.remove(folder)?;
                Err(error)
            }
        }
    }

    /// Frees what the upload takes. `meta` goes last, so that a crash in between leaves
    /// an upload that is still listed.
    pub fn remove(&self, folder: &Folder) -> Result<(), Error> {
        folder.remove(&self.data())?;
        folder.remove(&self.meta())
    }

    /// The answer for an upload that was aborted or never begun.
    pub fn gone(&self) -> Error {
        Error::permanent(
            "not-found",
            format!(
                "the upload of {} is no longer where it was begun, in {UPLOADS}{}: see whether the folder was unmounted, moved or cleared, put it back, and run again",
                self.object, self.id
            ),
        )
    }
}

/// Whether `path` is the `meta` file of an upload.
pub fn is_meta(path: &str) -> bool {
    path.strip_prefix(UPLOADS)
        .and_then(|rest| rest.strip_suffix("/meta"))
        .is_some_and(|id| !id.contains('/'))
}

/// The parts lie side by side and make up the whole object.
pub fn check_coverage(receipts: &[Receipt], size: u64) -> Result<(), Error> {
    let mut sorted = receipts.to_vec();
    sorted.sort();
    let end = sorted.iter().try_fold(0, |end: u64, part| {
        (part.offset == end).then(|| end.checked_add(part.length))?
    });
    if end == Some(size) {
        return Ok(());
    }
    Err(Error::permanent(
        "parts-missing",
        format!("the parts do not make up the object's {size} bytes: upload it again"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upload(id: &str) -> Upload {
        Upload {
            id: id.to_owned(),
            object: "a/b".to_owned(),
            part_size: 65_536,
        }
    }

    #[test]
    fn session_comes_back() {
        let upload = upload("0123456789abcdef");
        let session = to_token(&upload).unwrap();
        assert_eq!(Upload::parse(&session).unwrap(), upload);
        assert_eq!(upload.data(), ".drydock-uploads/0123456789abcdef/data");
        assert!(is_meta(&upload.meta()));
    }

    #[test]
    fn foreign_sessions_are_refused() {
        for id in ["", "0123", "../../../../etc/x", "0123456789abcdeg"] {
            let session = to_token(&upload(id)).unwrap();
            assert_eq!(Upload::parse(&session).unwrap_err().code, "bad-token");
        }
        Upload::parse(b"").unwrap_err();
    }

    #[test]
    fn only_meta_files_are_uploads() {
        for other in [
            ".drydock-uploads/x/data",
            "x/meta",
            ".drydock-uploads/x/y/meta",
        ] {
            assert!(!is_meta(other), "{other}");
        }
    }

    #[test]
    fn parts_have_to_make_up_the_object() {
        let part = |offset, length| Receipt { offset, length };
        for (parts, size, whole) in [
            (vec![part(0, 5)], 5, true),
            (vec![part(5, 2), part(0, 5)], 7, true),
            (vec![], 0, true),
            (vec![], 1, false),
            (vec![part(0, 5)], 6, false),
            (vec![part(0, 5), part(6, 1)], 7, false),
            (vec![part(0, 5), part(6, 1)], 6, false),
            (vec![part(0, 5), part(4, 1)], 6, false),
            (vec![part(0, u64::MAX), part(u64::MAX, 1)], 0, false),
        ] {
            assert_eq!(check_coverage(&parts, size).is_ok(), whole, "{parts:?}");
        }
    }
}

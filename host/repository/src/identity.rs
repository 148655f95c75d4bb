//! Which target it is: `drydock-target.json`, an object of the target's own with a random
//! id, created if absent when something is first stored there.
//!
//! A file system that is not mounted leaves an empty folder in its place, and a bucket of
//! another cluster looks like any other. By the id a node tells the target that it stored
//! recovery points at from whatever answers in its place. `docs/format.md` promises the
//! object.

use drydock_core::{ErrorCode, TargetId, UnixTime};
use serde::{Deserialize, Serialize};

use crate::error::RepositoryError;
use crate::manifest::instant;
use crate::names::TARGET;
use crate::object;
use crate::target::Target;

/// The version that this code writes, and the only one that it knows.
const FORMAT_VERSION: u32 = 1;

/// Largest object that is read: it has three keys.
const BYTES_MAX: u64 = 4096;

/// Hex digits of an id.
const ID_DIGITS: usize = 32;

/// What a target says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    Is(TargetId),
    /// It has no such object.
    Absent,
    /// The folder or bucket itself is not there; the target's own sentence.
    NoPlace(String),
    /// Something lies under the object's name and holds no id: why not.
    Unusable(String),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    format_version: u32,
    id: TargetId,
    #[serde(with = "instant")]
    created: UnixTime,
}

/// Asks a target which one it is.
///
/// # Errors
/// When it cannot be asked, which says nothing of which one it is.
pub async fn find(target: &dyn Target) -> Result<Identity, RepositoryError> {
    match object::read(target, TARGET, BYTES_MAX).await {
        Ok(Some(bytes)) => Ok(parse(&bytes)),
        Ok(None) => Ok(Identity::Absent),
        Err(RepositoryError::Target { source, .. }) if source.code == ErrorCode::PlaceMissing => {
            Ok(Identity::NoPlace(source.message))
        }
        Err(error @ RepositoryError::TooLarge { .. }) => Ok(Identity::Unusable(error.to_string())),
        Err(error) => Err(error),
    }
}

/// Gives a target this id if it has none, and asks it which one it has now: somebody else
/// may have been first.
///
/// # Errors
/// When the target fails and has none afterwards.
pub async fn make(
    target: &dyn Target,
    id: &TargetId,
    now: UnixTime,
) -> Result<Identity, RepositoryError> {
    let document = Document {
        format_version: FORMAT_VERSION,
        id: id.clone(),
        created: now,
    };
    let mut text = serde_json::to_string_pretty(&document).expect("it is plain text and a number");
    text.push('\n');
    let created = object::create(target, TARGET, text.as_bytes(), None).await;
    let found = find(target).await;
    match (created, found) {
        (Err(_), Ok(Identity::Is(id))) => Ok(Identity::Is(id)),
        (Err(error), _) => Err(error),
        (Ok(_), found) => found,
    }
}

fn parse(bytes: &[u8]) -> Identity {
    let document: Document = match serde_json::from_slice(bytes) {
        Ok(document) => document,
        Err(error) => return Identity::Unusable(format!("it is no such text: {error}")),
    };
    if document.format_version != FORMAT_VERSION {
        return Identity::Unusable(format!(
            "it has the format version {}, and this one knows {FORMAT_VERSION}",
            document.format_version
        ));
    }
    let id = document.id.as_str();
    let is_hex = id
        .bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if is_hex && id.len() == ID_DIGITS {
        Identity::Is(document.id)
    } else {
        Identity::Unusable(format!("its id is not {ID_DIGITS} hex digits"))
    }
}

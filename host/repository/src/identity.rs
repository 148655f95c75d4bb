//! Which target it is: `drydock-target.json`, an object of the target's own with a random
//! id, created if absent when something is first stored there.
//!
//! A file system that is not mounted leaves an empty folder in its place, and a bucket of
//! another cluster looks like any other. By the id a node tells the target that it stored
//! recovery points at from whatever answers in its place. `docs/format.md` promises the
//! object.

use drydock_core::store::PLACE_MISSING;
use drydock_core::{TargetId, UnixTime};
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
        Err(RepositoryError::Target { source, .. }) if source.is(PLACE_MISSING) => {
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
/// When the target fails.
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
    object::create(target, TARGET, text.as_bytes()).await?;
    find(target).await
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
    match is_hex && id.len() == ID_DIGITS {
        true => Identity::Is(document.id),
        false => Identity::Unusable(format!("its id is not {ID_DIGITS} hex digits")),
    }
}

#[cfg(test)]
mod tests {
    use drydock_core::Fault;

    use super::*;
    use crate::testing::FakeTarget;
    use crate::testing::fake::Call;

    const ID: &str = "0123456789abcdef0123456789abcdef";
    const NOW: UnixTime = UnixTime(1_767_323_045);

    #[tokio::test]
    async fn a_target_keeps_the_first_id_that_it_was_given() {
        let target = FakeTarget::new();
        assert_eq!(find(&target).await.unwrap(), Identity::Absent);
        let id = TargetId::new(ID);
        let made = make(&target, &id, NOW).await.unwrap();
        assert_eq!(made, Identity::Is(id.clone()));
        let other = TargetId::new("f".repeat(32));
        assert_eq!(make(&target, &other, NOW).await.unwrap(), made);
        assert_eq!(
            String::from_utf8(target.bytes(TARGET).unwrap()).unwrap(),
            format!(
                "{{\n  \"formatVersion\": 1,\n  \"id\": \"{ID}\",\n  \"created\": \"2026-01-02T03:04:05Z\"\n}}\n"
            )
        );
    }

    #[tokio::test]
    async fn another_that_is_first_wins() {
        let target = FakeTarget::new();
        let theirs =
            format!("{{\"formatVersion\":1,\"id\":\"{ID}\",\"created\":\"2026-01-02T03:04:05Z\"}}");
        target.intrude(TARGET, theirs.as_bytes());
        let made = make(&target, &TargetId::new("f".repeat(32)), NOW).await;
        assert_eq!(made.unwrap(), Identity::Is(TargetId::new(ID)));
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_neither_absent_nor_another() {
        let target = FakeTarget::new();
        for fault in [
            Fault::transient("io", "the disk failed"),
            Fault::denied("permission-denied", "not yours"),
            Fault::permanent("not-mounted", "mount it"),
        ] {
            target.fail_next(Call::Stat, fault.clone());
            let error = find(&target).await.unwrap_err();
            assert!(matches!(error, RepositoryError::Target { source, .. } if source == fault));
        }
        target.fail_next(Call::Stat, Fault::permanent(PLACE_MISSING, "no folder"));
        assert_eq!(
            find(&target).await.unwrap(),
            Identity::NoPlace("no folder".to_owned())
        );
    }

    #[tokio::test]
    async fn an_object_without_an_id_is_not_taken_for_one() {
        let target = FakeTarget::new();
        for bytes in [
            String::new(),
            "{}".to_owned(),
            "x".repeat(5000),
            r#"{"formatVersion":2,"id":"0123456789abcdef0123456789abcdef","created":"2026-01-02T03:04:05Z"}"#.to_owned(),
            r#"{"formatVersion":1,"id":"0123","created":"2026-01-02T03:04:05Z"}"#.to_owned(),
        ] {
            target.put(TARGET, bytes.as_bytes());
            let found = find(&target).await.unwrap();
            assert!(matches!(found, Identity::Unusable(_)), "{bytes}: {found:?}");
        }
    }
}

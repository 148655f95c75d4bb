//! What a run does of a target, once and, where that failed, once more.

use std::sync::Arc;

use drydock_core::store::{PartReceipt, Session};
use drydock_core::{ErrorCode, Fault};
use drydock_repository::object::{self, Creation};
use drydock_repository::pages::{ObjectPages, SessionPages};
use drydock_repository::target::{Part, Whole};
use drydock_repository::{Sha256, Target};

use super::calls::Play;

pub const ARTIFACT: &str = "c/p/artifact";
pub const MANIFEST: &str = "c/p/manifest.json";

/// Objects that are there before a play begins.
pub const EARLIER: [&str; 3] = ["c/o/1", "c/o/2", "c/o/manifest.json"];

const MANIFEST_BYTES: &[u8] = b"{\"the\": \"manifest of this run\"}";

/// Bytes of an object that is there before.
pub const EARLIER_BYTES: usize = 300 * 1024;

/// A page has a thousand; a play makes five.
const PAGES_MAX: usize = 100;

/// A play, as it goes on against one target.
pub struct Stage<'a> {
    pub target: &'a dyn Target,
    pub part_bytes: usize,
    /// The bytes of the artifact.
    pub artifact: &'a [u8],
}

/// What a play did not say of itself, or said wrongly.
pub type Said = Result<(), String>;

impl Stage<'_> {
    pub async fn play(&self, play: Play) -> Said {
        match play {
            Play::Upload => self.upload().await,
            Play::Commit => self.commit().await,
            Play::List => self.list().await,
            Play::Download => self.download().await,
            Play::Remove => self.remove().await,
            Play::Sweep => sweep(self.target).await.map(drop),
        }
    }

    /// What a play needs to be there, made without a fault.
    pub async fn prepare(&self, play: Play) -> Said {
        if play == Play::Sweep {
            let begun = self.target.begin(ARTIFACT, None, size(self.artifact));
            return begun.await.map(drop).map_err(told);
        }
        for object in EARLIER {
            self.put(object, &earlier(object)).await?;
        }
        Ok(())
    }

    async fn put(&self, object: &str, bytes: &[u8]) -> Said {
        let put = self.target.put_object(object, part(bytes), None).await;
        put.map(drop).map_err(told)
    }

    async fn upload(&self) -> Said {
        let layout = self.target.layout().await.map_err(told)?;
        let session =
            self.target
                .begin(ARTIFACT, Some(size(self.artifact)), self.part_bytes as u64);
        let session = session.await.map_err(told)?;
        match self.in_parts(&session, layout.part_checksum).await {
            Ok(()) => Ok(()),
            Err(fault) => {
                // As a run does of what it gives up; what is left is the sweep's.
                if layout.lists_sessions() {
                    let _left = self.target.abort(&session).await;
                }
                Err(told(fault))
            }
        }
    }

    async fn in_parts(
        &self,
        session: &Session,
        checksum: Option<drydock_core::store::ChecksumAlgorithm>,
    ) -> Result<(), Fault> {
        let mut receipts = Vec::new();
        for (number, piece) in (1..).zip(self.artifact.chunks(self.part_bytes)) {
            let offset = u64::from(number - 1) * self.part_bytes as u64;
            let taken = self
                .target
                .put_part(session, number, offset, part(piece), checksum)
                .await?;
            receipts.push(PartReceipt {
                number,
                receipt: taken.receipt,
            });
        }
        let whole = Whole {
            size: size(self.artifact),
            sha256: Sha256::of(self.artifact).0,
            bytes: Some(Arc::new(self.artifact.to_vec())),
        };
        let completion = self.target.complete(session, &receipts, whole).await?;
        if completion.stat.size == size(self.artifact) {
            return Ok(());
        }
        Err(Fault::permanent(
            ErrorCode::SizeDiffers,
            "the store told of another size",
        ))
    }

    async fn commit(&self) -> Said {
        let created = object::create(self.target, MANIFEST, MANIFEST_BYTES, None).await;
        match created {
            Ok(Creation::Created) => Ok(()),
            Ok(Creation::AlreadyThere) => Err("the manifest was there already".to_owned()),
            Err(error) => Err(chain(&error)),
        }
    }

    async fn list(&self) -> Said {
        let listed = objects(self.target, "c/o/").await?;
        if listed == EARLIER {
            return Ok(());
        }
        Err(format!("{listed:?} is listed"))
    }

    async fn download(&self) -> Said {
        let object = EARLIER[0];
        let read = object::read(self.target, object, EARLIER_BYTES as u64).await;
        match read {
            Ok(Some(bytes)) if bytes == earlier(object) => Ok(()),
            // Who reads compares; a store that hands over others is found out there.
            Ok(Some(_)) => Err(format!("{object} has other bytes")),
            Ok(None) => Err(format!("{object} is not there")),
            Err(error) => Err(chain(&error)),
        }
    }

    async fn remove(&self) -> Said {
        self.target.delete(EARLIER[1]).await.map_err(told)
    }
}

/// Aborts every upload that is listed; how many there were.
pub async fn sweep(target: &dyn Target) -> Result<usize, String> {
    if !target.layout().await.map_err(told)?.lists_sessions() {
        return Ok(0);
    }
    let (mut found, mut pages) = (Vec::new(), SessionPages::new(target, ""));
    for _ in 0..PAGES_MAX {
        match pages.next().await.map_err(told)? {
            Some(sessions) => found.extend(sessions),
            None => break,
        }
    }
    for info in &found {
        target.abort(&info.session).await.map_err(told)?;
    }
    Ok(found.len())
}

pub async fn objects(target: &dyn Target, prefix: &str) -> Result<Vec<String>, String> {
    let (mut found, mut pages) = (Vec::new(), ObjectPages::new(target, prefix));
    for _ in 0..PAGES_MAX {
        match pages.next().await.map_err(told)? {
            Some(objects) => found.extend(objects.into_iter().map(|stat| stat.object)),
            None => return Ok(found),
        }
    }
    Err("the listing does not end".to_owned())
}

/// What an object must hold.
pub fn bytes_of(object: &str, artifact: &[u8]) -> Vec<u8> {
    match object {
        ARTIFACT => artifact.to_vec(),
        MANIFEST => MANIFEST_BYTES.to_vec(),
        other => earlier(other),
    }
}

fn earlier(object: &str) -> Vec<u8> {
    let salt = object.len() * 31 + usize::from(object.as_bytes()[4]);
    sample(EARLIER_BYTES + salt)[salt..].to_vec()
}

/// Bytes of which no two MiB are alike.
pub fn sample(length: usize) -> Vec<u8> {
    let byte = |place: usize| (place ^ (place >> 8) ^ (place >> 16)) % 251;
    let byte = |place| u8::try_from(byte(place)).unwrap_or(0);
    (0..length).map(byte).collect()
}

fn part(bytes: &[u8]) -> Part {
    Part {
        bytes: Arc::new(bytes.to_vec()),
        offset: 0,
        length: size(bytes),
    }
}

fn size(bytes: &[u8]) -> u64 {
    bytes.len() as u64
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in map_err")]
fn told(fault: Fault) -> String {
    format!("{fault:?}")
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = format!("{error} {error:?}");
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

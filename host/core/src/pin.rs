//! What a run is bound to: bytes that are kept for as long as it is open, named by their
//! digest, so that it goes on with the same ones whatever became of the documents and
//! plugins in force.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// What is pinned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PinKind {
    /// The bytes of a plugin.
    Component,
    /// The same of one that came with the program, which is granted by its name.
    BuiltIn,
    /// The canonical text of a document.
    Document,
}

/// A thing that a run uses, as the run's record names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Pin {
    pub kind: PinKind,
    /// The plugin as documents name it; or kind and name of the document, e.g.
    /// `Target/offsite`. One run has one of each kind and name.
    pub name: String,
    /// 64 lower-case hex digits.
    pub sha256: String,
}

impl PinKind {
    /// The word as it stands in records and sentences.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Component => "component",
            Self::BuiltIn => "built-in",
            Self::Document => "document",
        }
    }
}

impl Pin {
    /// The pin of these bytes.
    #[must_use]
    pub fn of(kind: PinKind, name: impl Into<String>, bytes: &[u8]) -> Self {
        Self {
            kind,
            name: name.into(),
            sha256: hex::encode(Sha256::digest(bytes)),
        }
    }

    /// Whether these are the pinned bytes.
    #[must_use]
    pub fn fits(&self, bytes: &[u8]) -> bool {
        self.sha256 == hex::encode(Sha256::digest(bytes))
    }
}

impl fmt::Display for PinKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// `component etcd-backup`, `document Target/offsite`.
impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.name)
    }
}

/// `sha256:` and 64 hex digits over kind, name and digest of these pins, whatever their
/// order: the same for two runs exactly when they use the same things.
#[must_use]
pub fn workflow_digest(pins: &[Pin]) -> String {
    let mut hasher = Sha256::new();
    for pin in pins.iter().collect::<BTreeSet<_>>() {
        for part in [pin.kind.word(), &pin.name, &pin.sha256] {
            // The length in front keeps two parts from being read as two others.
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
    }
    format!("sha256:{}", hex::encode(hasher.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn component(name: &str, bytes: &[u8]) -> Pin {
        Pin::of(PinKind::Component, name, bytes)
    }

    #[test]
    fn a_pin_is_kept_as_words() {
        let pin = component("etcd-backup", b"");
        assert_eq!(
            serde_json::to_string(&pin).unwrap(),
            r#"{"kind":"component","name":"etcd-backup","sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}"#
        );
        assert_eq!(pin.to_string(), "component etcd-backup");
        let document = Pin::of(PinKind::Document, "Target/offsite", b"");
        assert_eq!(document.to_string(), "document Target/offsite");
        assert!(pin.fits(b"") && !pin.fits(b"x"));
    }

    #[test]
    fn the_digest_is_that_of_the_things_and_not_of_their_order() {
        let (a, b) = (component("a", b"1"), component("b", b"2"));
        let digest = workflow_digest(&[a.clone(), b.clone()]);
        assert_eq!(digest, workflow_digest(&[b.clone(), a.clone(), b.clone()]));
        let document = Pin {
            kind: PinKind::Document,
            ..a.clone()
        };
        for other in [
            vec![a.clone()],
            vec![a.clone(), component("b", b"3")],
            vec![a.clone(), component("c", b"2")],
            vec![document, b.clone()],
            vec![component("a", b"2"), component("b", b"1")],
        ] {
            assert_ne!(digest, workflow_digest(&other), "{other:?}");
        }
        let joined = Pin {
            name: format!("a{}", a.sha256),
            sha256: String::new(),
            ..a.clone()
        };
        assert_ne!(workflow_digest(&[joined]), workflow_digest(&[a]));
    }
}

//! Making keys: a signing key in minisign's file format, and a sealing key in the
//! format of `age-keygen`. Writing them to files, and with which mode, is the caller's.

use std::fmt;

use age::secrecy::{ExposeSecret as _, SecretString};
use drydock_core::UnixTime;

use crate::sign::KeyId;

/// Text that only [`SecretText::expose`] shows; wiped from memory when dropped.
#[derive(Clone)]
pub struct SecretText(SecretString);

/// A new signing key.
#[derive(Debug)]
pub struct NewSigningKey {
    /// The secret key file, not encrypted: `minisign -S -s FILE` reads it.
    pub secret: SecretText,
    /// The public key file: `minisign -V -p FILE` reads it.
    pub public: String,
    /// The public key alone, as `trustedSigners` and `minisign -P` take it.
    pub public_line: String,
    pub id: KeyId,
}

/// A new sealing key.
#[derive(Debug)]
pub struct NewSealingKey {
    /// The identity file: `age -d -i FILE` reads it.
    pub identity: SecretText,
    /// The recipient, `age1...`, as a target's `recipients` takes it.
    pub recipient: String,
}

/// A key could not be made.
#[derive(Debug, thiserror::Error)]
#[error("no signing key could be made")]
pub struct KeyError(#[from] minisign::PError);

impl SecretText {
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(SecretString::from(text))
    }

    /// The text itself, for the file that keeps it.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl NewSigningKey {
    /// # Errors
    /// When the operating system gives no randomness.
    pub fn generate() -> Result<Self, KeyError> {
        let pair = minisign::KeyPair::generate_unencrypted_keypair()?;
        let comment = "drydock signing key, not encrypted";
        let secret = pair.sk.to_box(Some(comment))?.into_string();
        Ok(Self {
            secret: SecretText::new(secret),
            public: pair.pk.to_box()?.into_string(),
            public_line: pair.pk.to_base64(),
            id: KeyId::of(pair.pk.keynum()),
        })
    }
}

impl NewSealingKey {
    /// `created` goes into the identity file's first comment.
    #[must_use]
    pub fn generate(created: UnixTime) -> Self {
        let identity = age::x25519::Identity::generate();
        let recipient = identity.to_public().to_string();
        let secret = identity.to_string();
        let text = format!(
            "# created: {created}\n# public key: {recipient}\n{}\n",
            secret.expose_secret()
        );
        Self {
            identity: SecretText::new(text),
            recipient,
        }
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(hidden)")
    }
}

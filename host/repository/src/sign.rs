//! Signatures over manifests: prehashed minisign (Ed25519 over BLAKE2b), which
//! `minisign -V -x SIGNATURE -m manifest.json -P KEY` checks.
//!
//! The trusted comment is signed as well and names the recovery point, so that a
//! manifest that was moved to another name does not pass. The untrusted comment offers the
//! public key, so that an operator can be told which line would make the signature pass;
//! by itself it proves nothing, since anybody can write one.

use std::fmt;
use std::io::Cursor;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use drydock_core::{ClusterName, RecoveryPointName};

/// Largest signature file that is read: four lines, of which the longest is a comment
/// with two names.
pub const SIGNATURE_BYTES_MAX: u64 = 4096;

/// Most trusted signers: each is one node that backs up, or an older key of one.
pub const SIGNERS_MAX: usize = 1024;

/// An Ed25519 signature: 64 bytes.
const SIGNATURE_RAW_BYTES: usize = 64;

/// How the untrusted comment begins that offers the signer's public key.
const OFFER: &str = "signed by ";

/// A secret key file's second line, decoded, and the checksum at its end.
const SECRET_KEY_BYTES: usize = 158;
const CHECKSUM_BYTES: usize = 32;

/// A public key: two letters for the algorithm, the key's id, the key.
const PUBLIC_KEY_BYTES: usize = 2 + 8 + 32;

/// A signature with two letters for the algorithm and the key's id before it.
const SIGNATURE_BYTES: usize = 2 + 8 + SIGNATURE_RAW_BYTES;

/// A minisign key's id, as minisign prints it: 16 upper-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(u64);

/// A secret signing key.
pub struct SigningKey {
    secret: minisign::SecretKey,
    public: minisign::PublicKey,
}

/// The public keys whose manifests are believed.
#[derive(Clone, Default)]
pub struct TrustedSigners {
    keys: Vec<(KeyId, minisign::PublicKey)>,
    /// Whether a signature is also believed by the key that it offers itself.
    any: bool,
}

/// A key that cannot be used. No variant carries any of a secret key's text.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error(
        "the signing key is protected by a password: make an unprotected copy with `minisign -C -W -s COPY` and keep it readable for Drydock only"
    )]
    Encrypted,
    #[error(
        "the signing key is a public key: give the secret one that belongs to it, which `drydock key new --kind signing` wrote beside it"
    )]
    Public,
    #[error(
        "the signing key cannot be read: give a minisign secret key file as `drydock key new --kind signing` writes it"
    )]
    SecretDamaged,
    #[error(
        "trusted signer number {number} is not a minisign public key: give the line that begins with RW in its .pub file"
    )]
    PublicDamaged { number: usize },
    #[error("there are more than {SIGNERS_MAX} trusted signers")]
    TooMany,
}

/// A manifest could not be signed.
#[derive(Debug, thiserror::Error)]
#[error("the manifest cannot be signed")]
pub struct SignError(#[from] minisign::PError);

/// A signature that is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    #[error(
        "the signature file is damaged: it is not a minisign signature of four lines; use another recovery point, or another target that has this one"
    )]
    Damaged,
    #[error("the signature is of minisign's legacy kind, which is not accepted: sign prehashed")]
    Legacy,
    #[error(
        "it is signed by key {signer}, which is not trusted here: {}",
        trust_it(.line.as_deref())
    )]
    UnknownSigner {
        signer: KeyId,
        /// Its public key as the signature offers it, where the two fit together.
        line: Option<String>,
    },
    #[error(
        "the signature by key {signer} does not fit: the manifest or the signature was changed after it was signed; use another recovery point, or another target that has this one"
    )]
    Mismatch { signer: KeyId },
    #[error(
        "the signature by key {signer} is for {signed:?}, not for {expected:?}: the files were moved or renamed"
    )]
    OtherRecoveryPoint {
        signer: KeyId,
        signed: String,
        expected: String,
    },
}

/// What an operator does about a signer that is not trusted.
#[must_use]
pub fn trust_it(line: Option<&str>) -> String {
    let (word, line) = match line {
        Some(line) => ("is", line),
        None => ("begins with", "RW"),
    };
    format!(
        "if the last line of the signer's own .pub file {word} {line}, add that line under `trustedSigners:` of the node's configuration, or give the file as --signer"
    )
}

impl KeyId {
    pub(crate) fn of(keynum: &[u8]) -> Self {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(keynum);
        Self(u64::from_le_bytes(bytes))
    }
}

impl SigningKey {
    /// Reads an unencrypted minisign secret key file.
    ///
    /// # Errors
    /// When it is encrypted or not such a file, without showing any of it.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let secret = secret_key(text)?;
        let public =
            minisign::PublicKey::from_secret_key(&secret).map_err(|_| KeyError::SecretDamaged)?;
        let key = Self { secret, public };
        // Not every key file has a checksum: a signature that fits shows that the
        // halves of the key belong together.
        key.sign_with(&[], "probe")
            .map_err(|_| KeyError::SecretDamaged)?;
        Ok(key)
    }

    #[must_use]
    pub fn id(&self) -> KeyId {
        KeyId::of(self.public.keynum())
    }

    /// The public part, as `trustedSigners` takes it.
    #[must_use]
    pub fn public_line(&self) -> String {
        self.public.to_base64()
    }

    /// Signs a manifest's bytes; gives the text of the signature file. Two signatures
    /// over the same bytes differ.
    ///
    /// # Errors
    /// When the operating system gives no randomness.
    pub fn sign(
        &self,
        manifest: &[u8],
        cluster: &ClusterName,
        name: &RecoveryPointName,
    ) -> Result<String, SignError> {
        self.sign_as(manifest, &trusted_comment(cluster, name))
    }

    /// Signs bytes of another kind, with the trusted comment that tells which.
    pub(crate) fn sign_as(&self, bytes: &[u8], trusted: &str) -> Result<String, SignError> {
        self.sign_with(bytes, trusted)
    }

    fn sign_with(&self, bytes: &[u8], trusted: &str) -> Result<String, SignError> {
        let untrusted = format!("{OFFER}{}", self.public_line());
        let signature = minisign::sign(
            Some(&self.public),
            &self.secret,
            Cursor::new(bytes),
            Some(trusted),
            Some(&untrusted),
        )?;
        Ok(signature.into_string())
    }
}

impl TrustedSigners {
    /// Reads public keys, each a base64 line or the text of a `.pub` file.
    ///
    /// # Errors
    /// For the first one that is not a public key.
    pub fn parse<'a>(keys: impl IntoIterator<Item = &'a str>) -> Result<Self, KeyError> {
        let mut signers = Self::default();
        for key in keys {
            signers.add(key)?;
        }
        Ok(signers)
    }

    /// Adds one public key.
    ///
    /// # Errors
    /// When it is not a public key or there are too many.
    pub fn add(&mut self, key: &str) -> Result<(), KeyError> {
        if self.keys.len() == SIGNERS_MAX {
            return Err(KeyError::TooMany);
        }
        let line = key.lines().map(str::trim).rfind(|line| !line.is_empty());
        let line = line.unwrap_or_default();
        // What stands there is not shown: it may be a private key that was named by mistake.
        let public = public_key(line).ok_or(KeyError::PublicDamaged {
            number: self.keys.len() + 1,
        })?;
        self.keys.push((KeyId::of(public.keynum()), public));
        Ok(())
    }

    /// The same, and whoever else signed is believed too: what was changed after it was
    /// signed is still found, who signed it is not asked.
    #[must_use]
    pub fn or_any(self) -> Self {
        Self { any: true, ..self }
    }

    /// The ids of all trusted keys.
    pub fn ids(&self) -> impl Iterator<Item = KeyId> {
        self.keys.iter().map(|(id, _)| *id)
    }

    /// Checks a signature over a manifest of this recovery point; gives the signer.
    ///
    /// # Errors
    /// When the signature is damaged, legacy, by an unknown key, over other bytes or
    /// for another recovery point.
    pub fn verify(
        &self,
        manifest: &[u8],
        signature: &str,
        cluster: &ClusterName,
        name: &RecoveryPointName,
    ) -> Result<KeyId, VerifyError> {
        self.verify_as(manifest, signature, &trusted_comment(cluster, name))
    }

    /// The same for bytes of another kind, whose trusted comment has to be `expected`.
    pub(crate) fn verify_as(
        &self,
        bytes: &[u8],
        signature: &str,
        expected: &str,
    ) -> Result<KeyId, VerifyError> {
        let parsed = parse_signature(signature)?;
        let signer = KeyId::of(parsed.keynum());
        let fits = |key: &minisign::PublicKey| {
            let quiet = true;
            minisign::verify(key, &parsed, Cursor::new(bytes), quiet, false, false).is_ok()
        };
        let mut known = self.keys.iter().filter(|(id, _)| *id == signer).peekable();
        if known.peek().is_none() {
            let offered = offered(signature).filter(|(id, key, _)| *id == signer && fits(key));
            let line = offered.map(|(_, _, line)| line.to_owned());
            if !(self.any && line.is_some()) {
                return Err(VerifyError::UnknownSigner { signer, line });
            }
        } else if !known.any(|(_, key)| fits(key)) {
            // Key ids are random and not protected: two keys may carry the same one.
            return Err(VerifyError::Mismatch { signer });
        }
        let signed = parsed.trusted_comment().map_err(|_| VerifyError::Damaged)?;
        if signed == expected {
            return Ok(signer);
        }
        Err(VerifyError::OtherRecoveryPoint {
            signer,
            signed,
            expected: expected.to_owned(),
        })
    }
}

/// The comment that a signature over this recovery point's manifest carries.
#[must_use]
pub fn trusted_comment(cluster: &ClusterName, name: &RecoveryPointName) -> String {
    format!("drydock recovery point {cluster}/{name}")
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016X}", self.0)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}, hidden)", self.id())
    }
}

impl fmt::Debug for TrustedSigners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.ids()).finish()
    }
}

/// The file's second line is base64 of: `Ed`, the key derivation (zeros for none, `Sc`
/// for a password), `B2`, its parameters, and the key with a checksum. minisign's Go
/// version leaves the checksum of an unencrypted key at zero.
fn secret_key(text: &str) -> Result<minisign::SecretKey, KeyError> {
    let line = text.lines().nth(1).unwrap_or_default().trim();
    let bytes = BASE64_STANDARD
        .decode(line)
        .map_err(|_| KeyError::SecretDamaged)?;
    if bytes.len() == PUBLIC_KEY_BYTES && bytes.starts_with(b"Ed") {
        return Err(KeyError::Public);
    }
    if bytes.get(2..4) == Some(b"Sc") {
        return Err(KeyError::Encrypted);
    }
    if bytes.len() != SECRET_KEY_BYTES || bytes[..6] != *b"Ed\0\0B2" {
        return Err(KeyError::SecretDamaged);
    }
    let (_, checksum) = bytes.split_at(SECRET_KEY_BYTES - CHECKSUM_BYTES);
    let key = if checksum.iter().all(|byte| *byte == 0) {
        minisign::SecretKey::from_bytes(&bytes)
    } else {
        minisign::SecretKeyBox::from(text.to_owned()).into_unencrypted_secret_key()
    };
    key.map_err(|_| KeyError::SecretDamaged)
}

/// The public key that a signature's untrusted comment offers.
fn offered(signature: &str) -> Option<(KeyId, minisign::PublicKey, &str)> {
    let comment = signature.lines().next()?;
    let (_, line) = comment.split_once(OFFER)?;
    let key = public_key(line)?;
    Some((KeyId::of(key.keynum()), key, line))
}

fn public_key(line: &str) -> Option<minisign::PublicKey> {
    let bytes = BASE64_STANDARD.decode(line).ok()?;
    if bytes.get(..2) != Some(b"Ed") {
        return None;
    }
    minisign::PublicKey::from_base64(line).ok()
}

/// The library indexes into the second signature without looking at its length, and
/// passes over what follows the first one, so both lengths are looked at here.
fn parse_signature(text: &str) -> Result<minisign::SignatureBox, VerifyError> {
    let length = |line: usize| {
        let line = text.lines().nth(line).unwrap_or_default();
        BASE64_STANDARD.decode(line.trim()).map(|bytes| bytes.len())
    };
    let whole = length(1) == Ok(SIGNATURE_BYTES) && length(3) == Ok(SIGNATURE_RAW_BYTES);
    if text.len() as u64 > SIGNATURE_BYTES_MAX || !whole {
        return Err(VerifyError::Damaged);
    }
    let signature = minisign::SignatureBox::from_string(text).map_err(|_| VerifyError::Damaged)?;
    if signature.is_prehashed() {
        Ok(signature)
    } else {
        Err(VerifyError::Legacy)
    }
}

#[cfg(test)]
mod tests;

//! Values that were encrypted at rest, opened with the cluster's `EncryptionConfiguration`.
//!
//! A value begins with `k8s:enc:PROVIDER:v1:NAME:`, the name being the key's. What follows is
//! laid out as `k8s.io/apiserver/pkg/storage/value/encrypt` has it: `aescbc` an IV of 16
//! bytes and blocks with PKCS #7 padding, `aesgcm` a nonce of 12 bytes, the text and the tag
//! with the key in etcd as associated data, `secretbox` a nonce of 24 bytes and NaCl's box.

use std::fmt;

use aes::cipher::{BlockDecryptMut, KeyInit, KeyIvInit};
use aes::{Aes128, Aes192, Aes256};
use aes_gcm::aead::consts::U12;
use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{AesGcm, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crypto_secretbox::XSalsa20Poly1305;
use drydock_core::plain;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::stored::SEALED;

/// Largest configuration that is read: a hundred keys of each provider are far below it.
pub const CONFIG_BYTES_MAX: usize = 1024 * 1024;

/// How much of a key's name a sentence repeats.
const NAME_BYTES_MAX: usize = 128;

const IV_BYTES: usize = 16;
const GCM_NONCE_BYTES: usize = 12;
const BOX_NONCE_BYTES: usize = 24;

/// The keys of a cluster.
pub struct Keys {
    keys: Vec<Key>,
}

struct Key {
    provider: Provider,
    name: String,
    secret: Zeroizing<Vec<u8>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Provider {
    AesCbc,
    AesGcm,
    SecretBox,
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("it is larger than {CONFIG_BYTES_MAX} bytes")]
    Large,
    /// The parser's own words could show a key, so only the line is told.
    #[error("it is no EncryptionConfiguration: line {line} cannot be understood")]
    Syntax { line: u64 },
    #[error("it is a {found}, not an EncryptionConfiguration")]
    Kind { found: String },
    #[error("the key {name} of {provider} is not in base64")]
    Base64 {
        provider: &'static str,
        name: String,
    },
    #[error("the key {name} of {provider} has {bytes} bytes, and {wanted} are needed")]
    Length {
        provider: &'static str,
        name: String,
        bytes: usize,
        wanted: &'static str,
    },
}

/// Why a value cannot be opened.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    #[error(
        "it is encrypted by the key service {name} (kms {version}), which only the cluster's API server can ask"
    )]
    KeyService { version: String, name: String },
    #[error(
        "it is encrypted with the key {name} of {provider}: give the cluster's EncryptionConfiguration with --encryption-config"
    )]
    NoConfig { provider: String, name: String },
    #[error(
        "it is encrypted with the key {name} of {provider}, which the EncryptionConfiguration lacks"
    )]
    NoKey { provider: String, name: String },
    #[error(
        "the key {name} of {provider} in the EncryptionConfiguration does not open it: it is another key, or the value was changed or moved"
    )]
    WrongKey { provider: String, name: String },
    #[error("it is encrypted in a way that this version does not know")]
    UnknownProvider,
}

#[derive(Deserialize)]
struct Config {
    kind: String,
    #[serde(default)]
    resources: Vec<Resources>,
}

#[derive(Deserialize)]
struct Resources {
    #[serde(default)]
    providers: Vec<Providers>,
}

#[derive(Deserialize)]
struct Providers {
    aescbc: Option<ProviderKeys>,
    aesgcm: Option<ProviderKeys>,
    secretbox: Option<ProviderKeys>,
}

#[derive(Deserialize)]
struct ProviderKeys {
    #[serde(default)]
    keys: Vec<KeyText>,
}

#[derive(Deserialize)]
struct KeyText {
    name: String,
    secret: String,
}

impl Keys {
    /// Reads an `EncryptionConfiguration` in YAML or JSON.
    ///
    /// # Errors
    /// When it is none, or a key of it cannot be one. No error shows a part of a key.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        if text.len() > CONFIG_BYTES_MAX {
            return Err(ConfigError::Large);
        }
        let config: Config = serde_saphyr::from_str(text).map_err(|error| ConfigError::Syntax {
            line: error.location().map_or(1, |location| location.line()),
        })?;
        // Before Kubernetes 1.13 it was called EncryptionConfig.
        if !matches!(
            config.kind.as_str(),
            "EncryptionConfiguration" | "EncryptionConfig"
        ) {
            return Err(ConfigError::Kind { found: config.kind });
        }
        let mut keys = Vec::new();
        for providers in config.resources.into_iter().flat_map(|r| r.providers) {
            let of = [
                (Provider::AesCbc, providers.aescbc),
                (Provider::AesGcm, providers.aesgcm),
                (Provider::SecretBox, providers.secretbox),
            ];
            for (provider, given) in of {
                for key in given.into_iter().flat_map(|given| given.keys) {
                    keys.push(Key::of(provider, key)?);
                }
            }
        }
        Ok(Self { keys })
    }

    /// Opens the value of the etcd key `path`. One that is not encrypted is given back as it
    /// is.
    ///
    /// # Errors
    /// When the key is not there, or does not fit.
    pub fn open(&self, path: &[u8], value: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let Some(sealed) = value.strip_prefix(SEALED) else {
            return Ok(Zeroizing::new(value.to_vec()));
        };
        let (provider, version, name, sealed) =
            split_header(sealed).ok_or(OpenError::UnknownProvider)?;
        if provider == "kms" {
            return Err(OpenError::KeyService { version, name });
        }
        let kind = Provider::named(&provider).filter(|_| version == "v1");
        let kind = kind.ok_or(OpenError::UnknownProvider)?;
        // Each resource has keys of its own, and they may have one name.
        let fits = |key: &&Key| key.provider == kind && key.name == name;
        let mut fitting = self.keys.iter().filter(fits).peekable();
        if fitting.peek().is_none() {
            return Err(OpenError::NoKey { provider, name });
        }
        fitting
            .find_map(|key| key.open(path, sealed))
            .map(Zeroizing::new)
            .ok_or(OpenError::WrongKey { provider, name })
    }
}

/// What can be said of an encrypted value without any key.
#[must_use]
pub fn without_keys(value: &[u8]) -> OpenError {
    let header = value.strip_prefix(SEALED).and_then(split_header);
    match header {
        Some((provider, version, name, _)) if provider == "kms" => {
            OpenError::KeyService { version, name }
        }
        Some((provider, _, name, _)) => OpenError::NoConfig { provider, name },
        None => OpenError::UnknownProvider,
    }
}

/// Provider, version and name of the key at the start of an encrypted value, and what
/// follows them.
fn split_header(sealed: &[u8]) -> Option<(String, String, String, &[u8])> {
    let mut parts = sealed.splitn(4, |byte| *byte == b':');
    let mut word = || {
        let word = std::str::from_utf8(parts.next()?).ok()?;
        Some(plain(word, NAME_BYTES_MAX))
    };
    let (provider, version, name) = (word()?, word()?, word()?);
    Some((provider, version, name, parts.next()?))
}

impl Provider {
    fn named(name: &str) -> Option<Self> {
        [Self::AesCbc, Self::AesGcm, Self::SecretBox]
            .into_iter()
            .find(|provider| provider.name() == name)
    }

    fn name(self) -> &'static str {
        match self {
            Self::AesCbc => "aescbc",
            Self::AesGcm => "aesgcm",
            Self::SecretBox => "secretbox",
        }
    }

    fn fits(self, bytes: usize) -> Result<(), &'static str> {
        match (self, bytes) {
            (Self::SecretBox, 32) | (Self::AesCbc | Self::AesGcm, 16 | 24 | 32) => Ok(()),
            (Self::SecretBox, _) => Err("32"),
            _ => Err("16, 24 or 32"),
        }
    }
}

impl Key {
    fn of(provider: Provider, text: KeyText) -> Result<Self, ConfigError> {
        let (told, name) = (provider.name(), text.name);
        let secret = Zeroizing::new(text.secret);
        let Ok(secret) = STANDARD.decode(secret.trim()).map(Zeroizing::new) else {
            return Err(ConfigError::Base64 {
                provider: told,
                name,
            });
        };
        match provider.fits(secret.len()) {
            Ok(()) => Ok(Self {
                provider,
                name,
                secret,
            }),
            Err(wanted) => Err(ConfigError::Length {
                provider: told,
                name,
                bytes: secret.len(),
                wanted,
            }),
        }
    }

    fn open(&self, path: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let secret = self.secret.as_slice();
        match (self.provider, secret.len()) {
            (Provider::AesCbc, 16) => open_cbc::<Aes128>(secret, sealed),
            (Provider::AesCbc, 24) => open_cbc::<Aes192>(secret, sealed),
            (Provider::AesCbc, _) => open_cbc::<Aes256>(secret, sealed),
            (Provider::AesGcm, 16) => open_gcm::<AesGcm<Aes128, U12>>(secret, path, sealed),
            (Provider::AesGcm, 24) => open_gcm::<AesGcm<Aes192, U12>>(secret, path, sealed),
            (Provider::AesGcm, _) => open_gcm::<AesGcm<Aes256, U12>>(secret, path, sealed),
            (Provider::SecretBox, _) => open_box(secret, sealed),
        }
    }
}

/// Shows which keys there are, never what they are.
impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.keys.iter().map(|key| (key.provider.name(), &key.name));
        f.debug_list().entries(names).finish()
    }
}

/// AES-CBC proves nothing, so what comes out must also look like what is stored.
fn open_cbc<C>(secret: &[u8], sealed: &[u8]) -> Option<Vec<u8>>
where
    C: aes::cipher::BlockCipher + aes::cipher::BlockDecrypt + KeyInit,
    cbc::Decryptor<C>: KeyIvInit + BlockDecryptMut,
{
    let (iv, blocks) = sealed.split_at_checked(IV_BYTES)?;
    let decryptor = cbc::Decryptor::<C>::new_from_slices(secret, iv).ok()?;
    let mut opened = blocks.to_vec();
    let bytes = decryptor
        .decrypt_padded_mut::<cbc::cipher::block_padding::Pkcs7>(&mut opened)
        .ok()?
        .len();
    opened.truncate(bytes);
    let stored = opened.starts_with(b"k8s\0") || opened.starts_with(b"{");
    stored.then_some(opened)
}

fn open_gcm<C>(secret: &[u8], path: &[u8], sealed: &[u8]) -> Option<Vec<u8>>
where
    C: KeyInit + Aead<NonceSize = U12>,
{
    let (nonce, text) = sealed.split_at_checked(GCM_NONCE_BYTES)?;
    let payload = Payload {
        msg: text,
        aad: path,
    };
    let cipher = <C as KeyInit>::new_from_slice(secret).ok()?;
    cipher.decrypt(Nonce::from_slice(nonce), payload).ok()
}

fn open_box(secret: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, text) = sealed.split_at_checked(BOX_NONCE_BYTES)?;
    let cipher = <XSalsa20Poly1305 as KeyInit>::new_from_slice(secret).ok()?;
    cipher
        .decrypt(crypto_secretbox::Nonce::from_slice(nonce), text)
        .ok()
}

#[cfg(test)]
mod tests;

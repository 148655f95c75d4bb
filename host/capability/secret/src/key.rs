//! A key that signs: how often it must be derived first, and what it signs, is fixed by
//! its grant.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use drydock_core::{CALL_BYTES_MAX, ErrorCode, Fault};
use ring::hmac;
use ring::rand::SystemRandom;
use ring::rsa::KeyPair;
use ring::signature::RSA_PKCS1_SHA256;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use zeroize::Zeroizing;

use super::grant::{Algorithm, Encoding, SignUse};

/// A key, or one derived from it. Clones share the bytes.
#[derive(Clone)]
pub struct Key {
    material: Arc<Material>,
    chain: Arc<Chain>,
    /// `derive` steps so far.
    derived: u8,
}

enum Material {
    Hmac(Zeroizing<Vec<u8>>),
    Rsa(Box<KeyPair>),
}

/// What the grant says of the key.
struct Chain {
    name: String,
    sign: SignUse,
}

impl Key {
    /// The key in the secret's `value`.
    ///
    /// # Errors
    /// `bad-secret` when the value holds no such key. The sentence does not repeat it.
    pub(super) fn new(name: &str, sign: SignUse, value: &[u8]) -> Result<Self, Fault> {
        let material = match sign.algorithm {
            Algorithm::HmacSha256 => Material::Hmac(hmac_bytes(name, &sign, value)?),
            Algorithm::Rs256 => Material::Rsa(Box::new(rsa_key(name, value)?)),
        };
        let chain = Chain {
            name: name.to_owned(),
            sign,
        };
        Ok(Self {
            material: Arc::new(material),
            chain: Arc::new(chain),
            derived: 0,
        })
    }

    /// The key that HMAC makes of this one and `message`.
    ///
    /// # Errors
    /// `wrong-chain` when the grant allows no further step, `too-large`.
    pub fn derive(&self, message: &[u8]) -> Result<Self, Fault> {
        bounded(message)?;
        let Chain { name, sign } = &*self.chain;
        let (Material::Hmac(bytes), true) = (&*self.material, self.derived < sign.derivations)
        else {
            return Err(Fault::denied(
                ErrorCode::WrongChain,
                format!(
                    "the secret {name} is granted for signing after {}, and step {} would be one more: sign now",
                    steps(sign.derivations),
                    u32::from(self.derived) + 1
                ),
            ));
        };
        Ok(Self {
            material: Arc::new(Material::Hmac(mac(bytes, message))),
            chain: Arc::clone(&self.chain),
            derived: self.derived + 1,
        })
    }

    /// The signature of `message`: 32 bytes of HMAC, or as many as the RSA key has.
    ///
    /// # Errors
    /// `wrong-chain` before the last step, `message-refused` for a message that does not
    /// begin as the grant says, `too-large`.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Fault> {
        bounded(message)?;
        let Chain { name, sign } = &*self.chain;
        if self.derived != sign.derivations {
            return Err(Fault::denied(
                ErrorCode::WrongChain,
                format!(
                    "the secret {name} is granted for signing after {}, and only {} came before: derive first",
                    steps(sign.derivations),
                    self.derived
                ),
            ));
        }
        let begins = |prefix: &String| message.starts_with(prefix.as_bytes());
        if !sign.message_prefix.is_empty() && !sign.message_prefix.iter().any(begins) {
            return Err(Fault::denied(
                ErrorCode::MessageRefused,
                format!(
                    "the secret {name} signs only what begins with {}: sign such a message, or widen `messagePrefix` of the grant",
                    sign.message_prefix
                        .iter()
                        .map(|prefix| format!("{prefix:?}"))
                        .collect::<Vec<_>>()
                        .join(" or ")
                ),
            ));
        }
        match &*self.material {
            Material::Hmac(bytes) => Ok(mac(bytes, message).to_vec()),
            Material::Rsa(key) => rsa_signature(name, key, message),
        }
    }
}

fn mac(key: &[u8], message: &[u8]) -> Zeroizing<Vec<u8>> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    Zeroizing::new(hmac::sign(&key, message).as_ref().to_vec())
}

fn hmac_bytes(name: &str, sign: &SignUse, value: &[u8]) -> Result<Zeroizing<Vec<u8>>, Fault> {
    let key = match sign.encoding {
        None => Zeroizing::new(value.to_vec()),
        Some(Encoding::Base64) => {
            let decoded = STANDARD.decode(value.trim_ascii());
            Zeroizing::new(decoded.map_err(|_| {
                bad_secret(
                    name,
                    "is not base64, as `encoding: base64` of its grant says",
                )
            })?)
        }
    };
    if key.is_empty() {
        return Err(bad_secret(name, "holds an empty key"));
    }
    let prefix = sign.host_prefix.as_deref().unwrap_or_default();
    let mut bytes = Zeroizing::new(Vec::with_capacity(prefix.len() + key.len()));
    bytes.extend_from_slice(prefix.as_bytes());
    bytes.extend_from_slice(&key);
    Ok(bytes)
}

fn rsa_key(name: &str, value: &[u8]) -> Result<KeyPair, Fault> {
    let bad = || {
        bad_secret(
            name,
            "holds no RSA private key in PEM (PKCS#8 or PKCS#1) of 2048 bits or more",
        )
    };
    let key = match PrivateKeyDer::from_pem_slice(value).map_err(|_| bad())? {
        PrivateKeyDer::Pkcs8(der) => KeyPair::from_pkcs8(der.secret_pkcs8_der()),
        PrivateKeyDer::Pkcs1(der) => KeyPair::from_der(der.secret_pkcs1_der()),
        _ => return Err(bad()),
    };
    key.map_err(|_| bad())
}

fn rsa_signature(name: &str, key: &KeyPair, message: &[u8]) -> Result<Vec<u8>, Fault> {
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        message,
        &mut signature,
    )
    .map_err(|_| {
        Fault::transient(
            ErrorCode::SignFailed,
            format!("signing with the secret {name} failed"),
        )
    })?;
    Ok(signature)
}

fn bad_secret(name: &str, what: &str) -> Fault {
    Fault::permanent(
        ErrorCode::BadSecret,
        format!("the secret {name} {what}: put the right value where `secrets:` leads"),
    )
}

fn bounded(message: &[u8]) -> Result<(), Fault> {
    if message.len() <= CALL_BYTES_MAX {
        return Ok(());
    }
    Err(Fault::permanent(
        ErrorCode::TooLarge,
        format!(
            "a message of {} bytes is more than the {CALL_BYTES_MAX} that one call takes",
            message.len()
        ),
    ))
}

fn steps(count: u8) -> String {
    match count {
        0 => "no derive step".to_owned(),
        1 => "exactly 1 derive step".to_owned(),
        many => format!("exactly {many} derive steps"),
    }
}

/// Never the bytes.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("secret", &self.chain.name)
            .field("algorithm", &self.chain.sign.algorithm)
            .field("derived", &self.derived)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

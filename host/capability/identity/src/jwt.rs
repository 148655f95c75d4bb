//! Assertions that this node signs about itself (RFC 7515, RFC 7523).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use drydock_core::{ErrorCode, Fault};
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::rsa::KeyPair;
use ring::signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::Value;

/// Bytes of chance in the id of an assertion.
const ID_BYTES: usize = 16;

/// How an assertion is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Ps256,
    Rs256,
}

impl Algorithm {
    /// The word in the header `alg`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ps256 => "PS256",
            Self::Rs256 => "RS256",
        }
    }

    fn encoding(self) -> &'static dyn RsaEncoding {
        match self {
            Self::Ps256 => &RSA_PSS_SHA256,
            Self::Rs256 => &RSA_PKCS1_SHA256,
        }
    }
}

/// Header, claims and signature.
pub(crate) fn signed(
    header: &Value,
    claims: &Value,
    key_pem: &[u8],
    algorithm: Algorithm,
) -> Result<String, Fault> {
    let key = rsa_key(key_pem)?;
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", part(header), part(claims));
    let mut signature = vec![0; key.public().modulus_len()];
    let random = SystemRandom::new();
    let signing = key.sign(
        algorithm.encoding(),
        &random,
        text.as_bytes(),
        &mut signature,
    );
    signing.map_err(|_| {
        Fault::transient(ErrorCode::SignFailed, "the assertion could not be signed")
    })?;
    Ok(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// An id that no other assertion has.
pub(crate) fn random_id() -> Result<String, Fault> {
    let mut bytes = [0; ID_BYTES];
    SystemRandom::new().fill(&mut bytes).map_err(|_| {
        Fault::transient(
            ErrorCode::NoRandomness,
            "the kernel gives no random bytes for an assertion",
        )
    })?;
    Ok(hex::encode(bytes))
}

fn rsa_key(pem: &[u8]) -> Result<KeyPair, Fault> {
    let bad = || {
        Fault::permanent(
            ErrorCode::BadSecret,
            "the identity's key holds no RSA private key in PEM (PKCS#8 or PKCS#1) of 2048 bits or more: put the right one where the document leads",
        )
    };
    let key = match PrivateKeyDer::from_pem_slice(pem).map_err(|_| bad())? {
        PrivateKeyDer::Pkcs8(der) => KeyPair::from_pkcs8(der.secret_pkcs8_der()),
        PrivateKeyDer::Pkcs1(der) => KeyPair::from_der(der.secret_pkcs1_der()),
        _ => return Err(bad()),
    };
    key.map_err(|_| bad())
}

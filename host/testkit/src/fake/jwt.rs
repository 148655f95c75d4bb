//! JSON Web Tokens (RFC 7519) as the fakes check and make them, and the RSA key of tests.

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{CertificateParams, DnType, KeyPair};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey};
use ring::{digest, rsa};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};

/// A key of 2048 bits that opens nothing.
const RSA_KEY_PEM: &str = include_str!("../../fixtures/rsa-test-key.pem");

/// A token that was taken apart.
pub struct Token {
    pub header: Value,
    pub claims: Value,
    /// What the signature is over.
    signed: String,
    signature: Vec<u8>,
}

/// The private RSA key that all tests share, in PEM.
#[must_use]
pub fn rsa_key_pem() -> &'static str {
    RSA_KEY_PEM
}

/// A certificate over that key with this name, signed by itself, in PEM.
///
/// # Errors
/// When it cannot be made.
pub fn rsa_certificate_pem(name: &str) -> Result<String> {
    let key = KeyPair::from_pkcs8_pem_and_sign_algo(RSA_KEY_PEM, &rcgen::PKCS_RSA_SHA256)?;
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    Ok(params.self_signed(&key)?.pem())
}

/// The SHA-256 of a certificate in DER, in base64 of URLs: `x5t#S256` (RFC 7515, 4.1.8).
pub fn thumbprint(certificate_pem: &str) -> Result<String> {
    let der = CertificateDer::from_pem_slice(certificate_pem.as_bytes())
        .context("the certificate is no PEM")?;
    let hash = digest::digest(&digest::SHA256, &der);
    Ok(URL_SAFE_NO_PAD.encode(hash))
}

impl Token {
    pub fn parse(text: &str) -> Result<Self> {
        let parts: Vec<&str> = text.split('.').collect();
        let [header, claims, signature] = parts[..] else {
            anyhow::bail!("a token has three parts");
        };
        let value = |part: &str| -> Result<Value> {
            Ok(serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part)?)?)
        };
        Ok(Self {
            header: value(header)?,
            claims: value(claims)?,
            signed: format!("{header}.{claims}"),
            signature: URL_SAFE_NO_PAD.decode(signature)?,
        })
    }

    /// Whether the test key signed it, in the way that its header names.
    pub fn verify(&self) -> Result<()> {
        let der = rustls::pki_types::PrivatePkcs8KeyDer::from_pem_slice(RSA_KEY_PEM.as_bytes())?;
        let key = rsa::KeyPair::from_pkcs8(der.secret_pkcs8_der())
            .map_err(|error| anyhow::anyhow!("the test key is none: {error}"))?;
        let algorithm = match self.header["alg"].as_str() {
            Some("PS256") => &RSA_PSS_2048_8192_SHA256,
            Some("RS256") => &RSA_PKCS1_2048_8192_SHA256,
            other => anyhow::bail!("the algorithm {other:?} is not accepted"),
        };
        let public = UnparsedPublicKey::new(algorithm, key.public().as_ref());
        let verified = public.verify(self.signed.as_bytes(), &self.signature);
        verified.map_err(|_| anyhow::anyhow!("the signature is wrong"))
    }

    /// Whether it is valid at `now` and for no more than so many seconds.
    pub fn judge_times(&self, now: i64, seconds_max: i64) -> Result<()> {
        let number = |name: &str| self.claims[name].as_i64();
        let end = number("exp").context("exp is missing")?;
        let begin = number("nbf").or_else(|| number("iat"));
        let begin = begin.context("neither nbf nor iat is there")?;
        ensure!(begin <= now && now < end, "the token is not valid now");
        ensure!(end - begin <= seconds_max, "the token lives too long");
        Ok(())
    }
}

/// An access token that nobody signed: who takes it looks at its claims alone.
#[must_use]
pub fn unsigned(claims: &Value) -> String {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = json!({"typ": "JWT", "alg": "RS256", "kid": "fake"});
    format!(
        "{}.{}.{}",
        encode(&header),
        encode(claims),
        URL_SAFE_NO_PAD.encode("nobody signed this")
    )
}

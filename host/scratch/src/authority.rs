//! Certificates for scratch servers: an authority that lives in memory, and what it
//! issued for loopback, in files that only this user can read.
//!
//! The client's name is `root`: etcd takes a certificate's common name for a user, and a
//! store that was restored with authentication has that one.

use std::path::PathBuf;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};

use super::{Scratch, ScratchError};

/// What servers on loopback are called.
const HOSTS: [&str; 2] = ["127.0.0.1", "localhost"];

/// An authority with its files in a scratch folder.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    /// The certificate that others check against.
    pub certificate: PathBuf,
}

/// A certificate and its key.
#[derive(Debug, Clone)]
pub struct Pair {
    pub certificate: PathBuf,
    pub key: PathBuf,
    pub certificate_pem: String,
    pub key_pem: String,
}

impl Authority {
    /// Makes one; its files are `ca.crt` and what [`Authority::issue`] is asked for.
    ///
    /// # Errors
    /// The kernel gives no randomness, or the folder takes no file.
    pub fn new(scratch: &Scratch) -> Result<Self, ScratchError> {
        let mut params = CertificateParams::default();
        let name = &mut params.distinguished_name;
        name.push(DnType::CommonName, "drydock scratch authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let certificate = scratch.write("ca.crt", &issuer.pem())?;
        Ok(Self {
            issuer,
            certificate,
        })
    }

    #[must_use]
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// Issues `FILE.crt` and `FILE.key` for `name`, good for both ends of a connection on
    /// loopback.
    ///
    /// # Errors
    /// As [`Authority::new`].
    pub fn issue(&self, scratch: &Scratch, file: &str, name: &str) -> Result<Pair, ScratchError> {
        let mut params = CertificateParams::new(HOSTS.map(str::to_owned))?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = KeyPair::generate()?;
        let certificate_pem = params.signed_by(&key, &self.issuer)?.pem();
        let key_pem = key.serialize_pem();
        Ok(Pair {
            certificate: scratch.write(&format!("{file}.crt"), &certificate_pem)?,
            key: scratch.write(&format!("{file}.key"), &key_pem)?,
            certificate_pem,
            key_pem,
        })
    }
}

/// A key pair by itself, as the API server signs service accounts with: the files of the
/// private half and of the public one.
///
/// # Errors
/// As [`Authority::new`].
pub fn lone_key(scratch: &Scratch, file: &str) -> Result<(PathBuf, PathBuf), ScratchError> {
    let pair = KeyPair::generate()?;
    let private = scratch.write(&format!("{file}.key"), &pair.serialize_pem())?;
    let public = scratch.write(&format!("{file}.pub"), &pair.public_key_pem())?;
    Ok((private, public))
}

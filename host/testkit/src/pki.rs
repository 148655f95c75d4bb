//! Certificates for tests: good ones, and ones that are wrong in one way.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};

/// A certificate authority with its private key.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// What a certificate may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Server,
    Client,
    /// Both, as the peers of etcd need it.
    Peer,
}

/// When a certificate is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validity {
    /// From 2020 to 2090.
    Now,
    /// It ended with the year 2020.
    Expired,
    /// It begins in 2089.
    NotYet,
}

/// A certificate and its private key, in PEM.
#[derive(Clone)]
pub struct Issued {
    pub certificate_pem: String,
    key_pem: String,
}

/// Where a certificate and its key were written.
#[derive(Debug, Clone)]
pub struct CertificateFiles {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl Authority {
    /// Makes an authority of that name.
    ///
    /// # Errors
    /// When no key pair can be made.
    pub fn new(name: &str) -> Result<Self> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        set_validity(&mut params, Validity::Now);
        let key = KeyPair::generate().context("cannot make the authority's key")?;
        let issuer =
            CertifiedIssuer::self_signed(params, key).context("cannot sign the authority")?;
        Ok(Self { issuer })
    }

    /// The authority's own certificate in PEM.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// Writes the authority's certificate as `NAME.crt`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, folder: &Path, name: &str) -> Result<PathBuf> {
        let path = folder.join(format!("{name}.crt"));
        write_private(&path, &self.pem())?;
        Ok(path)
    }

    /// Issues a certificate for a server or client on loopback (127.0.0.1, ::1,
    /// localhost), with `name` as its common name.
    ///
    /// # Errors
    /// When no key pair can be made or the name does not fit into a certificate.
    pub fn issue(&self, name: &str, purpose: Purpose, validity: Validity) -> Result<Issued> {
        let hosts = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
        self.issue_for(name, &hosts, purpose, validity)
    }

    /// Like [`Authority::issue`], for other hosts; an empty list gives a certificate that
    /// fits no host.
    ///
    /// # Errors
    /// As [`Authority::issue`].
    pub fn issue_for(
        &self,
        name: &str,
        hosts: &[String],
        purpose: Purpose,
        validity: Validity,
    ) -> Result<Issued> {
        let mut params = CertificateParams::new(hosts)
            .with_context(|| format!("the hosts of {name} do not fit into a certificate"))?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = usages(purpose);
        params.use_authority_key_identifier_extension = true;
        set_validity(&mut params, validity);
        let key = KeyPair::generate().context("cannot make a key")?;
        let certificate = params
            .signed_by(&key, &self.issuer)
            .with_context(|| format!("cannot sign the certificate of {name}"))?;
        Ok(Issued {
            certificate_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
        })
    }
}

impl Issued {
    /// The same certificate with another one's key, which every TLS library must refuse.
    #[must_use]
    pub fn with_key_of(&self, other: &Self) -> Self {
        Self {
            certificate_pem: self.certificate_pem.clone(),
            key_pem: other.key_pem.clone(),
        }
    }

    /// The private key, for a server of this crate's own.
    pub(crate) fn key_pem(&self) -> &str {
        &self.key_pem
    }

    /// Writes `NAME.crt` and `NAME.key`, both readable for this user only.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(&self, folder: &Path, name: &str) -> Result<CertificateFiles> {
        let files = CertificateFiles {
            certificate: folder.join(format!("{name}.crt")),
            key: folder.join(format!("{name}.key")),
        };
        write_private(&files.certificate, &self.certificate_pem)?;
        write_private(&files.key, &self.key_pem)?;
        Ok(files)
    }
}

/// Shows that there is an authority, never its key.
impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

/// Shows that there is a certificate, never its key.
impl std::fmt::Debug for Issued {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issued").finish_non_exhaustive()
    }
}

fn usages(purpose: Purpose) -> Vec<ExtendedKeyUsagePurpose> {
    use ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};
    match purpose {
        Purpose::Server => vec![ServerAuth],
        Purpose::Client => vec![ClientAuth],
        Purpose::Peer => vec![ServerAuth, ClientAuth],
    }
}

fn set_validity(params: &mut CertificateParams, validity: Validity) {
    let (begin, end) = match validity {
        Validity::Now => (2020, 2090),
        Validity::Expired => (2020, 2021),
        Validity::NotYet => (2089, 2090),
    };
    params.not_before = date_time_ymd(begin, 1, 1);
    params.not_after = date_time_ymd(end, 1, 1);
}

/// Writes a file that only this user may read, from its first byte on.
fn write_private(path: &Path, text: &str) -> Result<()> {
    // An older file may have a wider mode, which opening would keep.
    let _absent = fs::remove_file(path);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot make {}", path.display()))?;
    file.write_all(text.as_bytes())
        .with_context(|| format!("cannot write {}", path.display()))
}

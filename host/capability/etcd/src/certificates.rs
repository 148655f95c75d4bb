//! Whether certificates and keys that somebody names can be used: read whole, by the library
//! that will use them, before anything connects anywhere.
//!
//! A file that is there and begins like PEM says little. A passphrase that nobody is there to
//! type, half a copy, the key of last year's certificate or one that has run out would all be
//! found by a member that hangs up, which says even less.
//!
//! What is found is a predicate of the place that the value came from, e.g. `is cut off: ...`,
//! and repeats nothing of a key.

use std::sync::Arc;
use std::time::Duration;

use drydock_core::UnixTime;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime as TlsTime};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, Error as TlsError, RootCertStore};

/// Blocks of one file. The authorities of a whole operating system are some 150.
const BLOCKS_MAX: usize = 4096;

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

/// Which of the values it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The authorities that members are checked against.
    Authorities,
    /// What this side shows of itself.
    Certificate,
    /// Its private key.
    Key,
}

/// What is wrong with one of the values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsound {
    pub part: Part,
    /// A predicate of the value's place, with how to mend it.
    pub why: String,
}

/// What can be used of it.
pub(crate) struct Usable {
    pub roots: RootCertStore,
    pub pair: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
}

/// Judges all that is shown and trusted at an endpoint, at this time.
///
/// # Errors
/// The first of them that cannot be used, or that runs out.
pub fn judge(
    ca: Option<&[u8]>,
    pair: Option<(&[u8], &[u8])>,
    now: UnixTime,
) -> Result<(), Unsound> {
    let usable = read(ca, pair)?;
    match &usable.pair {
        Some((chain, _)) => in_time(chain, now).map_err(of(Part::Certificate)),
        None => Ok(()),
    }
}

/// Judges certificates of authorities.
///
/// # Errors
/// A predicate: what is wrong, and how to mend it.
pub fn judge_authorities(pem: &[u8]) -> Result<(), String> {
    authorities(pem).map(|_| ())
}

/// The same values in the form in which they are used. Nothing is said of their time.
pub(crate) fn read(ca: Option<&[u8]>, pair: Option<(&[u8], &[u8])>) -> Result<Usable, Unsound> {
    let roots = match ca {
        Some(pem) => authorities(pem).map_err(of(Part::Authorities))?,
        None => RootCertStore::empty(),
    };
    let Some((certificate, key)) = pair else {
        return Ok(Usable { roots, pair: None });
    };
    let chain = chain(certificate).map_err(of(Part::Certificate))?;
    let key = private_key(key).map_err(of(Part::Key))?;
    fit(&chain, &key)?;
    Ok(Usable {
        roots,
        pair: Some((chain, key)),
    })
}

fn of(part: Part) -> impl Fn(String) -> Unsound {
    move |why| Unsound { part, why }
}

fn authorities(pem: &[u8]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for (number, certificate) in (1..).zip(certificates(pem)?) {
        roots
            .add(certificate)
            .map_err(|error| no_certificate(number, &error))?;
    }
    Ok(roots)
}

fn chain(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let chain = certificates(pem)?;
    for (number, certificate) in (1..).zip(&chain) {
        ParsedCertificate::try_from(certificate).map_err(|error| no_certificate(number, &error))?;
    }
    Ok(chain)
}

/// All certificates of a file, one at least.
fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let labels = labels(pem)?;
    if labels.iter().any(|label| label == "TRUSTED CERTIFICATE") {
        return Err(
            "holds a TRUSTED CERTIFICATE, which is a form that OpenSSL alone reads: make a plain one of it with `openssl x509 -in OLD -out NEW`".to_owned(),
        );
    }
    if !labels.iter().any(|label| label == "CERTIFICATE") {
        return Err(holding(
            &labels,
            "no certificate: put one there that begins with -----BEGIN CERTIFICATE-----",
        ));
    }
    let read = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    read.map_err(|_| NO_BASE64.to_owned())
}

const NO_BASE64: &str = "is damaged, since a PEM block of it is not base64: copy it anew";

fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    let labels = labels(pem)?;
    if is_encrypted(pem, &labels) {
        return Err(
            "is encrypted, and nobody is there to type its passphrase: keep the key without one, e.g. by `openssl pkey -in OLD -out NEW`, in a file that this service alone can read".to_owned(),
        );
    }
    if labels.iter().any(|label| label == "OPENSSH PRIVATE KEY") {
        return Err(
            "is a key of OpenSSH, which TLS does not know: give the private key of the certificate"
                .to_owned(),
        );
    }
    match PrivateKeyDer::from_pem_slice(pem) {
        Ok(key) => Ok(key),
        Err(rustls::pki_types::pem::Error::NoItemsFound) => Err(holding(
            &labels,
            "no private key: put one there that begins with -----BEGIN PRIVATE KEY-----, EC PRIVATE KEY or RSA PRIVATE KEY",
        )),
        Err(_) => Err(NO_BASE64.to_owned()),
    }
}

/// Whether the only keys are under a passphrase: of PKCS #8, or in the form before it.
fn is_encrypted(pem: &[u8], labels: &[String]) -> bool {
    let plain = |label: &&String| label.ends_with("PRIVATE KEY") && !label.starts_with("ENCRYPTED");
    let encrypted = labels.iter().any(|label| label == "ENCRYPTED PRIVATE KEY");
    let only = encrypted && !labels.iter().any(|label| plain(&label));
    only || lines(pem).any(|line| line.starts_with("Proc-Type:") && line.contains("ENCRYPTED"))
}

/// Whether the key is one that TLS takes, and that of the certificate.
fn fit(chain: &[CertificateDer<'static>], key: &PrivateKeyDer<'static>) -> Result<(), Unsound> {
    let fitted = CertifiedKey::from_der(chain.to_vec(), key.clone_key(), &provider());
    fitted.map(|_| ()).map_err(|error| match error {
        TlsError::InconsistentKeys(_) => of(Part::Key)(
            "is not the private key of the certificate beside it: give both of the same pair"
                .to_owned(),
        ),
        TlsError::InvalidCertificate(_) => of(Part::Certificate)(no_certificate(1, &error)),
        _ => of(Part::Key)(
            "is damaged, or a key of a kind that TLS does not take here: give an RSA key of 2048 bits or more, an ECDSA key on P-256 or P-384, or an Ed25519 key".to_owned(),
        ),
    })
}

/// Whether one of the authorities at least is valid now. A file often keeps the one before
/// beside the one in use, so that a single one which has run out says nothing. Connections
/// do not ask for this: it is for whoever looks ahead.
///
/// # Errors
/// All of them have run out, or are to come.
pub fn judge_authorities_time(pem: &[u8], now: UnixTime) -> Result<(), Unsound> {
    authorities_in_time(pem, now).map_err(of(Part::Authorities))
}

fn authorities_in_time(pem: &[u8], now: UnixTime) -> Result<(), String> {
    let certificates = certificates(pem)?;
    let mut newest: Option<CertificateError> = None;
    for certificate in &certificates {
        match fault_of(certificate, &[], now) {
            Some(error) if lasts_until(&error).is_some() => {
                let lasts_longer = newest.as_ref().map(lasts_until) < Some(lasts_until(&error));
                newest = if lasts_longer { Some(error) } else { newest };
            }
            _ => return Ok(()),
        }
    }
    let told = newest.map_or(Ok(()), |error| refused(&error));
    told.map_err(|why| match certificates.len() {
        1 => why,
        count => {
            format!("holds {count} authorities of which none is valid now; the newest {why}")
        }
    })
}

/// Until when a certificate lasts that is refused for its time, in seconds since 1970; none
/// if it is refused for something else.
fn lasts_until(error: &CertificateError) -> Option<u64> {
    use CertificateError as E;
    match error {
        E::ExpiredContext { not_after, .. } => Some(not_after.as_secs()),
        E::Expired => Some(0),
        E::NotValidYetContext { .. } | E::NotValidYet => Some(u64::MAX),
        _ => None,
    }
}

/// Whether the certificate is valid now, and may be shown by a client. Who issued it is the
/// members' business: their authority for clients need not be the one in `ca:`.
fn in_time(chain: &[CertificateDer<'static>], now: UnixTime) -> Result<(), String> {
    let Some((own, others)) = chain.split_first() else {
        return Ok(());
    };
    fault_of(own, others, now).map_or(Ok(()), |error| refused(&error))
}

/// What the library has against this certificate as a client's that it trusts. It looks at the
/// time before it asks what a certificate is for.
fn fault_of(
    own: &CertificateDer<'static>,
    others: &[CertificateDer<'static>],
    now: UnixTime,
) -> Option<CertificateError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates([own.clone()]);
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider()).build();
    // One that can be no authority leaves nothing to build on; the library has parsed it.
    let Ok(verifier) = verifier else {
        return None;
    };
    let now = TlsTime::since_unix_epoch(Duration::from_secs(now.0.unsigned_abs()));
    match verifier.verify_client_cert(own, others, now) {
        Err(TlsError::InvalidCertificate(error)) => Some(error),
        _ => None,
    }
}

fn refused(error: &CertificateError) -> Result<(), String> {
    use CertificateError as E;
    match error {
        E::ExpiredContext { not_after, .. } => Err(format!(
            "expired on {}: renew it, and see that this node's clock is right",
            day(*not_after)
        )),
        E::Expired => Err("has expired: renew it".to_owned()),
        E::NotValidYetContext { not_before, .. } => Err(format!(
            "is not valid before {}: set this node's clock, or issue it anew",
            day(*not_before)
        )),
        E::NotValidYet => Err("is not valid yet: set this node's clock".to_owned()),
        E::InvalidPurpose | E::InvalidPurposeContext { .. } => Err(
            "is for servers alone, since its extended key usage lacks clientAuth: give one that a client may show"
                .to_owned(),
        ),
        _ => Ok(()),
    }
}

/// The labels of all blocks, each of which has to be whole.
fn labels(pem: &[u8]) -> Result<Vec<String>, String> {
    let mut labels: Vec<String> = Vec::new();
    let mut open: Option<String> = None;
    for line in lines(pem) {
        if let Some(label) = framed(&line, BEGIN) {
            if labels.len() == BLOCKS_MAX {
                return Err(format!(
                    "holds more than {BLOCKS_MAX} PEM blocks: keep those that are needed"
                ));
            }
            if open.is_some() {
                break;
            }
            open = Some(label.to_owned());
        } else if let Some(label) = framed(&line, END) {
            match open.take() {
                Some(began) if began == label => labels.push(began),
                _ => return Err(cut(labels.len() + 1)),
            }
        }
    }
    match open {
        Some(_) => Err(cut(labels.len() + 1)),
        None => Ok(labels),
    }
}

fn lines(pem: &[u8]) -> impl Iterator<Item = String> {
    let lines = pem.split(|byte| matches!(byte, b'\n' | b'\r'));
    lines.map(|line| String::from_utf8_lossy(line.trim_ascii()).into_owned())
}

fn framed<'a>(line: &'a str, begin: &str) -> Option<&'a str> {
    line.strip_prefix(begin)?.strip_suffix(DASHES)
}

fn cut(number: usize) -> String {
    format!("is cut off, since its PEM block number {number} has no end: copy it anew, whole")
}

fn no_certificate(number: usize, error: &TlsError) -> String {
    let why = match error {
        TlsError::InvalidCertificate(CertificateError::BadEncoding) => "it is damaged".to_owned(),
        TlsError::InvalidCertificate(CertificateError::Other(other)) => other.to_string(),
        other => other.to_string(),
    };
    format!(
        "holds no usable certificate in its PEM block number {number} ({why}): copy it anew, or issue it anew as X.509 version 3"
    )
}

/// What a file holds in place of what is wanted.
fn holding(labels: &[String], wanted: &str) -> String {
    match labels.first() {
        Some(label) => format!("holds a {label} and {wanted}"),
        None => format!("holds {wanted}"),
    }
}

pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The day of an instant, in UTC.
pub(crate) fn day(time: TlsTime) -> String {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    let instant = UnixTime(seconds).to_string();
    instant.split('T').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;

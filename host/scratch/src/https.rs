//! Asking a scratch API server: one GET a connection, HTTP/1.0, so that the answer ends
//! where the connection does (RFC 1945, section 7.2.2). Nothing else is ever asked.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::authority::{Authority, Pair};

/// Largest answer: a page of 500 objects of which only the metadata is asked for.
const ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// How long one answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// A client of one server, with a certificate.
#[derive(Clone)]
pub struct Client {
    tls: TlsConnector,
    port: u16,
}

/// An answer: its status and its body.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Client {
    /// # Errors
    /// Certificates that are none, which [`Authority`] does not make.
    pub fn new(authority: &Authority, pair: &Pair, port: u16) -> io::Result<Self> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(authority.pem().as_bytes()) {
            let certificate = certificate.map_err(io::Error::other)?;
            roots.add(certificate).map_err(io::Error::other)?;
        }
        let chain = CertificateDer::pem_slice_iter(pair.certificate_pem.as_bytes())
            .collect::<Result<Vec<_>, _>>()
            .map_err(io::Error::other)?;
        let key =
            PrivateKeyDer::from_pem_slice(pair.key_pem.as_bytes()).map_err(io::Error::other)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)
            .map_err(io::Error::other)?;
        Ok(Self {
            tls: TlsConnector::from(Arc::new(config)),
            port,
        })
    }

    /// Asks for a path, and for objects by their metadata only where `accept` says so.
    ///
    /// # Errors
    /// No connection, no answer in time, or one that is not HTTP.
    pub async fn get(&self, path: &str, accept: &str) -> io::Result<Answer> {
        let slow = |_| io::Error::new(io::ErrorKind::TimedOut, "no answer in time");
        tokio::time::timeout(ANSWER_LIMIT, self.ask(path, accept))
            .await
            .map_err(slow)?
    }

    async fn ask(&self, path: &str, accept: &str) -> io::Result<Answer> {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
        let mut stream = self.tls.connect(name, stream).await?;
        let request = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\nAccept: {accept}\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut bytes = Vec::new();
        let mut bounded = stream.take(ANSWER_BYTES_MAX);
        match bounded.read_to_end(&mut bytes).await {
            // Go ends some connections without a farewell; the answer is whole or not by
            // its own form.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
            other => drop(other?),
        }
        parse(&bytes).ok_or_else(|| io::Error::other("the answer is not HTTP"))
    }
}

fn parse(bytes: &[u8]) -> Option<Answer> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let status = head.strip_prefix("HTTP/1.")?.get(2..5)?.parse().ok()?;
    Some(Answer {
        status,
        body: bytes[end + 4..].to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_taken_apart() {
        let answer = parse(b"HTTP/1.0 200 OK\r\nContent-Type: x\r\n\r\nok").unwrap();
        assert_eq!((answer.status, &answer.body[..]), (200, &b"ok"[..]));
        for noise in [
            &b""[..],
            b"HTTP/1.0 200",
            b"SSH-2.0\r\n\r\n",
            b"HTTP/1.0 2\r\n\r\n",
        ] {
            assert!(parse(noise).is_none());
        }
    }
}

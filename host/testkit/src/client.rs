//! One HTTP/1.1 request to a server on loopback, for setting servers up and looking behind
//! the product's back. Headers and path go out as they are given.

use std::io::{Error, ErrorKind};
use std::sync::Arc;

use anyhow::{Context, Result};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// An answer that tests read is an object at most.
const ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Speaks to one server.
pub struct Client<'a> {
    port: u16,
    ca_pem: Option<&'a str>,
}

/// A request. `Content-Length` is added, and so is `Host` where the headers have none.
pub struct Message<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub headers: &'a [(String, String)],
    pub body: &'a [u8],
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    /// Names in small letters.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl<'a> Client<'a> {
    pub fn clear(port: u16) -> Self {
        Self { port, ca_pem: None }
    }

    /// Over TLS to `localhost`, whose certificate is of this authority.
    pub fn tls(port: u16, ca_pem: &'a str) -> Self {
        Self {
            port,
            ca_pem: Some(ca_pem),
        }
    }

    /// Sends it and takes the whole answer in.
    ///
    /// # Errors
    /// When the server cannot be reached or answers no HTTP.
    pub async fn send(&self, message: &Message<'_>) -> Result<Answer> {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        let bytes = message.bytes(self.port);
        let Some(ca_pem) = self.ca_pem else {
            return exchange(stream, &bytes).await;
        };
        let connector = TlsConnector::from(Arc::new(trusting(ca_pem)?));
        let name = ServerName::try_from("localhost").context("localhost is a name")?;
        let stream = connector.connect(name, stream).await?;
        exchange(stream, &bytes).await
    }
}

impl Message<'_> {
    fn bytes(&self, port: u16) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.path);
        for (name, value) in self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !self.headers.iter().any(|(name, _)| name == "host") {
            head.push_str(&format!("host: localhost:{port}\r\n"));
        }
        head.push_str(&format!(
            "content-length: {}\r\nconnection: close\r\n\r\n",
            self.body.len()
        ));
        [head.as_bytes(), self.body].concat()
    }
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(own, _)| own == name)
            .map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

fn trusting(ca_pem: &str) -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(ca_pem.as_bytes()) {
        roots.add(certificate.context("the authority is no PEM")?)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

async fn exchange(stream: impl AsyncRead + AsyncWrite + Unpin, request: &[u8]) -> Result<Answer> {
    let (reader, mut writer) = tokio::io::split(stream);
    let mut bytes = Vec::new();
    let mut reader = reader.take(ANSWER_BYTES_MAX);
    // A server may answer before it has taken everything in, and close.
    let (sent, read) = tokio::join!(
        async {
            writer.write_all(request).await?;
            writer.flush().await
        },
        reader.read_to_end(&mut bytes)
    );
    if bytes.is_empty() {
        sent?;
    }
    match read {
        // Some servers end TLS without saying so.
        Err(error) if error.kind() != ErrorKind::UnexpectedEof => return Err(error.into()),
        _ => {}
    }
    parsed(&bytes).context("the server answers no HTTP")
}

fn parsed(bytes: &[u8]) -> Result<Answer> {
    let end = bytes
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .ok_or_else(|| Error::other("the head has no end"))?;
    let head = std::str::from_utf8(&bytes[..end])?;
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1));
    let status = status.context("there is no status")?.parse()?;
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
        .collect();
    let chunked = headers
        .iter()
        .any(|(name, value)| name == "transfer-encoding" && value.contains("chunked"));
    let rest = &bytes[end + 4..];
    let body = if chunked {
        unchunked(rest)?
    } else {
        rest.to_vec()
    };
    Ok(Answer {
        status,
        headers,
        body,
    })
}

pub(crate) fn unchunked(mut bytes: &[u8]) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = bytes.windows(2).position(|window| window == b"\r\n");
        let line = line.context("a chunk has no length")?;
        let length = std::str::from_utf8(&bytes[..line])?;
        let length = usize::from_str_radix(length.split(';').next().unwrap_or(""), 16)?;
        if length == 0 {
            return Ok(body);
        }
        let chunk = bytes.get(line + 2..line + 2 + length);
        body.extend_from_slice(chunk.context("a chunk was cut off")?);
        bytes = bytes.get(line + 4 + length..).unwrap_or_default();
    }
}

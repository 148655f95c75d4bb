//! A look at what stands behind an endpoint that ended the connection and did not say why.
//!
//! gRPC's client writes its first request together with the end of the TLS handshake. A
//! server that refuses the client certificate answers with an alert, but resets the
//! connection as it finds unread bytes on it, so that the alert is often lost. A server of
//! another protocol closes in the same way. Here one connection more is made that says
//! nothing but what the other side waits for, and reads what comes.
//!
//! Nothing is decided here but the words for the operator: the call has failed already.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, Error as TlsError, RootCertStore};

use crate::certificates;
use crate::config::EtcdConfig;

/// How long the other side may take for each of its answers. It just answered or closed,
/// so that it is near and awake.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);

/// Exchanges until a handshake is over and the server's verdict has come; TLS 1.3 takes
/// three, and session tickets may come in between.
const EXCHANGES_MAX: usize = 16;

/// What a client of HTTP/2 says first: its preface and an empty SETTINGS frame.
const HTTP2_HELLO: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// Of the answer, only this much is looked at: the head of an HTTP/2 frame.
const ANSWER_BYTES: usize = 9;

/// The type of a SETTINGS frame, and where it stands in its head.
const SETTINGS: u8 = 4;
const FRAME_TYPE_OFFSET: usize = 3;

/// The first byte of a TLS record: an alert, or a part of the handshake.
const TLS_RECORDS: [u8; 2] = [21, 22];

/// What stands behind an endpoint.
#[derive(Debug)]
pub(crate) enum Found {
    /// It ended the TLS handshake, or the connection right after it, with these words.
    Tls(TlsError),
    /// It speaks TLS, and the endpoint begins with `http://`.
    SpeaksTls,
    /// It speaks etcd's protocol without TLS, and the endpoint begins with `https://`.
    SpeaksNoTls,
    /// It answers as servers of the web do.
    SpeaksHttp1,
}

/// Looks at `endpoint`. None when nothing is found out. Blocks for some seconds at most.
pub(crate) fn look(endpoint: &str, config: &EtcdConfig) -> Option<Found> {
    let (scheme, address) = endpoint.split_once("://")?;
    let address = address.to_socket_addrs().ok()?.next()?;
    match scheme {
        "https" => shaken_hands(endpoint, address, config).or_else(|| {
            answered_plainly(address).map(|found| match found {
                Found::SpeaksHttp1 => Found::SpeaksHttp1,
                _ => Found::SpeaksNoTls,
            })
        }),
        _ if answers_tls(endpoint, address) => Some(Found::SpeaksTls),
        _ => answered_plainly(address).filter(|found| matches!(found, Found::SpeaksHttp1)),
    }
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, ANSWER_LIMIT)?;
    stream.set_read_timeout(Some(ANSWER_LIMIT))?;
    stream.set_write_timeout(Some(ANSWER_LIMIT))?;
    Ok(stream)
}

/// A handshake as the client itself makes it, after which nothing is said: whatever the
/// server has against it comes then.
fn shaken_hands(endpoint: &str, address: SocketAddr, config: &EtcdConfig) -> Option<Found> {
    let client = client_config(config)?;
    let mut session = ClientConnection::new(Arc::new(client), server_name(endpoint)?).ok()?;
    let mut stream = connect(address).ok()?;
    for _ in 0..EXCHANGES_MAX {
        while session.wants_write() {
            session.write_tls(&mut stream).ok()?;
        }
        match session.read_tls(&mut stream) {
            Ok(1..) => {}
            Ok(0) | Err(_) => return None,
        }
        match session.process_new_packets() {
            Ok(_) => {}
            // What is no TLS at all is looked at more closely.
            Err(TlsError::InvalidMessage(_)) => return None,
            Err(error) => return Some(Found::Tls(error)),
        }
    }
    None
}

fn client_config(config: &EtcdConfig) -> Option<ClientConfig> {
    let pair = config.certificate.as_deref().zip(config.key.as_deref());
    let usable = certificates::read(config.ca.as_deref(), pair).ok()?;
    let builder = builder().with_root_certificates(usable.roots);
    let mut client = match usable.pair {
        Some((chain, key)) => builder.with_client_auth_cert(chain, key).ok()?,
        None => builder.with_no_client_auth(),
    };
    // A gRPC server refuses whoever does not ask for HTTP/2.
    client.alpn_protocols = vec![b"h2".to_vec()];
    Some(client)
}

fn builder() -> rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier> {
    ClientConfig::builder_with_provider(certificates::provider())
        .with_safe_default_protocol_versions()
        .expect("the provider has the cipher suites of its own protocol versions")
}

fn server_name(endpoint: &str) -> Option<ServerName<'static>> {
    let address = endpoint.rsplit("//").next()?;
    let (host, _) = address.rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    ServerName::try_from(host.to_owned()).ok()
}

/// Whether a greeting in TLS is answered in TLS.
fn answers_tls(endpoint: &str, address: SocketAddr) -> bool {
    let roots = RootCertStore::empty();
    let client = builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let greeting = || -> io::Result<u8> {
        let name = server_name(endpoint).ok_or(io::ErrorKind::InvalidInput)?;
        let mut session =
            ClientConnection::new(Arc::new(client), name).map_err(io::Error::other)?;
        let mut stream = connect(address)?;
        session.write_tls(&mut stream)?;
        let mut first = [0];
        stream.read_exact(&mut first)?;
        Ok(first[0])
    };
    greeting().is_ok_and(|first| TLS_RECORDS.contains(&first))
}

/// What a greeting in HTTP/2 without TLS is answered with.
fn answered_plainly(address: SocketAddr) -> Option<Found> {
    let mut stream = connect(address).ok()?;
    stream.write_all(HTTP2_HELLO).ok()?;
    let mut answer = [0; ANSWER_BYTES];
    stream.read_exact(&mut answer).ok()?;
    match answer {
        _ if answer.starts_with(b"HTTP/1.") => Some(Found::SpeaksHttp1),
        _ if answer[FRAME_TYPE_OFFSET] == SETTINGS => Some(Found::SpeaksNoTls),
        _ => None,
    }
}

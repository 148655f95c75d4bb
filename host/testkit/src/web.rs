//! A real HTTP server over TLS or in the clear, which keeps what it was asked and answers
//! well or badly by the path.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use anyhow::{Context as _, Result};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::serve::Listener;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::{Stream, StreamExt as _};

use crate::pki::Issued;

/// Pieces of a body that the server makes up.
const PIECE_BYTES: usize = 64 * 1024;

/// What is kept of a request's body.
const SEEN_BYTES_MAX: usize = 64 * 1024;

/// What every byte of such a body is.
const FILLING: u8 = 3;

/// A server that runs until it is dropped.
///
/// | path | answer |
/// |---|---|
/// | `/download/N` | N bytes, each 3 |
/// | `/redirect?URL` | 302 to URL |
/// | `/reflect` | the header `authorization` as `x-reflected`, and as the body |
/// | `/silent` | none, ever |
/// | `/stall` | 5 of 10 bytes, then none, ever |
/// | `/short` | 5 of 10 bytes, then the connection ends |
/// | `/heavy` | 100 KiB of headers |
/// | `/status/N?S` | status N; `Retry-After: S` where S is there; `no_service` as the body |
/// | `/cannot/...` | status 404, and the request's path in the body |
/// | other | `N bytes, sum S` of the request's body |
pub struct WebServer {
    address: SocketAddr,
    scheme: &'static str,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    /// With the query.
    pub path: String,
    pub headers: HeaderMap,
    /// The first 64 KiB of the body.
    pub body: Vec<u8>,
    /// Bytes of the body.
    pub size: u64,
}

#[derive(Default)]
struct Shared {
    seen: Mutex<Vec<Seen>>,
    connections: AtomicUsize,
}

/// Accepts connections and counts them.
pub(crate) struct Door {
    listener: TcpListener,
    shared: Arc<Shared>,
}

/// The same over TLS. A handshake that fails is the client's affair.
pub(crate) struct TlsDoor {
    door: Door,
    acceptor: TlsAcceptor,
}

impl WebServer {
    /// Serves in the clear on a port of 127.0.0.1.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn http() -> Result<Self> {
        let door = Door::open().await?;
        Ok(Self::start("http", Arc::clone(&door.shared), door))
    }

    /// Serves over TLS with this certificate.
    ///
    /// # Errors
    /// When no port can be had or the certificate cannot be used.
    pub async fn https(issued: &Issued) -> Result<Self> {
        let door = Door::open().await?;
        let shared = Arc::clone(&door.shared);
        Ok(Self::start("https", shared, TlsDoor::new(door, issued)?))
    }

    fn start(
        scheme: &'static str,
        shared: Arc<Shared>,
        door: impl Listener<Addr = SocketAddr>,
    ) -> Self {
        let address = door.local_addr().expect("a bound listener has an address");
        let router = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&shared));
        let task = tokio::spawn(async move {
            // It serves until it is aborted.
            let _ = axum::serve(door, router).await;
        });
        Self {
            address,
            scheme,
            shared,
            task,
        }
    }

    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// A URL at this server, by the name `localhost`.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        self.url_by("localhost", path)
    }

    /// A URL at this server's port by another name.
    #[must_use]
    pub fn url_by(&self, host: &str, path: &str) -> String {
        format!("{}://{host}:{}{path}", self.scheme, self.port())
    }

    /// Every request so far, in the order in which they ended.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.lock().clone()
    }

    /// How many connections were made.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TlsDoor {
    /// The door behind TLS with this certificate.
    pub(crate) fn new(door: Door, issued: &Issued) -> Result<Self> {
        let acceptor = acceptor(issued)?;
        Ok(Self { door, acceptor })
    }
}

/// Shows this certificate.
pub(crate) fn acceptor(issued: &Issued) -> Result<TlsAcceptor> {
    let chain = CertificateDer::pem_slice_iter(issued.certificate_pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .context("the certificate is no PEM")?;
    let key =
        PrivateKeyDer::from_pem_slice(issued.key_pem().as_bytes()).context("the key is no PEM")?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

impl Door {
    pub(crate) fn port(&self) -> u16 {
        let address = self.listener.local_addr();
        address.expect("a bound listener has an address").port()
    }

    pub(crate) async fn open() -> Result<Self> {
        Ok(Self {
            listener: TcpListener::bind("127.0.0.1:0").await?,
            shared: Arc::default(),
        })
    }
}

impl Listener for Door {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        let accepted = Listener::accept(&mut self.listener).await;
        self.shared.connections.fetch_add(1, Ordering::SeqCst);
        accepted
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl Listener for TlsDoor {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        loop {
            let (stream, address) = self.door.accept().await;
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.door.listener.local_addr()
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let mut seen = Seen {
        method: parts.method.to_string(),
        path: path.to_owned(),
        headers: parts.headers,
        body: Vec::new(),
        size: 0,
    };
    let sum = read(body, &mut seen).await;
    shared.lock().push(seen.clone());
    let word = parts.uri.path().split('/').nth(1).unwrap_or_default();
    match word {
        "download" => download(&seen.path),
        "redirect" => redirect(parts.uri.query().unwrap_or_default()),
        "reflect" => reflect(&seen.headers),
        "silent" => std::future::pending().await,
        "stall" => of_ten(stalled()),
        "short" => of_ten(Body::from_stream(Cut::default())),
        "heavy" => heavy(),
        "status" => status(parts.uri.path(), parts.uri.query()),
        "cannot" => cannot(&seen),
        _ => format!("{} bytes, sum {sum}", seen.size).into_response(),
    }
}

/// Takes the body in; the sum of its bytes.
async fn read(body: Body, seen: &mut Seen) -> u64 {
    let mut pieces = body.into_data_stream();
    let mut sum = 0;
    while let Some(Ok(piece)) = pieces.next().await {
        seen.size += piece.len() as u64;
        sum += piece.iter().map(|byte| u64::from(*byte)).sum::<u64>();
        let room = SEEN_BYTES_MAX.saturating_sub(seen.body.len());
        seen.body.extend_from_slice(&piece[..piece.len().min(room)]);
    }
    sum
}

fn download(path: &str) -> Response {
    let bytes: usize = path
        .rsplit('/')
        .next()
        .and_then(|n| n.parse().ok())
        .unwrap_or(0);
    let piece = Bytes::from(vec![FILLING; PIECE_BYTES]);
    let lengths = (0..bytes)
        .step_by(PIECE_BYTES)
        .map(move |at| (bytes - at).min(PIECE_BYTES));
    let pieces = lengths.map(move |length| Ok::<_, io::Error>(piece.slice(..length)));
    let length = [(header::CONTENT_LENGTH, bytes.to_string())];
    (length, Body::from_stream(tokio_stream::iter(pieces))).into_response()
}

fn redirect(location: &str) -> Response {
    (StatusCode::FOUND, [(header::LOCATION, location.to_owned())]).into_response()
}

fn status(path: &str, retry_after: Option<&str>) -> Response {
    let number = path.rsplit('/').find_map(|word| word.parse().ok());
    let status = number.and_then(|number| StatusCode::from_u16(number).ok());
    let mut response = (status.unwrap_or(StatusCode::OK), "no_service").into_response();
    if let Some(Ok(value)) = retry_after.map(HeaderValue::from_str) {
        response.headers_mut().insert(header::RETRY_AFTER, value);
    }
    response
}

/// As some frameworks answer where they know no such path.
fn cannot(seen: &Seen) -> Response {
    let told = format!("Cannot {} {}", seen.method, seen.path);
    (StatusCode::NOT_FOUND, told).into_response()
}

fn reflect(headers: &HeaderMap) -> Response {
    let nothing = HeaderValue::from_static("");
    let value = headers
        .get(header::AUTHORIZATION)
        .unwrap_or(&nothing)
        .clone();
    let body = value.as_bytes().to_vec();
    ([(HeaderName::from_static("x-reflected"), value)], body).into_response()
}

fn five() -> Bytes {
    Bytes::from_static(b"12345")
}

fn stalled() -> Body {
    let first = tokio_stream::once(Ok::<_, io::Error>(five()));
    Body::from_stream(first.chain(tokio_stream::pending()))
}

/// Five bytes, a moment in which they leave, and an error.
#[derive(Default)]
struct Cut(u8);

impl Stream for Cut {
    type Item = io::Result<Bytes>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Bytes>>> {
        self.0 += 1;
        match self.0 {
            1 => Poll::Ready(Some(Ok(five()))),
            2 => {
                context.waker().wake_by_ref();
                Poll::Pending
            }
            _ => Poll::Ready(Some(Err(io::Error::other("cut")))),
        }
    }
}

fn of_ten(body: Body) -> Response {
    ([(header::CONTENT_LENGTH, "10")], body).into_response()
}

fn heavy() -> Response {
    let mut response = "heavy".into_response();
    for number in 0..100 {
        let name = HeaderName::try_from(format!("x-{number}")).expect("letters and digits");
        let value = HeaderValue::try_from("h".repeat(1024)).expect("letters");
        response.headers_mut().insert(name, value);
    }
    response
}

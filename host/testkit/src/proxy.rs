//! A TCP proxy before a server, with accidents on order: it passes everything on until a
//! connection has carried so many bytes from the server, and then cuts it or holds it.
//!
//! What a test needs of a network that fails stands here, at a byte that the test chose,
//! so that nothing depends on who is faster.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::wait_until;

/// What is passed on at once. Accidents happen at a multiple of nothing: the piece that
/// reaches the limit is cut there.
const PIECE_BYTES: usize = 16 * 1024;

/// A proxy on loopback; it ends when this is dropped.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

/// What happens to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accident {
    /// Both sides are closed.
    Cut,
    /// Nothing more comes from the server until [`Proxy::release`] or [`Proxy::cut`].
    Hold,
}

/// An accident that waits for a connection.
#[derive(Debug, Clone, Copy)]
struct Order {
    accident: Accident,
    after_bytes: u64,
    times: u32,
}

#[derive(Debug)]
struct Shared {
    server: SocketAddr,
    order: Mutex<Option<Order>>,
    /// Accidents so far.
    happened: watch::Sender<u32>,
    /// What becomes of held connections.
    fate: watch::Sender<Fate>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Held,
    GoOn,
    Cut,
}

impl Proxy {
    /// Starts a proxy before the server at `url` (`http://HOST:PORT`, or without a scheme).
    ///
    /// # Errors
    /// When the URL has no address, or no port is free.
    pub async fn before(url: &str) -> Result<Self> {
        let address = url.rsplit('/').next().unwrap_or(url);
        let server = address
            .parse()
            .with_context(|| format!("{url} names no address"))?;
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .context("no port is free")?;
        let port = listener.local_addr().context("no address")?.port();
        let shared = Arc::new(Shared {
            server,
            order: Mutex::new(None),
            happened: watch::Sender::new(0),
            fate: watch::Sender::new(Fate::Held),
        });
        let task = tokio::spawn(serve(listener, Arc::clone(&shared)));
        Ok(Self { port, shared, task })
    }

    /// Where the proxy listens, with the scheme of the server behind it.
    #[must_use]
    pub fn url(&self, scheme: &str) -> String {
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    /// Lets `accident` happen to the next `times` connections that have carried
    /// `after_bytes` bytes from the server.
    pub fn order(&self, accident: Accident, after_bytes: u64, times: u32) {
        *self.shared.lock() = Some(Order {
            accident,
            after_bytes,
            times,
        });
    }

    /// Waits until `count` accidents have happened.
    ///
    /// # Errors
    /// When they have not within `limit`.
    pub async fn wait_for_accidents(&self, count: u32, limit: Duration) -> Result<()> {
        let happened = self.shared.happened.subscribe();
        wait_until("the accident has happened", limit, async || {
            *happened.borrow() >= count
        })
        .await
    }

    /// Accidents so far.
    #[must_use]
    pub fn accidents(&self) -> u32 {
        *self.shared.happened.borrow()
    }

    /// Lets held connections go on.
    pub fn release(&self) {
        self.shared.fate.send_replace(Fate::GoOn);
    }

    /// Cuts held connections, with everything that the server had sent meanwhile.
    pub fn cut(&self) {
        self.shared.fate.send_replace(Fate::Cut);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // Its connections end with the task that owns them.
        self.task.abort();
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Order>> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes that a connection which has carried `carried` may carry before the accident
    /// that is on order; none without an order.
    fn left(&self, carried: u64) -> Option<u64> {
        self.lock()
            .filter(|order| order.times > 0)
            .map(|order| order.after_bytes.saturating_sub(carried))
    }

    /// Takes one accident out of the order.
    fn take(&self) -> Option<Accident> {
        let mut order = self.lock();
        let order = order.as_mut().filter(|order| order.times > 0)?;
        order.times -= 1;
        Some(order.accident)
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        connections.spawn(carry(client, Arc::clone(&shared)));
    }
}

/// One connection. It ends when either side does.
async fn carry(client: TcpStream, shared: Arc<Shared>) {
    let Ok(server) = TcpStream::connect(shared.server).await else {
        return;
    };
    let (mut from_client, to_client) = client.into_split();
    let (from_server, mut to_server) = server.into_split();
    tokio::select! {
        _ = tokio::io::copy(&mut from_client, &mut to_server) => {}
        () = answer(from_server, to_client, &shared) => {}
    }
}

/// Passes on what the server says, up to an accident.
async fn answer(mut server: OwnedReadHalf, mut client: OwnedWriteHalf, shared: &Shared) {
    let mut piece = vec![0; PIECE_BYTES];
    let mut carried: u64 = 0;
    let mut held = false;
    while let Ok(read @ 1..) = server.read(&mut piece).await {
        let left = shared.left(carried).filter(|_| !held);
        let before = left.map_or(read, |left| {
            usize::try_from(left).map_or(read, |left| left.min(read))
        });
        if client.write_all(&piece[..before]).await.is_err() {
            return;
        }
        if before < read {
            match shared.take() {
                Some(Accident::Cut) => {
                    shared.happened.send_modify(|count| *count += 1);
                    return;
                }
                Some(Accident::Hold) => {
                    held = true;
                    if hold(shared).await == Fate::Cut {
                        return;
                    }
                }
                None => {}
            }
            if client.write_all(&piece[before..read]).await.is_err() {
                return;
            }
        }
        carried += read as u64;
    }
}

async fn hold(shared: &Shared) -> Fate {
    shared.happened.send_modify(|count| *count += 1);
    let mut fate = shared.fate.subscribe();
    let decided = fate.wait_for(|fate| *fate != Fate::Held).await;
    // A proxy that is gone cuts what it held.
    decided.map_or(Fate::Cut, |fate| *fate)
}

//! A server of named locks: whoever asks for one gets it once it is free, and has it exactly
//! as long as its connection stays open. A test sees who holds what, and can break the
//! connection of whoever does.
//!
//! `GET /NAME/OWNER` over HTTP is answered by a body without end: a line `held` once it is,
//! and `tick` again and again as long as it is.
//!
//! Or a line each way: `lock NAME OWNER` is answered by `held` once it is, `holds` by `yes` or
//! `no`, and `who` by `NAME=OWNER` of each lock that is held, with blanks between.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// How often a client over HTTP sees that it still holds.
const TICK: Duration = Duration::from_millis(20);

const RESPONSE_HEAD: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n";

/// A server on loopback; it ends when this is dropped.
#[derive(Debug)]
pub struct LockServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    /// By the locks' names.
    held: watch::Sender<BTreeMap<String, Holder>>,
    /// Connections that the test ends.
    broken: watch::Sender<BTreeSet<u64>>,
    /// How often a lock was given to anybody.
    given: AtomicU64,
}

/// Who holds a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Holder {
    connection: u64,
    owner: String,
}

impl LockServer {
    /// Starts a server on a port that is free.
    ///
    /// # Errors
    /// No port is free.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.context("no port is free")?;
        let address = listener.local_addr().context("no address")?;
        let shared = Arc::new(Shared {
            held: watch::Sender::default(),
            broken: watch::Sender::default(),
            given: AtomicU64::new(0),
        });
        let task = tokio::spawn(serve(listener, Arc::clone(&shared)));
        Ok(Self {
            address,
            shared,
            task,
        })
    }

    /// `HOST:PORT`.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// The locks that are held now, each with its owner.
    #[must_use]
    pub fn held(&self) -> BTreeMap<String, String> {
        let held = self.shared.held.borrow();
        let held = held.iter();
        held.map(|(name, holder)| (name.clone(), holder.owner.clone()))
            .collect()
    }

    /// How often a lock was given to anybody so far.
    #[must_use]
    pub fn given(&self) -> u64 {
        self.shared.given.load(Ordering::SeqCst)
    }

    /// Ends the connection of whoever holds the lock. Says whether anybody did.
    pub fn break_hold(&self, name: &str) -> bool {
        let holder = self.shared.held.borrow().get(name).cloned();
        let Some(holder) = holder else {
            return false;
        };
        let broken = &self.shared.broken;
        broken.send_modify(|broken| {
            broken.insert(holder.connection);
        });
        true
    }
}

impl Drop for LockServer {
    fn drop(&mut self) {
        // Its connections end with the task that owns them.
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    let mut number = 0;
    while let Ok((stream, _)) = listener.accept().await {
        number += 1;
        let connection = Connection {
            number,
            shared: Arc::clone(&shared),
        };
        connections.spawn(connection.attend(stream));
    }
}

/// One client. What it holds is let go when this is dropped.
struct Connection {
    number: u64,
    shared: Arc<Shared>,
}

impl Connection {
    async fn attend(self, stream: TcpStream) {
        let mut broken = self.shared.broken.subscribe();
        let number = self.number;
        tokio::select! {
            _ = broken.wait_for(|broken| broken.contains(&number)) => {}
            () = self.answer_all(stream) => {}
        }
    }

    async fn answer_all(&self, stream: TcpStream) {
        let (reader, mut writer) = stream.into_split();
        let mut lines = BufReader::new(reader).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let words: Vec<&str> = line.split(' ').collect();
            let answered = match words[..] {
                ["lock", name, owner] => self.lock(name, owner, &mut lines, &mut writer).await,
                ["holds"] => {
                    let word = if self.holds() { "yes" } else { "no" };
                    say(&mut writer, word).await
                }
                ["GET", path, version] if version.starts_with("HTTP/1") => {
                    self.stream(path, &mut lines, &mut writer).await;
                    false
                }
                ["who"] => say(&mut writer, &self.who()).await,
                _ => say(&mut writer, "what?").await,
            };
            if !answered {
                return;
            }
        }
    }

    /// Waits for the lock, unless the client goes away meanwhile.
    async fn lock(
        &self,
        name: &str,
        owner: &str,
        lines: &mut Lines<BufReader<OwnedReadHalf>>,
        writer: &mut OwnedWriteHalf,
    ) -> bool {
        tokio::select! {
            () = self.take(name, owner) => say(writer, "held").await,
            // A client that waits has nothing to say but that it is gone.
            _ = lines.next_line() => false,
        }
    }

    /// Holds the lock of that path until the client goes away.
    async fn stream(
        &self,
        path: &str,
        lines: &mut Lines<BufReader<OwnedReadHalf>>,
        writer: &mut OwnedWriteHalf,
    ) {
        while let Ok(Some(header)) = lines.next_line().await {
            if header.is_empty() {
                break;
            }
        }
        let (name, owner) = path
            .trim_start_matches('/')
            .split_once('/')
            .unwrap_or((path, ""));
        tokio::select! {
            _ = lines.next_line() => {}
            _ = self.tick(name, owner, writer) => {}
        }
    }

    /// Ends when the client cannot be told any more.
    async fn tick(
        &self,
        name: &str,
        owner: &str,
        writer: &mut OwnedWriteHalf,
    ) -> std::io::Result<()> {
        writer.write_all(RESPONSE_HEAD).await?;
        self.take(name, owner).await;
        writer.write_all(b"5\r\nheld\n\r\n").await?;
        loop {
            tokio::time::sleep(TICK).await;
            writer.write_all(b"5\r\ntick\n\r\n").await?;
        }
    }

    async fn take(&self, name: &str, owner: &str) {
        let holder = Holder {
            connection: self.number,
            owner: owner.to_owned(),
        };
        let mut held = self.shared.held.subscribe();
        loop {
            let is_taken = self.shared.held.send_if_modified(|held| {
                let is_free = !held.contains_key(name);
                if is_free {
                    held.insert(name.to_owned(), holder.clone());
                }
                is_free
            });
            if is_taken {
                self.shared.given.fetch_add(1, Ordering::SeqCst);
                return;
            }
            // The sender lives as long as this does.
            let _ = held.wait_for(|held| !held.contains_key(name)).await;
        }
    }

    fn holds(&self) -> bool {
        let held = self.shared.held.borrow();
        held.values().any(|holder| holder.connection == self.number)
    }

    fn who(&self) -> String {
        let held = self.shared.held.borrow();
        let held = held.iter();
        let held = held.map(|(name, holder)| format!("{name}={}", holder.owner));
        held.collect::<Vec<_>>().join(" ")
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let number = self.number;
        self.shared
            .held
            .send_modify(|held| held.retain(|_, holder| holder.connection != number));
    }
}

/// Whether the client could be told.
async fn say(writer: &mut OwnedWriteHalf, line: &str) -> bool {
    let line = format!("{line}\n");
    writer.write_all(line.as_bytes()).await.is_ok()
}

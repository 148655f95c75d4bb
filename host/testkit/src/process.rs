//! A server of one process, from its start to its end.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::{guard, wait_until};

/// How long a server may take until it takes connections. One second is usual, several times
/// that while the machine compiles.
const LISTEN_LIMIT: Duration = Duration::from_secs(60);

/// How much of a server's log an error repeats, in lines.
const LOG_LINES_MAX: usize = 20;

/// A server on a port of loopback. It is killed when this is dropped: what it kept goes with
/// the scratch folder anyway.
#[derive(Debug)]
pub struct ServerProcess {
    name: &'static str,
    log: PathBuf,
    port: u16,
    child: Mutex<Child>,
}

impl ServerProcess {
    /// Starts a program that is to listen on `port`, its log in `folder`, and waits until it
    /// takes connections.
    ///
    /// # Errors
    /// When it cannot be started, ends, or does not listen in time; the message holds the end
    /// of its log.
    pub async fn start(
        name: &'static str,
        mut command: Command,
        port: u16,
        folder: &Path,
    ) -> Result<Self> {
        let path = folder.join(format!("{name}.log"));
        let log = File::create(&path).with_context(|| format!("cannot make {}", path.display()))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("cannot share the log file")?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        guard::kill_at_exit(child.id());
        let server = Self {
            name,
            log: path,
            port,
            child: Mutex::new(child),
        };
        server.wait_listening().await?;
        Ok(server)
    }

    /// The port of 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// All that it has logged so far.
    pub fn log(&self) -> String {
        let bytes = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Ends it at once, as a crash does.
    pub fn kill(&self) {
        let mut child = self.child();
        // A process that has ended already is as good.
        let _ended = child.kill();
        let _code = child.wait();
        guard::ended(child.id());
    }

    async fn wait_listening(&self) -> Result<()> {
        let name = self.name;
        let what = format!("{name} takes connections");
        let waited = wait_until(&what, LISTEN_LIMIT, async || {
            self.has_ended() || TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok()
        });
        let waited = waited.await;
        ensure!(
            waited.is_ok() && !self.has_ended(),
            "{name} takes no connections:\n{}",
            self.log_end()
        );
        Ok(())
    }

    fn has_ended(&self) -> bool {
        !matches!(self.child().try_wait(), io::Result::Ok(None))
    }

    fn log_end(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let start = lines.len().saturating_sub(LOG_LINES_MAX);
        lines[start..].join("\n")
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        self.kill();
    }
}

//! One member: its addresses, its folder, and the process while it runs.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::{free_port, guard, wait_until};

/// How long a member may take to stop by itself before it is killed. etcd hands over its
/// leadership first, which takes up to a few seconds.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// The end of a log that an error repeats: the reason stands there.
const LOG_REPEATED_LINES_MAX: usize = 15;

/// What an answer may hold: health is a line of JSON, the metrics are some thousand lines.
const ANSWER_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// How long one health answer may take. etcd itself gives up on a read after some seconds.
const HEALTH_ANSWER_LIMIT: Duration = Duration::from_secs(8);

/// A member of a [`super::Cluster`].
#[derive(Debug)]
pub struct Member {
    index: usize,
    name: String,
    folder: PathBuf,
    client_url: String,
    peer_url: String,
    /// Health and metrics, always without TLS and only on loopback.
    metrics_port: u16,
    process: Mutex<Option<Child>>,
}

impl Member {
    pub(super) fn new(index: usize, folder: PathBuf, tls: bool) -> Self {
        let scheme = if tls { "https" } else { "http" };
        Self {
            index,
            name: format!("member-{index}"),
            folder,
            client_url: format!("{scheme}://127.0.0.1:{}", free_port()),
            peer_url: format!("{scheme}://127.0.0.1:{}", free_port()),
            metrics_port: free_port(),
            process: Mutex::new(None),
        }
    }

    /// Its place among the cluster's members.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Its name in etcd.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where clients reach it.
    pub fn client_url(&self) -> &str {
        &self.client_url
    }

    /// Where the other members reach it.
    pub fn peer_url(&self) -> &str {
        &self.peer_url
    }

    /// Its data folder.
    pub fn data_folder(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// All it has logged so far.
    pub fn log(&self) -> String {
        let bytes = std::fs::read(self.log_file()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Its process id while it runs.
    pub fn process_id(&self) -> Option<u32> {
        self.process().as_ref().map(Child::id)
    }

    /// Tells whether it was started and not stopped since. It may have ended by itself.
    pub fn is_started(&self) -> bool {
        self.process().is_some()
    }

    /// Asks it to stop and waits for that; kills it if it takes too long.
    pub fn stop(&self) {
        self.end_with(Signal::TERM);
    }

    /// Kills it, as a power cut would, except that the disk keeps what was written.
    pub fn kill(&self) {
        self.end_with(Signal::KILL);
    }

    fn end_with(&self, signal: Signal) {
        let Some(mut child) = self.process().take() else {
            return;
        };
        if !ends_by(&child, signal) {
            // It is either gone already or ends by this; waiting tells which.
            let _gone = child.kill();
        }
        let _reaped = child.wait();
        guard::ended(child.id());
    }

    pub(super) fn arguments(&self) -> Vec<OsString> {
        let data = self.data_folder();
        let metrics = format!("http://127.0.0.1:{}", self.metrics_port);
        let pairs: [(&str, &std::ffi::OsStr); 7] = [
            ("--name", self.name.as_ref()),
            ("--data-dir", data.as_ref()),
            ("--listen-client-urls", self.client_url.as_ref()),
            ("--advertise-client-urls", self.client_url.as_ref()),
            ("--listen-peer-urls", self.peer_url.as_ref()),
            ("--initial-advertise-peer-urls", self.peer_url.as_ref()),
            ("--listen-metrics-urls", metrics.as_ref()),
        ];
        let words = pairs
            .into_iter()
            .flat_map(|(name, value)| [name.into(), value.into()]);
        words.collect()
    }

    pub(super) fn launch(&self, mut command: Command) -> Result<()> {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log_file())
            .with_context(|| format!("cannot make {}", self.log_file().display()))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("cannot share the log file")?)
            .stderr(log)
            // Its own group: Ctrl-C is for whoever runs the cluster.
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {}", self.name))?;
        guard::kill_at_exit(child.id());
        *self.process() = Some(child);
        Ok(())
    }

    pub(super) async fn wait_healthy(&self, limit: Duration) -> Result<()> {
        let what = format!("{} is healthy", self.name);
        let settled = wait_until(&what, limit, async || {
            self.has_ended() || self.is_healthy().await
        });
        settled.await.with_context(|| self.end_of_log())?;
        ensure!(
            !self.has_ended(),
            "{} ended\n{}",
            self.name,
            self.end_of_log()
        );
        Ok(())
    }

    /// Asks the member itself. It says yes when it has a leader, can read through it and
    /// no alarm is raised.
    pub async fn is_healthy(&self) -> bool {
        let answer = tokio::time::timeout(HEALTH_ANSWER_LIMIT, self.answer_of("/health"));
        matches!(answer.await, Ok(Ok(text)) if text.contains(r#""health":"true""#))
    }

    /// Whether its metrics have this line, such as `etcd_server_proposals_pending 1`.
    pub async fn has_metric(&self, line: &str) -> bool {
        let answer = tokio::time::timeout(HEALTH_ANSWER_LIMIT, self.answer_of("/metrics"));
        matches!(answer.await, Ok(Ok(text)) if text.lines().any(|metric| metric == line))
    }

    async fn answer_of(&self, path: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.metrics_port)).await?;
        let request =
            format!("GET {path} HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        let mut bounded = stream.take(ANSWER_BYTES_MAX);
        bounded.read_to_string(&mut answer).await?;
        Ok(answer)
    }

    fn has_ended(&self) -> bool {
        let mut process = self.process();
        process
            .as_mut()
            .is_none_or(|child| !matches!(child.try_wait(), Ok(None)))
    }

    fn end_of_log(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let start = lines.len().saturating_sub(LOG_REPEATED_LINES_MAX);
        format!(
            "the end of the log of {}:\n{}",
            self.name,
            lines[start..].join("\n")
        )
    }

    fn log_file(&self) -> PathBuf {
        self.folder.join("etcd.log")
    }

    fn process(&self) -> MutexGuard<'_, Option<Child>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The folder with its data and its log.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

/// Killed, since stopping in order takes seconds for data that is thrown away. Where the
/// folder stays, its data starts again as after a crash.
impl Drop for Member {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Sends a signal and waits, within [`STOP_LIMIT`], for the process to end.
fn ends_by(child: &Child, signal: Signal) -> bool {
    let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) else {
        return false;
    };
    // The process was not waited for yet, so its id is still its own.
    let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else {
        return false;
    };
    if kill_process(pid, signal).is_err() {
        return false;
    }
    let limit = Timespec {
        tv_sec: i64::try_from(STOP_LIMIT.as_secs()).expect("the limit is a few seconds"),
        tv_nsec: 0,
    };
    let mut watched = [PollFd::new(&process, PollFlags::IN)];
    matches!(poll(&mut watched, Some(&limit)), Ok(1))
}

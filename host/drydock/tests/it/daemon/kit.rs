//! A daemon under test: its process, its log, its answers over HTTP, and a clock that a
//! test sets while it runs.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use drydock_core::ScheduleName;
use drydock_journal::{Journal, Occurrence};
use drydock_testkit::wait_until;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::faulty::CLOCK_OFFSET;
use crate::world::{World, runtime};

/// Longest wait for anything. A backup of the shared cluster takes seconds; on a busy
/// machine, many of them.
const WAIT_MAX: Duration = Duration::from_secs(150);

/// Occurrences that a test reads.
const OCCURRENCES_MAX: u32 = 1000;

/// The file of a world that says by how much its clock is wrong.
const CLOCK: &str = "clock";

pub struct Daemon<'a> {
    world: &'a World,
    child: Child,
    log: PathBuf,
}

/// Waits for a condition; panics with what it was.
pub fn wait(what: &str, met: impl FnMut() -> bool) {
    assert!(comes_true(what, met), "waited in vain: {what}");
}

fn comes_true(what: &str, mut met: impl FnMut() -> bool) -> bool {
    let waiting = wait_until(what, WAIT_MAX, async || met());
    runtime().block_on(waiting).is_ok()
}

impl<'a> Daemon<'a> {
    pub fn start(world: &'a World) -> Self {
        Self::start_with(world, |_| {})
    }

    /// Starts the daemon, its log in JSON appended to a file of the world. It goes by the
    /// world's own clock where that was set by then.
    pub fn start_with(world: &'a World, adapt: impl FnOnce(&mut Command)) -> Self {
        let log = world.scratch.join("daemon.log");
        let file = std::fs::File::options()
            .create(true)
            .append(true)
            .open(&log);
        let arguments = ["daemon", "--log-format", "json", "--log-level", "debug"];
        let mut command = if world.scratch.join(CLOCK).exists() {
            let mut command = world.faulty(&arguments);
            command.env(CLOCK_OFFSET, format!("@{}", world.path(CLOCK)));
            command
        } else {
            world.command(&arguments)
        };
        command.stdout(Stdio::null()).stderr(file.unwrap());
        adapt(&mut command);
        let child = command.spawn().unwrap();
        Self { world, child, log }
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The whole lines of the log.
    pub fn lines(&self) -> Vec<Value> {
        let log = self.log();
        let lines = log.lines();
        lines
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// Log lines whose message contains this.
    pub fn said(&self, message: &str) -> Vec<Value> {
        let mut lines = self.lines();
        lines.retain(|line| {
            line["message"]
                .as_str()
                .is_some_and(|m| m.contains(message))
        });
        lines
    }

    /// Waits until the log has so many lines with this message.
    pub fn wait_said(&mut self, message: &str, times: usize) -> Value {
        self.wait(&format!("{message} (x{times})"), |daemon| {
            daemon.said(message).len() >= times
        });
        self.said(message).remove(times - 1)
    }

    /// Waits for a condition while the daemon runs.
    pub fn wait(&mut self, what: &str, met: impl Fn(&Self) -> bool) {
        let mut ended = None;
        let in_time = comes_true(what, || {
            ended = self.child.try_wait().unwrap();
            ended.is_some() || met(self)
        });
        assert!(
            in_time && ended.is_none(),
            "waited in vain: {what}; the daemon {ended:?}:\n{}",
            self.log()
        );
    }

    /// Waits until the daemon plans.
    pub fn wait_serving(&mut self) {
        self.wait("the daemon serves", |daemon| {
            daemon
                .try_get("/readyz")
                .is_some_and(|(_, body)| body.contains("ok started"))
        });
    }

    pub fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).unwrap();
        kill_process(Pid::from_raw(id).unwrap(), signal).unwrap();
    }

    /// Waits for the end.
    pub fn ended(mut self) -> ExitStatus {
        let mut status = None;
        let in_time = comes_true("the daemon ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        assert!(in_time, "the daemon does not end:\n{}", self.log());
        status.unwrap()
    }

    /// Tells it to stop and expects it to end well.
    pub fn stop(self) {
        self.signal(Signal::TERM);
        let log = self.log.clone();
        let status = self.ended();
        assert!(
            status.success(),
            "{status}: {}",
            std::fs::read_to_string(log).unwrap()
        );
    }

    pub fn get(&self, path: &str) -> (u16, String) {
        self.try_get(path).expect("the daemon answers")
    }

    fn try_get(&self, path: &str) -> Option<(u16, String)> {
        let answer = self.exchange(&format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"))?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
    }

    /// Sends bytes and reads all of the answer.
    pub fn exchange(&self, request: &str) -> Option<String> {
        let mut stream = self.connect()?;
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        Some(answer)
    }

    pub fn connect(&self) -> Option<TcpStream> {
        let file = self.world.scratch.join("state/daemon.addr");
        let address = std::fs::read_to_string(file).ok()?;
        TcpStream::connect(address.trim()).ok()
    }

    /// The value of one series of /metrics.
    pub fn metric(&self, series: &str) -> Option<f64> {
        let (_, body) = self.try_get("/metrics")?;
        let mut lines = body.lines();
        lines.find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
    }
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Adds lines to the schedule's spec, and to the node's `daemon:`.
pub fn configure(world: &mut World, cron: &str, more: &str, drain_seconds: u64) {
    world.extra_node =
        format!("  daemon: {{listen: \"127.0.0.1:0\", drainSeconds: {drain_seconds}}}\n");
    world.write();
    put_schedule(world, "s1", cron, more);
    std::fs::remove_file(world.scratch.join("schedules/schedule.yaml")).unwrap();
}

/// A schedule of its own file, put there as editors and git do it: whole, by a rename.
pub fn put_schedule(world: &World, name: &str, cron: &str, more: &str) {
    put(
        world,
        &format!("schedules/{name}.yaml"),
        &schedule(name, cron, more),
    );
}

pub fn schedule(name: &str, cron: &str, more: &str) -> String {
    format!(
        "apiVersion: drydock.dev/v1\nkind: Schedule\nmetadata: {{name: {name}}}\nspec:\n  cluster: c1\n  schedule: \"{cron}\"\n{more}  steps:\n    - {{name: snapshot, backup: etcd-backup}}\n    - {{name: verify, verify: etcd-verify}}\n    - {{name: store, target: local}}\n"
    )
}

pub fn put(world: &World, name: &str, text: &str) {
    let fresh = world.scratch.join("fresh");
    std::fs::write(&fresh, text).unwrap();
    std::fs::rename(fresh, world.scratch.join(name)).unwrap();
}

/// Moves the clock of daemons that are started after it was first set.
pub fn set_clock(world: &World, seconds: i64) {
    put(world, CLOCK, &seconds.to_string());
}

/// By how much the clock must be moved to show a full hour, the same one in the whole
/// process, and so many seconds.
pub fn to_the_hour(seconds: i64) -> i64 {
    static HOUR: OnceLock<i64> = OnceLock::new();
    let hour = HOUR.get_or_init(|| real_now() / 3600 * 3600 + 3600);
    hour - real_now() + seconds
}

pub fn real_now() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    i64::try_from(now.unwrap().as_secs()).unwrap()
}

/// The occurrences of a schedule, the newest first.
pub fn occurrences(world: &World, schedule: &str) -> Vec<Occurrence> {
    let Ok(journal) = Journal::open_reader(&world.scratch.join("state")) else {
        return Vec::new();
    };
    journal
        .occurrences(&ScheduleName::new(schedule), OCCURRENCES_MAX)
        .unwrap()
}

/// The runs of the node as a list shows them, the newest first.
pub fn runs(world: &World) -> Vec<Value> {
    let listed = world.drydock(&["run", "list", "--output", "json"]).ok();
    serde_json::from_str(&listed.stdout).unwrap()
}

/// Private key lines of the world must stand nowhere in a text.
pub fn assert_no_secret(world: &World, text: &str) {
    let mut files = vec![
        world.scratch.join("signing.key"),
        world.scratch.join("sealing.key"),
    ];
    let cluster = world.cluster.as_ref();
    files.extend(
        cluster
            .and_then(|c| c.client_certificate())
            .map(|c| c.key.clone()),
    );
    for file in files {
        let key = std::fs::read_to_string(&file).unwrap();
        let secret = key
            .lines()
            .filter(|line| line.len() > 24 && !line.contains(' '));
        for line in secret.filter(|line| !line.starts_with(['#', '-'])) {
            assert!(!text.contains(line), "{} was printed", file.display());
        }
    }
}

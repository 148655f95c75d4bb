//! The memory of Drydock itself: a run on snapshots of several sizes, and the daemon idle
//! and at work.

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use drydock_testkit::{free_port, guard, wait_until};
use serde::Serialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::arguments::Arguments;
use crate::data::{self, Kind};
use crate::machine::kibibytes;
use crate::measure::{self, Side};
use crate::stage::Stage;
use drydock_quickstart::documents::{BACKUPS, CONFIGURATION};

const MEBIBYTE: u64 = 1024 * 1024;

/// What a run may take, whatever the snapshot's size.
const AT_WORK_BYTES_AIM: u64 = 96 * MEBIBYTE;

/// What the daemon may take while nothing is due.
const IDLE_BYTES_AIM: u64 = 64 * MEBIBYTE;

/// How long the daemon may take until it is ready: it compiles its plugins first.
const READY_LIMIT: Duration = Duration::from_secs(60);

/// How long until a recovery point is there: a minute until the first occurrence is due,
/// and the run.
const RUN_LIMIT: Duration = Duration::from_secs(180);

/// What a health answer may hold.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

/// A small and a large snapshot in MiB, beside the size that was asked for: the largest
/// is that of etcd's default quota.
const SMALL_MEBIBYTES: u64 = 50;
const LARGE_MEBIBYTES: u64 = 2048;

/// Copies of a snapshot that lie on the disk at once: the data set, the member's
/// database, the plain and the sealed spool, the target, and what making it took.
const COPIES_ON_DISK: u64 = 7;

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MemoryFigure {
    pub what: String,
    pub bytes: u64,
    pub aim_bytes: u64,
}

pub async fn measure(arguments: &Arguments) -> Result<Vec<MemoryFigure>> {
    let mut figures = Vec::new();
    for mebibytes in sizes(arguments)? {
        figures.push(Box::pin(at_work(arguments, mebibytes)).await?);
    }
    figures.extend(Box::pin(of_daemon(arguments)).await?);
    Ok(figures)
}

/// The sizes that the disk has room for.
fn sizes(arguments: &Arguments) -> Result<Vec<u64>> {
    let mut sizes = vec![SMALL_MEBIBYTES, arguments.mebibytes];
    std::fs::create_dir_all(&arguments.data)?;
    let disk = rustix::fs::statvfs(&arguments.data)?;
    if disk.f_bavail * disk.f_frsize > COPIES_ON_DISK * LARGE_MEBIBYTES * MEBIBYTE {
        sizes.push(LARGE_MEBIBYTES);
    } else {
        eprintln!("    the disk has no room for a snapshot of {LARGE_MEBIBYTES} MiB");
    }
    sizes.sort_unstable();
    sizes.dedup();
    Ok(sizes)
}

async fn at_work(arguments: &Arguments, mebibytes: u64) -> Result<MemoryFigure> {
    let data = data::provide(arguments, Kind::Random, mebibytes)?;
    let stage = Box::pin(Stage::set(arguments, &data)).await?;
    let side = Side {
        name: "drydock run".to_owned(),
        command: Box::new(|| stage.drydock_run()),
        after: Box::new(|_, stdout, _| stage.recovery_point(stdout).map(|_| ())),
    };
    let sides = measure::in_turn(vec![side], 1, &[], stage.place.path())?;
    Ok(MemoryFigure {
        what: format!("drydock run, peak, snapshot of {mebibytes} MiB"),
        bytes: sides[0].peak_bytes(),
        aim_bytes: AT_WORK_BYTES_AIM,
    })
}

/// A daemon that is killed when this is dropped.
struct Daemon(Child);

/// The daemon as it starts, idle, and while it makes a backup that is due.
async fn of_daemon(arguments: &Arguments) -> Result<Vec<MemoryFigure>> {
    let data = data::provide(arguments, Kind::Kubernetes, arguments.mebibytes)?;
    let stage = Box::pin(Stage::set(arguments, &data)).await?;
    let port = free_port();
    run_each_minute(stage.place.path(), port)?;
    let first = Daemon::start(&stage, port).await?.memory("VmHWM")?;
    let daemon = Daemon::start(&stage, port).await?;
    let idle = daemon.memory("VmRSS")?;
    let backups = stage.place.join(BACKUPS).join("quickstart");
    wait_until("the daemon made a backup", RUN_LIMIT, async || {
        has_manifest(&backups)
    })
    .await?;
    let figure = |what: &str, bytes, aim_bytes| MemoryFigure {
        what: format!("drydock daemon, {what}"),
        bytes,
        aim_bytes,
    };
    let work = format!("peak, snapshot of {}", data.name);
    Ok(vec![
        figure(
            "peak of the first start, which compiles its plugins",
            first,
            AT_WORK_BYTES_AIM,
        ),
        figure("idle after another start", idle, IDLE_BYTES_AIM),
        figure(&work, daemon.memory("VmHWM")?, AT_WORK_BYTES_AIM),
    ])
}

/// Makes the stage's schedule due each minute and gives the daemon a port of its own.
fn run_each_minute(scratch: &Path, port: u16) -> Result<()> {
    let file = scratch.join(CONFIGURATION);
    let configuration = std::fs::read_to_string(&file).context("the stage is configured")?;
    let schedules = configuration
        .lines()
        .find_map(|line| {
            line.trim()
                .strip_prefix("schedules: [\"")?
                .split('"')
                .next()
        })
        .context("the configuration names the schedule first")?;
    let schedule = std::fs::read_to_string(schedules).context("the schedule is there")?;
    let frequent = scratch.join("inventory/frequent.yaml");
    std::fs::write(
        &frequent,
        schedule.replace("\"*/15 * * * *\"", "\"* * * * *\""),
    )?;
    let configuration = configuration.replace(&format!("\"{schedules}\", "), "");
    let listen = format!("  daemon:\n    listen: 127.0.0.1:{port}\n");
    std::fs::write(&file, configuration + &listen).context("the scratch folder is ours")
}

impl Daemon {
    /// Starts it and waits until it is ready.
    async fn start(stage: &Stage, port: u16) -> Result<Self> {
        let log = std::fs::File::create(stage.place.join("daemon.log"))?;
        let child = stage
            .drydock()
            .arg("daemon")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .context("cannot start the daemon")?;
        guard::kill_at_exit(child.id());
        let daemon = Self(child);
        wait_until("the daemon is ready", READY_LIMIT, async || {
            is_ready(port).await
        })
        .await?;
        Ok(daemon)
    }

    /// A figure of proc(5) `status`, in bytes.
    fn memory(&self, name: &str) -> Result<u64> {
        let path = format!("/proc/{}/status", self.0.id());
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        Ok(kibibytes(&text, name) * 1024)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // One that has ended by itself cannot be killed, only waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
        guard::ended(self.0.id());
    }
}

async fn is_ready(port: u16) -> bool {
    let answer = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        let request = b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream.write_all(request).await?;
        let mut text = String::new();
        stream
            .take(ANSWER_BYTES_MAX)
            .read_to_string(&mut text)
            .await?;
        std::io::Result::Ok(text)
    };
    answer
        .await
        .is_ok_and(|text| text.starts_with("HTTP/1.1 200"))
}

fn has_manifest(backups: &Path) -> bool {
    std::fs::read_dir(backups).is_ok_and(|points| {
        points
            .flatten()
            .any(|point| point.path().join("manifest.json").exists())
    })
}

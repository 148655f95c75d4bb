//! What it takes to begin: an attempt, a call across the border, a plugin.

use std::process::{Command, Stdio};

use drydock_repository::Target as _;
use serde_json::json;

use crate::measure::{Report, Side, Unit};
use crate::stage::{self, Stage};

/// Attempts of which one figure is the mean.
const ATTEMPTS: u64 = 500;

/// Processes of which one figure is the mean; each takes a good part of a millisecond.
const PROCESSES: u64 = 50;

/// Calls across the border of which one figure is the mean.
const CALLS: u64 = 1_000_000;

/// A fresh store, instantiated and called once, against a step that is a process.
pub async fn attempts(stage: &Stage, runs: usize, report: &mut Report) {
    let target = stage.target(&stage.plugin, &json!({}));
    let mut attempt = Side::new("an attempt: fresh store, instance, one call");
    let mut process = Side::new("a process that does nothing (/bin/true)");
    target.layout().await.unwrap();
    for _ in 0..runs {
        let attempts = async {
            for _ in 0..ATTEMPTS {
                target.layout().await.unwrap();
            }
        };
        attempt.add(ATTEMPTS, attempts).await;
        let processes = async {
            for _ in 0..PROCESSES {
                let mut command = Command::new("/bin/true");
                assert!(command.stdin(Stdio::null()).status().unwrap().success());
            }
        };
        process.add(PROCESSES, processes).await;
    }
    report.add("step start", Unit::Microseconds, &[attempt, process]);
}

/// A call of the guest to the host that does next to nothing there.
pub async fn border(stage: &Stage, runs: usize, report: &mut Report) {
    let without = stage.target(&stage.plugin, &json!({}));
    let with = stage.target(&stage.plugin, &json!({"calls": CALLS}));
    let mut call = Side::new("guest to host and back");
    let mut system_call = Side::new("a system call (getppid)");
    without.layout().await.unwrap();
    for _ in 0..runs {
        call.add(CALLS, with.layout()).await.unwrap();
        let system_calls = async {
            for _ in 0..CALLS {
                std::hint::black_box(rustix::process::getppid());
            }
        };
        system_call.add(CALLS, system_calls).await;
    }
    report.add(
        "calls across the border",
        Unit::Nanoseconds,
        &[call, system_call],
    );
}

/// Admitting a plugin with and without its compiled code at hand.
pub fn compile(stage: &Stage, runs: usize, report: &mut Report) {
    let mut sides = Vec::new();
    for (name, cached, compiled) in [
        (
            "store-file",
            "store-file, from the cache",
            "store-file, compiled",
        ),
        (
            "etcd-verify",
            "etcd-verify, from the cache",
            "etcd-verify, compiled",
        ),
    ] {
        let component = stage::component(name);
        let folder = tempfile::tempdir().unwrap();
        let with = stage::sandbox(Some(folder.path().join("cache")));
        let (mut cached, mut compiled) = (Side::new(cached), Side::new(compiled));
        let admit = |sandbox| {
            let begin = std::time::Instant::now();
            stage::admit(sandbox, &component, stage.folder());
            begin.elapsed().as_secs_f64()
        };
        admit(&with);
        for _ in 0..runs {
            cached.seconds.push(admit(&with));
            compiled.seconds.push(admit(&stage.sandbox));
        }
        sides.extend([cached, compiled]);
    }
    report.add("admission of a plugin", Unit::Milliseconds, &sides);
}

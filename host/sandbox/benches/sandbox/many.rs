//! Many attempts: one after the other, and side by side.

use std::time::Instant;

use drydock_repository::Target as _;
use serde_json::json;

use crate::measure::{Report, Side, Unit};
use crate::stage::{self, Stage};

/// Attempts in a row.
const ATTEMPTS: usize = 1000;

/// Attempts before the first look, after which nothing should grow any more.
const WARM_UP: usize = 100;

/// Plugins at once.
const CROWD: usize = 8;

/// Arithmetic that takes a plugin some 100 ms.
const ROUNDS: u64 = 40_000_000;

/// A thousand attempts, each with a few hundred calls to the host: what stays behind.
pub async fn in_a_row(stage: &Stage, report: &mut Report) {
    let target = stage.target(&stage.plugin, &json!({"calls": 300}));
    for _ in 0..WARM_UP {
        target.layout().await.unwrap();
    }
    let before = Footprint::now();
    for _ in 0..ATTEMPTS {
        target.layout().await.unwrap();
    }
    let after = Footprint::now();
    let told =
        |before: u64, after: u64, unit: &str| format!("{before} {unit}, then {after} {unit}");
    let figures = [
        (
            "resident memory",
            told(before.resident_kib, after.resident_kib, "KiB"),
        ),
        ("threads", told(before.threads, after.threads, "threads")),
        (
            "file handles",
            told(before.handles, after.handles, "handles"),
        ),
    ];
    report.add_figures("1,000 attempts in a row", &figures);
}

/// Eight plugins that compute at the same time, against the same work one by one.
pub async fn at_once(stage: &Stage, runs: usize, report: &mut Report) {
    let component = stage::component("store-bench");
    let targets: Vec<_> = (0..CROWD)
        .map(|_| {
            let plugin = stage::admit(&stage.sandbox, &component, stage.folder());
            stage.target(&plugin, &json!({"rounds": ROUNDS}))
        })
        .collect();
    let mut together = Side::new("eight plugins at once");
    let mut one_by_one = Side::new("the same one by one");
    let (mut first, mut last) = (f64::INFINITY, 0.0_f64);
    for _ in 0..runs {
        let crowd = async {
            let begin = Instant::now();
            let mut tasks = tokio::task::JoinSet::new();
            for target in targets.clone() {
                tasks.spawn(async move {
                    target.layout().await.unwrap();
                    begin.elapsed().as_secs_f64()
                });
            }
            tasks.join_all().await
        };
        let ends = together.add(1, crowd).await;
        first = first.min(ends.iter().copied().fold(f64::INFINITY, f64::min));
        last = last.max(ends.iter().copied().fold(0.0, f64::max));
        let row = async {
            for target in &targets {
                target.layout().await.unwrap();
            }
        };
        one_by_one.add(1, row).await;
    }
    report.add(
        "eight plugins that compute",
        Unit::Milliseconds,
        &[together, one_by_one],
    );
    let spread = [
        (
            "the first of the eight ended after",
            format!("{:.0} ms", first * 1e3),
        ),
        (
            "the last of the eight ended after",
            format!("{:.0} ms", last * 1e3),
        ),
    ];
    report.add_figures("fairness", &spread);
}

/// What this process takes, from proc(5).
struct Footprint {
    resident_kib: u64,
    threads: u64,
    handles: u64,
}

impl Footprint {
    fn now() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let figure = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let words = line.unwrap_or_default().trim_start_matches(':');
            words.split_whitespace().next().unwrap().parse().unwrap()
        };
        Self {
            resident_kib: figure("VmRSS"),
            threads: figure("Threads"),
            handles: std::fs::read_dir("/proc/self/fd").unwrap().count() as u64,
        }
    }
}

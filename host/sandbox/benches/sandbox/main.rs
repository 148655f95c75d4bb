//! What the sandbox costs. `cargo xtask bench sandbox` builds and runs it.
//!
//! Each comparison puts the sandbox beside what one would do without it: a step as a
//! process of its own, a system call, bytes copied natively, a plugin compiled at each
//! start. All sides of a comparison are measured in turn, so that whatever disturbs the
//! machine disturbs them alike. Printed are minimum and median, and the ratio of both to
//! the first other side.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a program to watch, not the product: its figures are its output, and what \
              cannot be measured ends it"
)]

mod bytes;
mod many;
mod measure;
mod stage;
mod start;

use measure::Report;
use stage::Stage;

/// How often each side of a comparison is measured when nobody says.
const RUNS: usize = 5;

/// What can be asked for by name.
const NAMES: [&str; 6] = ["start", "border", "bytes", "compile", "memory", "crowd"];

fn main() -> std::process::ExitCode {
    let (mut names, mut runs, mut json) = (Vec::new(), RUNS, None);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            // cargo's own word to a bench.
            "--bench" => {}
            "--runs" => runs = arguments.next().unwrap().parse().unwrap(),
            "--json" => json = arguments.next(),
            name if NAMES.contains(&name) => names.push(name.to_owned()),
            other => {
                eprintln!(
                    "there is no measurement `{other}`; choose from {}",
                    NAMES.join(", ")
                );
                return std::process::ExitCode::from(64);
            }
        }
    }
    let wanted = |name: &str| names.is_empty() || names.iter().any(|one| one == name);
    // Timers and capabilities as in the daemon.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let report = runtime.block_on(async {
        let stage = Stage::set();
        let mut report = Report::begin();
        if wanted("start") {
            start::attempts(&stage, runs, &mut report).await;
        }
        if wanted("border") {
            start::border(&stage, runs, &mut report).await;
        }
        if wanted("bytes") {
            bytes::measure(&stage, runs, &mut report).await;
        }
        if wanted("compile") {
            start::compile(&stage, runs, &mut report);
        }
        if wanted("memory") {
            many::in_a_row(&stage, &mut report).await;
        }
        if wanted("crowd") {
            many::at_once(&stage, runs, &mut report).await;
        }
        report
    });
    if let Some(file) = json {
        std::fs::write(file, report.json()).unwrap();
    }
    std::process::ExitCode::SUCCESS
}

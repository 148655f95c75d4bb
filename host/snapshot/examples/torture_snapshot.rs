//! Snapshots of every version of etcd on servers of every other, and mutants without end;
//! `cargo xtask torture restore` builds and starts it. It is an example of this crate so
//! that it shares everything with its tests.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for developers: it prints"
)]
#![expect(
    dead_code,
    unused_imports,
    reason = "of the tests' modules only some functions are wanted here"
)]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::Parser;

#[path = "../tests/it/allocations.rs"]
mod allocations;
#[path = "../tests/it/build.rs"]
mod build;
#[path = "../tests/it/files.rs"]
mod files;
#[path = "../tests/it/mutants.rs"]
mod mutants;
#[path = "../tests/it/restore/mod.rs"]
mod restore;
#[path = "../tests/it/tools.rs"]
mod tools;

use restore::matrix::{Origin, VERSIONS};

/// Mutants between two lines of progress.
const MUTANTS_TOLD: u64 = 10_000;

/// What etcd 3.6 says of data that 3.7 has written: it does not start on it, whoever
/// restored it.
const NOT_BACK: (&str, &str, &str) = ("3.7.3", "3.6.16", "is not supported");

/// Every pair of source and server version, then random mutants.
#[derive(Parser)]
struct Arguments {
    /// How many mutants.
    #[arg(long, default_value_t = 200_000)]
    sequences: u64,
    /// The number of the first mutant; the tests take those from 0.
    #[arg(long, default_value_t = 1_000_000)]
    seed: u64,
    /// Start no mutant after so many minutes.
    #[arg(long, default_value_t = 120)]
    minutes: u64,
}

#[tokio::main]
async fn main() -> ExitCode {
    match torment(&Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn torment(arguments: &Arguments) -> Result<()> {
    let start = Instant::now();
    for source in VERSIONS {
        let origin = Origin::make(source).await?;
        for server in VERSIONS {
            pair(&origin, source, server).await?;
        }
    }
    let limit = Duration::from_secs(60 * arguments.minutes);
    let mut done = 0;
    while done < arguments.sequences && start.elapsed() < limit {
        let count = MUTANTS_TOLD.min(arguments.sequences - done);
        let first = arguments.seed + done;
        let tally = tokio::task::spawn_blocking(move || mutants::run(first..first + count));
        let tally = tally.await.context("a mutant came out wrong")?;
        done += count;
        println!("{done:8} mutants done; of the last {count}: {tally:?}");
    }
    Ok(())
}

async fn pair(origin: &Origin, source: &str, server: &'static str) -> Result<()> {
    let checked = origin.check(server).await;
    if (source, server) != (NOT_BACK.0, NOT_BACK.1) {
        checked?;
        println!("etcd {source} on {server}: as it was");
        return Ok(());
    }
    let refused = checked
        .err()
        .context("it was to be refused by etcd itself")?;
    ensure!(format!("{refused:#}").contains(NOT_BACK.2), "{refused:#}");
    println!("etcd {source} on {server}: etcd itself refuses to go back so far");
    Ok(())
}

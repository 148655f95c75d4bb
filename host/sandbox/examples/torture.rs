//! Throws hostile guests together at random, beside a real backup; `cargo xtask torture`
//! builds and starts it. It is an example of the sandbox so that it shares everything
//! with the sandbox's tests and is built with them.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for developers: it prints"
)]

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;

#[path = "../tests/torture/mod.rs"]
mod torture;

/// Random sequences of hostile guests beside a real backup, which must come to no harm.
#[derive(Parser)]
struct Arguments {
    /// How many sequences.
    #[arg(long, default_value_t = 10_000)]
    sequences: u64,
    /// The same seed makes the same sequences.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Start none after so many minutes.
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
    println!(
        "{} sequences with seed {}",
        arguments.sequences, arguments.seed
    );
    let plan = torture::run::Plan {
        sequences: arguments.sequences,
        seed: arguments.seed,
        time_max: Duration::from_secs(60 * arguments.minutes),
    };
    let tell = |done, holds: &torture::footprint::Footprint| println!("{done:6} done: {holds}");
    let summary = torture::run::run(plan, tell).await?;
    println!("{summary}");
    Ok(())
}

//! Each fault at each call of each store that speaks to a service; `cargo xtask torture`
//! builds and starts it. It is an example of the sandbox so that it shares everything with the
//! sandbox's tests and is built with them.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for developers: it prints"
)]

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Parser;

#[path = "../tests/faults/mod.rs"]
#[expect(dead_code, reason = "the tests choose cells by name")]
mod faults;

use faults::grid;
use faults::service::Service;

/// Each fault at each call, and the laws that hold afterwards.
#[derive(Parser)]
struct Arguments {
    /// Only cells whose name has this in it, e.g. `s3: reset before part`.
    #[arg(default_value = "")]
    filter: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    match torment(&Arguments::parse().filter).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn torment(filter: &str) -> Result<()> {
    let services = [
        Service::s3().await?,
        Service::azure().await?,
        Service::gcs().await?,
    ];
    let mut broken = Vec::new();
    for service in &services {
        let summary = grid::run(service, filter, |line| println!("{line}")).await;
        println!(
            "{}: {} passed, {} failed and went well the next time, {} broke a law",
            service.name,
            summary.passed,
            summary.mended,
            summary.broken.len()
        );
        broken.extend(summary.broken);
    }
    if !broken.is_empty() {
        bail!("{} cells broke a law:\n{}", broken.len(), broken.join("\n"));
    }
    Ok(())
}

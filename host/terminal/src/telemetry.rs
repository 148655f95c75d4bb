//! Structured logs on stderr.

use std::io::IsTerminal as _;

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::stderr::LogLine;

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

/// Starts logging. `level` is a level for Drydock's own crates (the libraries then tell of
/// warnings only), or a filter such as `info,drydock_sandbox=debug` that is taken as it is.
///
/// # Errors
/// A sentence that names the level when it cannot be understood.
pub fn start(format: LogFormat, level: &str) -> Result<(), String> {
    let filter = if level.chars().all(char::is_alphabetic) {
        format!("warn,drydock={level}")
    } else {
        level.to_owned()
    };
    let filter = EnvFilter::builder()
        .parse(filter)
        .map_err(|_| format!("`{level}` is no log level: use error, warn, info, debug or trace"))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_span_events(FmtSpan::NONE)
        .with_writer(|| LogLine);
    // A second start (in tests) is harmless.
    let _ = match format {
        LogFormat::Text => builder
            .with_target(false)
            .with_ansi(std::io::stderr().is_terminal())
            .try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    Ok(())
}

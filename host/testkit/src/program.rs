//! Running programs to their end, with what they printed in the error.

use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, bail};

/// What a program printed before it ended well.
#[derive(Debug, Clone)]
pub struct Printed {
    pub stdout: String,
    pub stderr: String,
}

/// Runs a program with closed standard input and returns what it printed.
///
/// # Errors
/// When it cannot be started, prints no UTF-8, or ends with another code than 0; then the
/// message holds all that it printed.
pub fn run(command: &mut Command) -> Result<Printed> {
    let output = ended_well(command)?;
    let name = command.get_program().to_string_lossy();
    let stdout = String::from_utf8(output.stdout)
        .with_context(|| format!("{name} printed bytes that are not UTF-8"))?;
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    Ok(Printed { stdout, stderr })
}

/// The same for a program whose standard output is no text.
///
/// # Errors
/// When it cannot be started, or ends with another code than 0.
pub fn run_for_bytes(command: &mut Command) -> Result<Vec<u8>> {
    Ok(ended_well(command)?.stdout)
}

fn ended_well(command: &mut Command) -> Result<Output> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {name}"))?;
    if output.status.success() {
        return Ok(output);
    }
    let arguments: Vec<_> = command
        .get_args()
        .map(|word| word.to_string_lossy())
        .collect();
    bail!(
        "{name} {} failed ({})\n{}{}",
        arguments.join(" "),
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

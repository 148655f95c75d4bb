//! Running other programs, and saying in one sentence what went wrong with them.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

/// How much of a failed program's output is repeated: enough for a compiler's last
/// errors, little enough to leave our own sentence in sight.
const OUTPUT_REPEATED_LINES_MAX: usize = 40;

/// Says what happens, does it, and says how long it took.
pub fn step<T>(what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let start = Instant::now();
    eprintln!("==> {what}");
    let result = work()?;
    eprintln!("    {:.1} s: {what}", start.elapsed().as_secs_f64());
    Ok(result)
}

/// Runs a program that prints for itself. Its standard input is closed.
pub fn run(command: &mut Command) -> Result<()> {
    let name = name_of(command);
    let status = command
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("cannot start {name}"))?;
    if !status.success() {
        bail!("{name} failed ({status})");
    }
    Ok(())
}

/// Runs a program and returns its standard output. Nothing is printed unless it fails.
pub fn output(command: &mut Command) -> Result<String> {
    let output = capture(command)?;
    String::from_utf8(output.stdout)
        .with_context(|| format!("{} printed bytes that are not UTF-8", name_of(command)))
}

/// Runs a program, keeps what it prints, and repeats the end of it only if it fails.
pub fn capture(command: &mut Command) -> Result<Output> {
    let name = name_of(command);
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {name}"))?;
    if !output.status.success() {
        bail!(
            "{name} failed ({}):\n{}",
            output.status,
            end_of(&output.stderr)
        );
    }
    Ok(output)
}

/// The first program of that name on the search path.
pub fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|candidate| candidate.is_file())
}

fn name_of(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(
        command
            .get_args()
            .take(3)
            .map(|word| word.to_string_lossy().into_owned()),
    );
    format!("`{}`", words.join(" "))
}

fn end_of(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<&str> = text.lines().collect();
    let start = lines.len().saturating_sub(OUTPUT_REPEATED_LINES_MAX);
    lines[start..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_program_is_named_with_the_end_of_its_output() {
        let error = capture(Command::new("sh").args(["-c", "echo why >&2; exit 3"])).unwrap_err();
        let message = error.to_string();
        assert!(message.starts_with("`sh -c echo why"), "{message}");
        assert!(message.contains("exit status: 3"), "{message}");
        assert!(message.ends_with("\nwhy"), "{message}");
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let error = run(&mut Command::new("no-such-program-here")).unwrap_err();
        assert_eq!(error.to_string(), "cannot start `no-such-program-here`");
    }

    #[test]
    fn only_the_end_of_a_long_output_is_repeated() {
        let long: String = (0..100).map(|line| format!("line {line}\n")).collect();
        let end = end_of(long.as_bytes());
        assert_eq!(end.lines().count(), OUTPUT_REPEATED_LINES_MAX);
        assert!(end.ends_with("line 99"));
    }
}

//! `cargo xtask test`: everything the tests need, then the tests, and where the time went.
//!
//! The plugins come first, since they take seconds. Then cargo builds the tests of the whole
//! host workspace, with the profile and features that the quickstart and the lints use as
//! well, so that no crate is built twice, and this program runs them one after the other.
//! A binary whose tests fail does not keep the next from running.
//!
//! How long a test took is told by libtest itself. It does so behind an unstable flag, which
//! it accepts of a stable compiler too where `RUSTC_BOOTSTRAP` is set. That is set for the
//! tests alone and never for cargo, which would build everything anew.

use std::io::{BufRead as _, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::program::{run as run_program, step};
use crate::workspace::Workspace;
use crate::{plugins, tools};

/// The tools that tests ask the testkit for, beside those of the default set.
const TEST_TOOLS: &[&str] = &[
    "protoc",
    "etcd-3.5.35",
    "etcd-3.6.16",
    "etcd-3.7.3",
    "kubernetes",
    "kubernetes-api",
    "age",
    "minisign",
    "zstd",
    "strace",
    "azurite",
    "versitygw",
    "fake-gcs-server",
    "componentize-py",
    "componentize-js",
];

/// As many as somebody who wants to shorten the tests looks into at once.
const SLOWEST_TESTS: usize = 10;

/// How long the output of tests may stay open once they have ended. Long enough for servers
/// that are being stopped.
const LEFT_OPEN_MAX: Duration = Duration::from_secs(10);

/// The chore: prepares, then runs the tests whose names contain one of `filters`.
pub fn run(workspace: &Workspace, filters: &[String]) -> Result<()> {
    step("prepare the tools", || {
        tools::prepare(workspace, TEST_TOOLS)
    })?;
    step("prepare the plugins", || plugins::build(workspace))?;
    let binaries = step("build the tests of the plugins", || {
        build(workspace, plugin_tests(workspace))
    })?;
    let mut report = Report::default();
    step("run the tests of the plugins", || {
        report.run_all(workspace, &binaries, filters)
    })?;
    let binaries = step("build the tests of the host", || {
        build(workspace, host_tests(workspace))
    })?;
    step("run the tests of the host", || {
        report.run_all(workspace, &binaries, filters)
    })?;
    let examples = step("run the examples in the documentation of the host", || {
        run_program(&mut documentation_tests(workspace, filters))
    });
    print!("{}", report.text());
    report.outcome().and(examples)
}

fn host_tests(workspace: &Workspace) -> Command {
    let mut command = workspace.cargo();
    command.args(["test", "--workspace", "--tests"]);
    command
}

/// What plugins decide is tested without a sandbox, as programs of this machine.
fn plugin_tests(workspace: &Workspace) -> Command {
    let mut command = workspace.cargo();
    command
        .current_dir(workspace.plugins())
        .env("CARGO_TARGET_DIR", workspace.target.join("plugins"))
        .args(["test", "--workspace", "--lib"]);
    command
}

/// They run inside of rustdoc, which tells no times.
fn documentation_tests(workspace: &Workspace, filters: &[String]) -> Command {
    let mut command = workspace.cargo();
    command
        .args(["test", "--workspace", "--doc", "--no-fail-fast", "--"])
        .args(filters);
    command
}

/// A program full of tests.
#[derive(Debug, PartialEq)]
struct TestBinary {
    /// Its main source file below the checkout.
    source: String,
    program: PathBuf,
    /// The folder of its package, in which its tests run.
    package: PathBuf,
}

/// Builds the tests that a `cargo test` would run; cargo says itself what it is at.
fn build(workspace: &Workspace, mut cargo_test: Command) -> Result<Vec<TestBinary>> {
    let output = cargo_test
        .args(["--no-run", "--message-format", "json-render-diagnostics"])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start cargo")?;
    if !output.status.success() {
        bail!("the tests cannot be built ({})", output.status);
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    let mut binaries: Vec<TestBinary> = messages
        .lines()
        .filter_map(|line| test_binary(line, &workspace.root))
        .collect();
    binaries.sort_by(|a, b| a.source.cmp(&b.source));
    Ok(binaries)
}

/// The part that counts here of what cargo says of a file that it built.
#[derive(Deserialize)]
struct Artifact {
    manifest_path: PathBuf,
    target: Target,
    profile: Profile,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    src_path: PathBuf,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

/// The test binary that a message of cargo's tells of, if it does.
fn test_binary(message: &str, root: &Path) -> Option<TestBinary> {
    let artifact: Artifact = serde_json::from_str(message).ok()?;
    let program = artifact.executable.filter(|_| artifact.profile.test)?;
    let source = &artifact.target.src_path;
    let source = source.strip_prefix(root).unwrap_or(source);
    Some(TestBinary {
        source: source.display().to_string(),
        program,
        package: artifact.manifest_path.parent()?.to_path_buf(),
    })
}

/// What ran, how long it took, and what failed.
#[derive(Default)]
struct Report {
    binaries: Vec<Timed>,
    tests: Vec<Timed>,
    /// The source files of binaries with tests that failed.
    failed: Vec<String>,
}

#[derive(Debug, PartialEq)]
struct Timed {
    seconds: f64,
    name: String,
}

impl Report {
    fn run_all(
        &mut self,
        workspace: &Workspace,
        binaries: &[TestBinary],
        filters: &[String],
    ) -> Result<()> {
        for binary in binaries {
            let source = &binary.source;
            eprintln!("     Running {source}");
            let mut command = command(binary, workspace, filters);
            self.run(source, &mut command, &mut std::io::stdout())
                .with_context(|| format!("cannot follow the tests of {source}"))?;
        }
        Ok(())
    }

    /// Runs one binary, repeats each line that it prints, and keeps the times among them.
    fn run(&mut self, source: &str, command: &mut Command, screen: &mut impl Write) -> Result<()> {
        let known = self.tests.len();
        let start = Instant::now();
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let lines = lines_of(child.stdout.take().context("its output is no pipe")?);
        let mut ended = None;
        loop {
            match lines.recv_timeout(LEFT_OPEN_MAX) {
                Ok(line) => {
                    screen.write_all(&line)?;
                    screen.write_all(b"\n")?;
                    let text = String::from_utf8_lossy(&line);
                    self.tests.extend(timed_test(source, &text));
                }
                Err(RecvTimeoutError::Disconnected) => break,
                // What a test left behind may hold the output for ever.
                Err(RecvTimeoutError::Timeout) if ended.is_some() => {
                    self.failed
                        .push(format!("{source} (it left a process behind)"));
                    break;
                }
                Err(RecvTimeoutError::Timeout) => ended = child.try_wait()?,
            }
        }
        let status = child.wait()?;
        if !status.success() {
            self.failed.push(format!("{source} ({status})"));
        }
        if self.tests.len() > known {
            let seconds = start.elapsed().as_secs_f64();
            let name = source.to_owned();
            self.binaries.push(Timed { seconds, name });
        }
        Ok(())
    }

    fn outcome(&self) -> Result<()> {
        if !self.failed.is_empty() {
            bail!("tests failed in {}", self.failed.join(", "));
        }
        Ok(())
    }

    fn text(&self) -> String {
        let binaries = table(&self.binaries, usize::MAX);
        let tests = table(&self.tests, SLOWEST_TESTS);
        format!("\nSeconds by test binary:\n{binaries}\nThe slowest tests:\n{tests}")
    }
}

/// The lines that a program prints, until nobody is left who could print one.
fn lines_of(output: ChildStdout) -> Receiver<Vec<u8>> {
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        let read = BufReader::new(output).split(b'\n').map_while(Result::ok);
        // Who follows them may have left.
        read.map(|line| sender.send(line))
            .take_while(Result::is_ok)
            .for_each(drop);
    });
    lines
}

/// Where and with what cargo would run it, and with the flag that tells times.
fn command(binary: &TestBinary, workspace: &Workspace, filters: &[String]) -> Command {
    let mut command = Command::new(&binary.program);
    command
        .current_dir(&binary.package)
        .env("CARGO_MANIFEST_DIR", &binary.package)
        .env("CARGO_TARGET_DIR", &workspace.target)
        .env("DRYDOCK_CACHE", workspace.cache.root())
        .env("RUSTC_BOOTSTRAP", "1")
        .args(["-Z", "unstable-options", "--report-time"])
        .args(filters)
        .stdin(Stdio::null());
    command
}

/// The time in a line such as `test cron::a_year_ends ... ok <0.012s>`.
fn timed_test(source: &str, line: &str) -> Option<Timed> {
    let (test, seconds) = line.strip_prefix("test ")?.rsplit_once(" <")?;
    let seconds = seconds.strip_suffix("s>")?.parse().ok()?;
    let (test, _) = test.rsplit_once(" ... ")?;
    let name = format!("{source} {test}");
    Some(Timed { seconds, name })
}

/// The slowest first, a line each.
fn table(timed: &[Timed], lines_max: usize) -> String {
    let mut timed: Vec<&Timed> = timed.iter().collect();
    timed.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    timed
        .iter()
        .take(lines_max)
        .map(|Timed { seconds, name }| format!("{seconds:8.1}  {name}\n"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timed(seconds: f64, name: &str) -> Timed {
        let name = name.to_owned();
        Timed { seconds, name }
    }

    #[test]
    fn lines_of_tests_that_ended_have_a_time() {
        let read = |line| timed_test("lib.rs", line);
        assert_eq!(
            read("test cron::a_year_ends ... ok <0.012s>"),
            Some(timed(0.012, "lib.rs cron::a_year_ends"))
        );
        assert_eq!(
            read("test a - should panic ... FAILED <61.500s>"),
            Some(timed(61.5, "lib.rs a - should panic"))
        );
        for other in [
            "test a ... ignored",
            "test a has been running for over 60 seconds",
            "test result: ok. 1 passed; 0 failed; finished in 0.16s",
            "running 4 tests",
            "test said <much>",
            "",
        ] {
            assert_eq!(read(other), None, "{other}");
        }
    }

    #[test]
    fn only_what_was_built_for_tests_is_run() {
        let message = |test: bool, executable: &str| {
            format!(
                r#"{{"reason":"compiler-artifact","manifest_path":"/co/host/core/Cargo.toml","target":{{"src_path":"/co/host/core/src/lib.rs"}},"profile":{{"test":{test}}},"executable":{executable}}}"#
            )
        };
        let read = |message: &str| test_binary(message, Path::new("/co"));
        assert_eq!(
            read(&message(true, r#""/t/core-1""#)),
            Some(TestBinary {
                source: "host/core/src/lib.rs".to_owned(),
                program: "/t/core-1".into(),
                package: "/co/host/core".into(),
            })
        );
        assert_eq!(read(&message(false, r#""/t/drydock""#)), None);
        assert_eq!(read(&message(true, "null")), None);
        assert_eq!(read(r#"{"reason":"build-finished","success":true}"#), None);
    }

    #[test]
    fn the_report_begins_with_the_slowest() {
        let names = (0..12).map(|number| timed(f64::from(number), "t"));
        let report = Report {
            binaries: vec![timed(1.26, "a.rs"), timed(300.0, "b.rs")],
            tests: names.collect(),
            failed: vec!["a.rs".to_owned(), "b.rs".to_owned()],
        };
        let text = report.text();
        let binaries = "\nSeconds by test binary:\n   300.0  b.rs\n     1.3  a.rs\n";
        assert!(text.starts_with(binaries), "{text}");
        let (_, slowest) = text.split_once("slowest tests:\n").unwrap();
        assert!(slowest.starts_with("    11.0  t\n"), "{text}");
        assert_eq!(slowest.lines().count(), SLOWEST_TESTS);
        let error = report.outcome().unwrap_err().to_string();
        assert_eq!(error, "tests failed in a.rs, b.rs");
    }

    #[test]
    fn a_binary_that_fails_is_named_and_the_next_one_runs() {
        let mut report = Report::default();
        let mut screen = Vec::new();
        let ends = |code: u8| format!("echo 'test a ... ok <1.500s>'; exit {code}");
        for (source, script) in [("a.rs", ends(101)), ("b.rs", ends(0)), ("c.rs", "".into())] {
            let mut shell = Command::new("sh");
            let shell = shell.args(["-c", &script]);
            report.run(source, shell, &mut screen).unwrap();
        }
        assert_eq!(report.tests, [timed(1.5, "a.rs a"), timed(1.5, "b.rs a")]);
        let ran: Vec<&str> = report.binaries.iter().map(|b| b.name.as_str()).collect();
        assert_eq!(ran, ["a.rs", "b.rs"]);
        assert_eq!(report.failed, ["a.rs (exit status: 101)"]);
        let line = b"test a ... ok <1.500s>\n";
        assert_eq!(screen, [line.as_slice(), line.as_slice()].concat());
    }
}

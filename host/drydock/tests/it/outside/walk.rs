//! Walks a page in a scratch folder, as somebody who copies its blocks into one shell.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use drydock_testkit::{Scratch, program, tools};

use super::page::Step;
use crate::world::{DRYDOCK, World, checkout};

/// Stands before what each step printed.
const MARK: &str = "@@@@ step ";

/// A folder outside of the repository in which a page is walked.
pub struct Walk {
    pub scratch: Scratch,
    /// Where the walker is once the page's first step is done.
    pub home: PathBuf,
    /// The node that made the keys and certificates of the cluster, for a page that speaks of
    /// one.
    _world: Option<World>,
}

impl Walk {
    /// `home` is the folder that the page makes or works in, below the scratch folder.
    pub fn new(home: &str) -> Self {
        let world = World::new();
        let cluster = world.scratch.join("schedules/cluster.yaml");
        let cluster = std::fs::read_to_string(cluster).unwrap();
        assert!(cluster.contains("{name: c1}"), "{cluster}");
        let cluster = cluster.replace("{name: c1}", "{name: lab}");
        let mut walk = Self::alone(home);
        std::fs::write(walk.scratch.join("lab.yaml"), cluster).unwrap();
        walk._world = Some(world);
        walk
    }

    /// The same for a page that needs no cluster.
    pub fn alone(home: &str) -> Self {
        let scratch = Scratch::new().unwrap();
        let programs = scratch.folder("bin").unwrap();
        symlink(DRYDOCK, programs.join("drydock")).unwrap();
        let home = scratch.join(home);
        Self {
            scratch,
            home,
            _world: None,
        }
    }

    /// Makes a program available by its own name.
    pub fn with_program(&self, program: &Path) {
        let name = program.file_name().unwrap();
        symlink(program, self.scratch.join("bin").join(name)).unwrap();
    }

    /// Runs the steps in one shell, and holds what they print against what the page says.
    pub fn run(&self, steps: &[Step], prepare: impl FnOnce(&mut Command)) -> Result<(), String> {
        let script = self.scratch.join("page.sh");
        std::fs::write(&script, script_of(steps)).unwrap();
        let etcd = tools::etcd(tools::ETCD_VERSION).unwrap();
        let path = format!(
            "{}:{}:{}",
            self.scratch.join("bin").display(),
            etcd.display(),
            std::env::var("PATH").unwrap()
        );
        let mut command = Command::new("bash");
        prepare(&mut command);
        command
            .arg(&script)
            .current_dir(self.scratch.path())
            .env("PATH", path)
            // Compiled components are this walk's own.
            .env("XDG_CACHE_HOME", self.scratch.join("cache"))
            .env("WIT", checkout().join("wit"))
            .env("CLUSTER", self.scratch.join("lab.yaml"));
        let printed = program::run(&mut command).map_err(|error| error.to_string())?;
        self.compare(steps, &printed.stdout)
    }

    fn compare(&self, steps: &[Step], printed: &str) -> Result<(), String> {
        let mut sections = printed.split(MARK).skip(1);
        for step in steps {
            let Step::Shell { script, printed } = step else {
                continue;
            };
            let section = sections.next().expect("every step leaves its mark");
            let (_, actual) = section.split_once('\n').unwrap();
            if let Some(expected) = printed {
                let here = self.scratch.path().display().to_string();
                let actual = actual.replace(&here, "/home/you");
                if !matches(expected, &actual) {
                    return Err(format!(
                        "after\n{script}the page shows\n{expected}\nand it printed\n{actual}"
                    ));
                }
            }
        }
        Ok(())
    }
}

/// The steps as one script that stops at the first failure. Files are written where the
/// page has them, since what comes before may make their folders.
fn script_of(steps: &[Step]) -> String {
    let mut script = "set -eu\nexec 2>&1\n".to_owned();
    for step in steps {
        match step {
            Step::File { path, text } => {
                script.push_str(&format!(
                    "cat > '{path}' <<'END OF FILE'\n{text}END OF FILE\n"
                ));
            }
            Step::Shell { script: piece, .. } => {
                script.push_str(&format!("echo '{MARK}'\n{piece}"));
            }
        }
    }
    script
}

/// Whether `actual` is what the page shows, apart from what differs every time. A line of
/// `…` alone stands for any lines, `…` within a line for any text.
pub fn matches(expected: &str, actual: &str) -> bool {
    let expected: Vec<_> = expected.lines().map(plain).collect();
    let actual: Vec<_> = actual.lines().map(plain).collect();
    lines_match(&expected, &actual)
}

fn lines_match(expected: &[String], actual: &[String]) -> bool {
    match (expected.split_first(), actual.split_first()) {
        (None, None) => true,
        (Some((first, rest)), _) if first == "…" => {
            (0..=actual.len()).any(|skipped| lines_match(rest, &actual[skipped..]))
        }
        (Some((first, rest)), Some((line, others))) => {
            line_matches(first, line) && lines_match(rest, others)
        }
        _ => false,
    }
}

/// `…` stands for any text.
pub fn line_matches(expected: &str, actual: &str) -> bool {
    match expected.split_once('…') {
        None => expected == actual,
        Some((head, tail)) => actual.strip_prefix(head).is_some_and(|rest| {
            let ends = (0..=rest.len()).filter(|end| rest.is_char_boundary(*end));
            ends.into_iter().any(|end| line_matches(tail, &rest[end..]))
        }),
    }
}

/// Columns one space apart, and `#` for digests, ids, sizes and times.
fn plain(line: &str) -> String {
    let words: Vec<_> = line.split_whitespace().map(masked).collect();
    words.join(" ")
}

/// Runs of digits become `#`, and so do hex words that hold one.
fn masked(word: &str) -> String {
    let mut text = String::new();
    let mut run = String::new();
    for character in word.chars().chain(['\0']) {
        if character.is_ascii_hexdigit() {
            run.push(character);
            continue;
        }
        let varies = run.contains(|c: char| c.is_ascii_digit());
        text.push_str(if varies { "#" } else { &run });
        run.clear();
        if character != '\0' {
            text.push(character);
        }
    }
    text
}

#[test]
fn only_what_differs_every_time_may_differ() {
    assert!(matches(
        "a 0.1.0 sha256:1f\n",
        "a   0.2.0  sha256:c0ffee01\n"
    ));
    assert!(matches("…\nb\n", "a\na\nb\n"));
    assert!(matches("…\n", ""));
    assert!(matches("x … y\n", "x anything at all y\n"));
    assert!(!matches("a\n", "b\n"));
    assert!(!matches("a\nb\n", "a\n"));
    assert!(!matches("…\nb\n", "b\nc\n"));
}

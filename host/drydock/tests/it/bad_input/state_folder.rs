//! The state folder: in use, not usable, or with a journal that cannot be trusted.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::Stdio;

use drydock_core::UnixTime;
use drydock_journal::{LockOwner, StateLock};

use crate::bad_input::Case;
use crate::faulty::CLOCK_OFFSET;
use crate::world::{Answer, World};

const RUN: [&str; 2] = ["run", "s1"];

/// A world whose state folder holds a journal with one run that ended.
fn with_journal(name: &'static str) -> Case {
    let case = Case::new(name, World::alone());
    case.edit(
        "schedules/schedule.yaml",
        "  cluster: c1\n",
        "  cluster: c1\n  backoffLimit: 0\n",
    );
    // The cluster is not there: the run fails, which makes the journal all the same.
    case.world.drydock(&RUN).code(1);
    case
}

fn journal(case: &Case) -> PathBuf {
    case.world.scratch.join("state/journal.db")
}

/// Writes bytes into the journal.
fn overwrite(case: &Case, at: usize, bytes: &[u8]) {
    let path = journal(case);
    let mut text = std::fs::read(&path).unwrap();
    text[at..at + bytes.len()].copy_from_slice(bytes);
    std::fs::write(&path, text).unwrap();
}

/// The place of the schema's version in SQLite's header (file format, section 1.3).
const USER_VERSION_AT: usize = 60;
/// The place of the application's id in SQLite's header.
const APPLICATION_ID_AT: usize = 68;

/// Somewhat more than a day, so that the seconds between two commands do not show.
const DAY_BACK: &str = "-91800";

#[test]
fn a_clock_that_is_a_day_behind_the_journal() {
    let case = with_journal("clock-behind");
    let before = case.picture();
    let mut command = case.world.faulty(&RUN);
    command.args(["--log-level", "debug"]);
    command.env(CLOCK_OFFSET, DAY_BACK);
    case.judge(75, Answer::of(command.output().unwrap()));
    before.assert_same(&case.picture());
}

#[test]
fn a_state_folder_that_somebody_uses() {
    let mut case = Case::new("state-in-use", World::alone());
    let owner = LockOwner {
        command: "drydock daemon".to_owned(),
        since: UnixTime(1_767_225_600),
    };
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    case.hide(
        &format!("process {} on {}", std::process::id(), host.trim()),
        "process <pid> on <host>",
    );
    let lock = StateLock::acquire(&case.world.scratch.join("state"), &owner).unwrap();
    case.refused(75, &RUN);
    drop(lock);
}

/// Two processes of the binary: the second one is told whom to ask.
#[test]
fn two_runs_at_once() {
    let mut case = Case::new("state-in-use-by-a-run", World::alone());
    let first = case.world.scratch.join("state/lock");
    // Nothing listens there, and the first process waits for its endpoint as long as the
    // second one needs to ask.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    case.edit(
        "schedules/cluster.yaml",
        "https://127.0.0.1:1",
        &format!("http://127.0.0.1:{port}"),
    );
    let mut process = case
        .command(&RUN)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = process.id();
    let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
    while !first.exists() || std::fs::read(&first).unwrap().is_empty() {
        assert!(lines.next().is_some(), "the first run ended at once");
    }
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    case.hide(
        &format!("process {pid} on {}", host.trim()),
        "process <pid> on <host>",
    );
    case.leaves_unfinished = true;
    case.refused(75, &RUN);
    process.kill().unwrap();
    process.wait().unwrap();
}

#[test]
fn a_state_folder_that_is_a_file() {
    let case = Case::new("state-is-a-file", World::alone());
    case.edit("drydock.yaml", "state: state", "state: signing.key");
    case.refused(1, &RUN);

    let case = Case::new("state-below-a-file", World::alone());
    case.edit("drydock.yaml", "state: state", "state: signing.key/state");
    case.refused(1, &RUN);
}

#[test]
fn a_journal_that_is_damaged() {
    let mut case = with_journal("journal-is-garbage");
    case.journal_is_spoilt = true;
    std::fs::write(journal(&case), b"garbage ".repeat(4096)).unwrap();
    case.refused(1, &RUN);
    case.world.drydock(&["run", "list"]).code(1);

    let mut case = with_journal("journal-is-truncated");
    case.journal_is_spoilt = true;
    let bytes = std::fs::read(journal(&case)).unwrap();
    std::fs::write(journal(&case), &bytes[..bytes.len() / 2]).unwrap();
    case.refused(1, &RUN);

    let mut case = with_journal("journal-is-empty");
    case.journal_is_spoilt = true;
    std::fs::write(journal(&case), b"").unwrap();
    case.refused(1, &RUN);

    let mut case = with_journal("journal-page-flipped");
    case.journal_is_spoilt = true;
    let page = 2 * 4096;
    overwrite(&case, page, &[0xff; 512]);
    case.refused(1, &RUN);

    let mut case = with_journal("journal-damaged-without-copy");
    case.journal_is_spoilt = true;
    std::fs::remove_file(case.world.scratch.join("state/journal.copy.db")).unwrap();
    std::fs::write(journal(&case), b"garbage ".repeat(4096)).unwrap();
    case.refused(1, &RUN);
}

#[test]
fn a_journal_of_somebody_else() {
    let mut case = with_journal("journal-is-newer");
    case.journal_is_spoilt = true;
    overwrite(&case, USER_VERSION_AT, &99_u32.to_be_bytes());
    case.refused(1, &RUN);
    case.refused(1, &["run", "list"]);

    let mut case = with_journal("journal-of-another-application");
    case.journal_is_spoilt = true;
    overwrite(&case, APPLICATION_ID_AT, b"abcd");
    case.refused(1, &RUN);
    case.refused(1, &["run", "list"]);
}

#[test]
fn a_run_that_is_not_there() {
    // Like no name of a run, whatever the date is.
    let case = with_journal("run-unknown");
    case.refused(1, &["run", "show", "yesterday"]);
}

#[test]
fn runs_of_a_node_that_never_ran() {
    let case = Case::new("run-unknown-without-journal", World::alone());
    case.refused(1, &["run", "show", "s1.20260101T000000Z"]);
}

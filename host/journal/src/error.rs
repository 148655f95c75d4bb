//! What can go wrong, in sentences for an operator.

use std::io;
use std::path::PathBuf;

use drydock_core::{QuestionId, RunId, RunSubject, SubjectAccess};

/// The journal cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("cannot use the state folder {}: check that it exists, has room and belongs to this user", path.display())]
    Folder {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("there is no journal at {}: nothing has run with this state folder yet", path.display())]
    Missing { path: PathBuf },
    #[error("cannot {doing} the journal {}", path.display())]
    Database {
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: rusqlite::Error,
    },
    #[error("{} was not made by this Drydock: move it away, or name another state folder in the node's configuration", path.display())]
    Foreign { path: PathBuf },
    #[error(
        "the journal {} has schema version {found}, and this Drydock reads versions up to {known}: start the newer Drydock that wrote it, or name another state folder",
        path.display()
    )]
    Newer {
        path: PathBuf,
        found: i64,
        known: i64,
    },
    #[error("the journal {} is damaged ({problem}): {}", path.display(), mend(copy.as_ref()))]
    Damaged {
        path: PathBuf,
        problem: String,
        /// The copy of the last good start, where there is one.
        copy: Option<PathBuf>,
    },
}

/// A call on the open journal failed. Nothing of it was kept.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("cannot {doing} in the journal {}: check that its file system has room and is writable", path.display())]
    Database {
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: rusqlite::Error,
    },
    #[error(
        "cannot {doing}: what the journal {} holds cannot be read ({what}), so it is damaged or another Drydock wrote it: start that one, or move it and its -wal and -shm files away; the recovery points at the targets are not touched",
        path.display()
    )]
    Unreadable {
        doing: &'static str,
        path: PathBuf,
        what: String,
    },
    #[error("run {run} is already in the journal: its occurrence was started before")]
    RunExists { run: RunId },
    #[error("run {run} is not in the journal: `drydock run list` names those that are")]
    RunUnknown { run: RunId },
    #[error(
        "run {run} cannot begin: {}; {}",
        wants(subject, by, *by_access),
        mend_blocked(by, *is_stuck, *question)
    )]
    RunBlocked {
        run: RunId,
        /// The open run that is in its way.
        by: RunId,
        /// What both work on, with what the new run would do with it.
        subject: RunSubject,
        /// What the open run does with it.
        by_access: SubjectAccess,
        /// An undo of the open run waits for an operator.
        is_stuck: bool,
        /// The first that the open run waits for an answer to.
        question: Option<QuestionId>,
    },
    #[error("run {run} has ended, nothing can be added to it")]
    RunEnded { run: RunId },
    #[error("a record of run {run} has {bytes} bytes and at most {bytes_max} are kept")]
    RecordTooLarge {
        run: RunId,
        bytes: usize,
        bytes_max: usize,
    },
}

/// The state folder cannot be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error("the state folder {} cannot be used, see whether it is writable, has room and belongs to this user", folder.display())]
    Io {
        folder: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the state folder {} cannot be used: something that is no folder stands there or above it; name another one as `state:` of the node's configuration", folder.display())]
    NoFolder { folder: PathBuf },
    #[error(
        "the state folder {} is in use by {owner}: wait until it is done or stop it, then try again",
        folder.display()
    )]
    InUse { folder: PathBuf, owner: String },
}

fn mend(copy: Option<&PathBuf>) -> String {
    match copy {
        Some(copy) => format!(
            "a copy from the last good start is {}; move the damaged file and its -wal and -shm files away and put the copy in its place",
            copy.display()
        ),
        None => "there is no copy; move it and its -wal and -shm files away to start with an empty journal, the recovery points at the targets are not touched".to_owned(),
    }
}

fn wants(subject: &RunSubject, by: &RunId, by_access: SubjectAccess) -> String {
    let RunSubject { subject, access } = subject;
    let (access, by_access) = (access.word(), by_access.word());
    format!("it {access} {subject}, and run {by} {by_access} that too")
}

fn mend_blocked(by: &RunId, is_stuck: bool, question: Option<QuestionId>) -> String {
    let Some(question) = question else {
        return format!("wait until {by} has ended, or begin all the same with `--despite {by}`");
    };
    let state = if is_stuck {
        "is Stuck and waits"
    } else {
        "waits"
    };
    format!(
        "{by} {state} for an answer to its question {question}, which `drydock run show {by}` tells: give it with `drydock run decide {by} {question} CHOICE`, or begin all the same with `--despite {by}`"
    )
}

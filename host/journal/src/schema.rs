//! Opening: the checks, the schema and its migrations, and the copy.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use crate::error::OpenError;

/// Name of the journal inside the state folder.
pub const JOURNAL_FILE: &str = "journal.db";

/// Name of the copy that each good start makes.
pub const COPY_FILE: &str = "journal.copy.db";

/// The schema that this version writes; kept in SQLite's `user_version`.
pub const SCHEMA_VERSION: i64 = MIGRATIONS.len() as i64;

/// "DryJ": marks the file as ours in SQLite's `application_id`.
const APPLICATION_ID: i64 = 0x4472_794A;

/// How long a call waits for a reader or writer of another process. A reader's
/// queries take milliseconds, so that a longer wait means something is stuck.
const BUSY_WAIT: Duration = Duration::from_secs(5);

/// Step N leads from version N to N + 1. Never change one that was released.
const MIGRATIONS: [&str; 1] = [SCHEMA];

/// Version 1. A run's row tells what it is and how far it is, so that nobody has to read
/// its records for that; its holds and open questions stand beside it, and what it pinned
/// until it ends. `choices` are pairs of a word and what it means, as JSON. `ending` is the word of an occurrence's end and `details` the rest
/// of it as JSON; `begun` says whether its run has begun; `since` is the instant from which
/// a schedule is planned; instants in `clock_accepted` were entered while the clock was
/// wrong; a target has the id that it had when recovery points were stored at it.
const SCHEMA: &str = "
    CREATE TABLE runs (
        run             TEXT PRIMARY KEY,
        schedule        TEXT NOT NULL,
        cluster         TEXT NOT NULL,
        kind            TEXT NOT NULL,
        due             INTEGER NOT NULL,
        by_hand         INTEGER NOT NULL,
        created         INTEGER NOT NULL,
        despite         TEXT,
        phase           TEXT NOT NULL,
        recovery_point  TEXT,
        frees_subjects  INTEGER NOT NULL DEFAULT 0,
        outcome         TEXT,
        details         TEXT,
        finished        INTEGER,
        CHECK ((outcome IS NULL) = (finished IS NULL))
    ) STRICT;
    CREATE INDEX runs_by_creation ON runs (created);
    CREATE INDEX runs_by_end ON runs (schedule, outcome, finished);
    CREATE INDEX runs_open ON runs (created) WHERE finished IS NULL;

    CREATE TABLE run_subjects (
        run         TEXT NOT NULL REFERENCES runs (run) ON DELETE CASCADE,
        kind        TEXT NOT NULL CHECK (kind IN ('cluster', 'target', 'node')),
        name        TEXT NOT NULL,
        access      TEXT NOT NULL CHECK (access IN ('reads', 'writes')),
        PRIMARY KEY (run, kind, name)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE run_pins (
        run         TEXT NOT NULL REFERENCES runs (run) ON DELETE CASCADE,
        sha256      TEXT NOT NULL,
        PRIMARY KEY (run, sha256)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE holds (
        run         TEXT NOT NULL REFERENCES runs (run) ON DELETE CASCADE,
        position    INTEGER NOT NULL,
        step        TEXT NOT NULL,
        kind        TEXT NOT NULL,
        phase       TEXT NOT NULL,
        since       INTEGER NOT NULL,
        deadline    INTEGER NOT NULL,
        evidence    TEXT,
        PRIMARY KEY (run, position)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE questions (
        run         TEXT NOT NULL REFERENCES runs (run) ON DELETE CASCADE,
        question    INTEGER NOT NULL,
        about       TEXT NOT NULL,
        text        TEXT NOT NULL,
        choices     TEXT NOT NULL,
        asked       INTEGER NOT NULL,
        PRIMARY KEY (run, question)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE records (
        run         TEXT NOT NULL REFERENCES runs (run) ON DELETE CASCADE,
        sequence    INTEGER NOT NULL,
        kind        TEXT NOT NULL CHECK (kind IN ('event', 'effect')),
        body        TEXT NOT NULL,
        at          INTEGER NOT NULL,
        PRIMARY KEY (run, sequence)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE attempts (
        run         TEXT NOT NULL REFERENCES runs (run) ON DELETE CASCADE,
        step        TEXT NOT NULL,
        attempt     INTEGER NOT NULL,
        started     INTEGER NOT NULL,
        ended       INTEGER,
        result      TEXT,
        grants      TEXT,
        log         TEXT NOT NULL,
        PRIMARY KEY (run, step, attempt)
    ) STRICT;

    CREATE TABLE schedules (
        schedule    TEXT PRIMARY KEY,
        timetable   TEXT NOT NULL,
        since       INTEGER NOT NULL
    ) STRICT;

    CREATE TABLE occurrences (
        schedule    TEXT NOT NULL,
        due         INTEGER NOT NULL,
        ending      TEXT NOT NULL
                    CHECK (ending IN ('Started', 'Skipped', 'Missed', 'Failed')),
        details     TEXT NOT NULL,
        run         TEXT NOT NULL,
        begun       INTEGER NOT NULL,
        decided_at  INTEGER NOT NULL,
        PRIMARY KEY (schedule, due)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX occurrences_by_run ON occurrences (run);

    CREATE TABLE clock_accepted (
        after       INTEGER PRIMARY KEY,
        through     INTEGER NOT NULL
    ) STRICT;

    CREATE TABLE targets (
        target      TEXT PRIMARY KEY,
        id          TEXT NOT NULL,
        since       INTEGER NOT NULL
    ) STRICT;

    CREATE TABLE recovery_points (
        target      TEXT NOT NULL,
        cluster     TEXT NOT NULL,
        name        TEXT NOT NULL,
        revision    INTEGER NOT NULL,
        PRIMARY KEY (target, cluster, name)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE restores (
        id          INTEGER PRIMARY KEY,
        cluster     TEXT NOT NULL,
        bumped_to   INTEGER NOT NULL,
        source      TEXT NOT NULL,
        at          INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX restores_by_cluster ON restores (cluster, bumped_to);
    ";

/// Opens for writing. See [`crate::Journal::open`].
pub fn open(folder: &Path, path: &Path) -> Result<Connection, OpenError> {
    prepare_folder(folder)?;
    prepare_file(folder, path)?;
    let mut connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    check(&connection, path)?;
    configure(&connection).map_err(|source| database("set up", path, source))?;
    migrate(&mut connection, path)?;
    copy(&connection, folder, path)?;
    Ok(connection)
}

/// Opens for reading only. See [`crate::Journal::open_reader`].
pub fn open_reader(path: &Path) -> Result<Connection, OpenError> {
    // Reading a write-ahead log takes a lock file that SQLite must be able to write,
    // so the connection is opened for writing and then forbidden to.
    let connection = open_beside(path)?;
    connection
        .pragma_update(None, "query_only", true)
        .map_err(|source| database("open", path, source))?;
    Ok(connection)
}

/// Opens for a small change beside the owner. See [`crate::Journal::open_beside`].
pub fn open_beside(path: &Path) -> Result<Connection, OpenError> {
    let is_there = path.try_exists().map_err(|source| OpenError::Folder {
        path: path.to_owned(),
        source,
    })?;
    if !is_there {
        return Err(not_yet(path));
    }
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection
        .pragma_update(None, "synchronous", "FULL")
        .map_err(|source| database("open", path, source))?;
    if version(&connection, path)? == 0 {
        return Err(not_yet(path));
    }
    Ok(connection)
}

fn prepare_folder(folder: &Path) -> Result<(), OpenError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|source| OpenError::Folder {
            path: folder.to_owned(),
            source,
        })
}

/// Makes the file before SQLite does, so that it is never readable by others.
/// SQLite gives the -wal and -shm files the mode of the main file.
fn prepare_file(folder: &Path, path: &Path) -> Result<(), OpenError> {
    let size = create_private(path).map_err(|source| OpenError::Folder {
        path: folder.to_owned(),
        source,
    })?;
    // SQLite takes an empty file for a new database: a truncated journal would be forgotten
    // without a word.
    if size == 0 && existing_copy(path).is_some() {
        return Err(damaged(path, "it is empty".to_owned()));
    }
    Ok(())
}

fn create_private(path: &Path) -> io::Result<u64> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    Ok(file.metadata()?.len())
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, OpenError> {
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .map_err(|source| database("open", path, source))?;
    connection
        .busy_timeout(BUSY_WAIT)
        .map_err(|source| database("open", path, source))?;
    Ok(connection)
}

/// Refuses what is damaged, newer or not ours, before anything is written.
fn check(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let problem: String = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(|source| database("check", path, source))?;
    if problem != "ok" {
        // SQLite puts a heading above what it found.
        let found = problem.lines().last().unwrap_or_default();
        return Err(damaged(path, found.to_owned()));
    }
    version(connection, path).map(|_| ())
}

/// The schema version of a file that is new or ours.
fn version(connection: &Connection, path: &Path) -> Result<i64, OpenError> {
    let read = |name: &str| -> Result<i64, OpenError> {
        connection
            .pragma_query_value(None, name, |row| row.get(0))
            .map_err(|source| database("read", path, source))
    };
    let found = read("user_version")?;
    let is_new = found == 0 && read("application_id")? == 0 && read("schema_version")? == 0;
    if !is_new && read("application_id")? != APPLICATION_ID {
        return Err(OpenError::Foreign {
            path: path.to_owned(),
        });
    }
    if found > SCHEMA_VERSION {
        return Err(OpenError::Newer {
            path: path.to_owned(),
            found,
            known: SCHEMA_VERSION,
        });
    }
    Ok(found)
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)
}

/// Each step in a transaction of its own, its version number with it.
fn migrate(connection: &mut Connection, path: &Path) -> Result<(), OpenError> {
    let from = version(connection, path)?;
    let done = usize::try_from(from).expect("version refuses what is newer; SQLite starts at 0");
    for (step, sql) in MIGRATIONS.iter().enumerate().skip(done) {
        let to = i64::try_from(step + 1).expect("there are few migrations");
        migrate_one(connection, sql, to).map_err(|source| database("migrate", path, source))?;
    }
    Ok(())
}

fn migrate_one(connection: &mut Connection, sql: &str, to: i64) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(sql)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", to)?;
    transaction.commit()
}

/// Writes the copy under another name first, so that a crash leaves the old one.
fn copy(connection: &Connection, folder: &Path, path: &Path) -> Result<(), OpenError> {
    let failed = |source| OpenError::Folder {
        path: folder.to_owned(),
        source,
    };
    let fresh = folder.join(format!("{COPY_FILE}.new"));
    remove_if_there(&fresh).map_err(failed)?;
    create_private(&fresh).map_err(failed)?;
    connection
        .execute("VACUUM INTO ?1", [fresh.to_string_lossy()])
        .map_err(|source| database("copy", path, source))?;
    publish(&fresh, &folder.join(COPY_FILE), folder).map_err(failed)
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn publish(fresh: &Path, name: &Path, folder: &Path) -> io::Result<()> {
    File::open(fresh)?.sync_all()?;
    fs::rename(fresh, name)?;
    File::open(folder)?.sync_all()
}

/// No journal, or a file that its owner has not made one of yet. Where there is a copy, there
/// was one: SQLite takes an empty file for a new database.
fn not_yet(path: &Path) -> OpenError {
    if path.exists() && existing_copy(path).is_some() {
        return damaged(path, "it is empty".to_owned());
    }
    OpenError::Missing {
        path: path.to_owned(),
    }
}

fn existing_copy(path: &Path) -> Option<PathBuf> {
    let copy = path.with_file_name(COPY_FILE);
    copy.exists().then_some(copy)
}

fn damaged(path: &Path, problem: String) -> OpenError {
    OpenError::Damaged {
        path: path.to_owned(),
        problem,
        copy: existing_copy(path),
    }
}

/// SQLite's own word for damage is told as damage, everything else as it is.
fn database(doing: &'static str, path: &Path, source: rusqlite::Error) -> OpenError {
    match source.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            damaged(path, source.to_string())
        }
        _ => OpenError::Database {
            doing,
            path: path.to_owned(),
            source,
        },
    }
}

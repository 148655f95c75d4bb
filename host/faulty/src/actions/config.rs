//! What a step's `config:` says: where the action works, and what goes wrong. Attempts of a
//! step are counted over all processes, so that `times: 2` means the first two of its run.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use drydock_core::{Certainty, ErrorClass, ErrorCode, Fault, Finding};
use drydock_node::action::ActionCall;
use serde::Deserialize;

use crate::crash::die;

/// How often a file is looked for.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Config {
    /// The folder or file that the action works in.
    pub path: Option<PathBuf>,
    /// `HOST:PORT` of the server of locks.
    pub server: Option<String>,
    pub lock: Option<String>,
    /// The folder in which `test-freeze` makes its files.
    pub holds: Option<PathBuf>,
    pub fail: Option<Fail>,
    /// Before it begins, the action waits until this file is there.
    pub wait_for: Option<PathBuf>,
    /// It ends the process at this place, in the first attempt or try.
    pub die: Option<Place>,
    /// What its probe says, whatever is so.
    pub lie: Option<Lie>,
    pub undo_fails: Option<UndoFails>,
}

/// Attempts that fail.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fail {
    pub times: u32,
    #[serde(default = "transient")]
    pub class: ErrorClass,
    #[serde(default = "not_done")]
    pub certainty: Certainty,
    /// Before or after the work.
    #[serde(default = "before")]
    pub at: Place,
}

/// A place in the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    Before,
    /// The work is done, and nobody knows of it yet.
    After,
    /// The same of taking it back.
    AfterUndo,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lie {
    Done,
    NotBegun,
    Held,
    Lost,
}

/// Tries of the undo that fail.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UndoFails {
    #[serde(default)]
    pub times: u32,
    /// All of them until this file is there.
    pub until: Option<PathBuf>,
}

fn transient() -> ErrorClass {
    ErrorClass::Transient
}

fn not_done() -> Certainty {
    Certainty::NotDone
}

fn before() -> Place {
    Place::Before
}

impl Config {
    pub fn of(text: &str) -> Result<Self, Fault> {
        serde_json::from_str(text).map_err(|error| {
            let message = format!("is not what a test action takes: {error}");
            Fault::permanent(ErrorCode::BadConfiguration, message).not_done()
        })
    }

    /// What an action that works at a path says of its configuration.
    pub fn check(text: &str) -> Result<Vec<Finding>, Fault> {
        Self::of(text)?.path()?;
        Ok(Vec::new())
    }

    pub fn path(&self) -> Result<&Path, Fault> {
        self.path.as_deref().ok_or_else(|| missing("path"))
    }

    pub fn lock(&self) -> Result<(&str, &str), Fault> {
        let server = self.server.as_deref().ok_or_else(|| missing("server"))?;
        let lock = self.lock.as_deref().ok_or_else(|| missing("lock"))?;
        Ok((server, lock))
    }

    /// Comes to a place in an attempt: waits, dies or fails where that is wanted.
    pub async fn come_to(&self, place: Place, call: &ActionCall) -> Result<(), Fault> {
        let wanted = self.wait_for.as_deref().filter(|_| place == Place::Before);
        if let Some(file) = wanted {
            appears(file, call).await?;
        }
        self.maybe_die(place, call);
        let fail = self.fail.as_ref();
        match fail.filter(|fail| fail.at == place && call.occasion.attempt <= fail.times) {
            Some(fail) => Err(fail.fault(call)),
            None => Ok(()),
        }
    }

    pub fn maybe_die(&self, place: Place, call: &ActionCall) {
        if self.die == Some(place) && call.occasion.attempt == 1 && self.is_first(place) {
            die();
        }
    }

    /// Each pass of a unit tries its undos anew, from one on: only one of them dies.
    fn is_first(&self, place: Place) -> bool {
        let (Place::AfterUndo, Some(path)) = (place, &self.path) else {
            return true;
        };
        File::create_new(path.with_extension("died")).is_ok()
    }

    /// Whether a try of the undo fails.
    pub fn undo_fails(&self, call: &ActionCall) -> Result<(), Fault> {
        let Some(fails) = &self.undo_fails else {
            return Ok(());
        };
        let waits = fails.until.as_ref().is_some_and(|file| !file.exists());
        if waits || call.occasion.attempt <= fails.times {
            let message = format!(
                "step {} cannot be taken back: as wanted",
                call.occasion.step
            );
            return Err(Fault::transient(ErrorCode::of("test"), message));
        }
        Ok(())
    }
}

impl Fail {
    fn fault(&self, call: &ActionCall) -> Fault {
        let message = format!("step {} fails: as wanted", call.occasion.step);
        Fault::new(self.class, ErrorCode::of("test"), message).with_certainty(self.certainty)
    }
}

/// Waits for a file, unless the attempt is to stop.
async fn appears(file: &Path, call: &ActionCall) -> Result<(), Fault> {
    let mut stop = call.stop.clone();
    let appearing = async {
        while !file.exists() {
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    };
    tokio::select! {
        () = appearing => Ok(()),
        why = stopped(&mut stop) => Err(why.not_done()),
    }
}

/// Why the attempt is to stop, once it is.
pub async fn stopped(stop: &mut tokio::sync::watch::Receiver<Option<Fault>>) -> Fault {
    let stopped = stop.wait_for(Option::is_some).await;
    let why = stopped.ok().and_then(|why| why.clone());
    match why {
        Some(why) => why,
        // Nobody is left who could say so.
        None => std::future::pending().await,
    }
}

fn missing(key: &str) -> Fault {
    let message = format!("says no {key}");
    Fault::permanent(ErrorCode::BadConfiguration, message).not_done()
}

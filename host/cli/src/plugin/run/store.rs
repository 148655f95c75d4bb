//! The calls of a store, against a target that is made up of `--plugin-config`.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use drydock_api_types::plugin::PluginCall;
use drydock_core::store::Session;
use drydock_core::{Fault, TargetName, UnixTime};
use drydock_repository::target::{Part, Target as _};
use drydock_repository::{names::PROBE_FOLDER, probe::probe};
use drydock_sandbox::{AttemptLog, CallObserver, StoreContext, StoreTarget, Throttle, World};
use serde_json::json;

use super::calls::{answered, file_bytes, no_such};
use super::surroundings::Surroundings;
use super::values;
use crate::args::RunPluginArgs;
use crate::{Context as _, Failure};

/// The target's name in what the plugin is told.
const TARGET: &str = "try";

/// Pieces of a range that may wait to be written.
const PIECES_MAX: usize = 4;

/// Many calls: what `target check --probe` makes.
pub const ROUND_TRIP: &str = "round-trip";

/// The calls that can be made by hand.
const CALLS: [&str; 13] = [
    "check-config",
    "check",
    "layout",
    "make-place",
    "put-object",
    "list",
    "list-sessions",
    "stat",
    "get-range",
    "delete",
    "retain",
    "abort",
    ROUND_TRIP,
];

pub async fn make(
    around: &Surroundings,
    args: &RunPluginArgs,
    export: &str,
) -> Result<PluginCall, Failure> {
    let log = Arc::new(Mutex::new(AttemptLog::default()));
    let target = target(around, &log);
    let words = Words(around);
    let result = match export {
        "check-config" => target.check_config().await.map(Answer::Findings),
        "check" => target.check().await.map(Answer::Findings),
        ROUND_TRIP => Ok(Answer::Findings(
            probe(&target, &format!("{PROBE_FOLDER}/try/")).await,
        )),
        "layout" => target
            .layout()
            .await
            .map(|layout| Answer::Json(json!(layout))),
        "make-place" => target.make_place().await.map(|()| Answer::Nothing),
        "put-object" => put_object(&target, &words, args.artifact.as_deref()).await?,
        "list" => list(&target, &words).await,
        "list-sessions" => list_sessions(&target, &words).await,
        "stat" => target
            .stat(&words.required("object")?)
            .await
            .map(|stat| Answer::Json(json!(stat))),
        "get-range" => get_range(&target, &words, args.out.as_deref()).await?,
        "delete" => target
            .delete(&words.required("object")?)
            .await
            .map(|()| Answer::Nothing),
        "retain" => {
            let until = words.instant("until")?.ok_or_else(|| missing("until"))?;
            let locked = target.retain(&words.required("object")?, until).await;
            locked.map(|()| Answer::Nothing)
        }
        "abort" => target
            .abort(&words.session()?)
            .await
            .map(|()| Answer::Nothing),
        other => return Err(no_such(World::Store, other, &CALLS)),
    };
    let log = log.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Ok(answered(result, &log, |answer, call| match answer {
        Answer::Findings(findings) => call.findings = findings,
        Answer::Json(json) => call.answer = Some(json),
        Answer::Nothing => {}
    }))
}

enum Answer {
    Findings(Vec<drydock_core::Finding>),
    Json(serde_json::Value),
    Nothing,
}

/// The target; what the plugin says in whichever call goes into the one log.
pub fn target(around: &Surroundings, log: &Arc<Mutex<AttemptLog>>) -> StoreTarget {
    let log = Arc::clone(log);
    let observer: CallObserver = Arc::new(move |_, said| {
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        log.lines.extend(said.lines);
    });
    let context = StoreContext {
        target: TargetName::new(TARGET),
        config: around.step.config.clone(),
        step: around.step.clone(),
        observer,
        throttle: Throttle::default(),
    };
    StoreTarget::new(Arc::clone(&around.plugin), context)
}

/// The arguments of a call, by their names in the contract.
struct Words<'a>(&'a Surroundings);

impl Words<'_> {
    fn text(&self, name: &str) -> Option<String> {
        values::word_of(self.0.step.occasion.inputs.get(name)?)
    }

    fn required(&self, name: &str) -> Result<String, Failure> {
        self.text(name).ok_or_else(|| missing(name))
    }

    fn number(&self, name: &str) -> Result<Option<u64>, Failure> {
        let number = self.text(name).map(|text| text.parse());
        number
            .transpose()
            .map_err(|_| Failure::usage(format!("--input {name} is a whole number")))
    }

    fn instant(&self, name: &str) -> Result<Option<UnixTime>, Failure> {
        let seconds = self.number(name)?.map(i64::try_from).transpose();
        let seconds = seconds.map_err(|_| missing(name))?;
        Ok(seconds.map(UnixTime))
    }

    fn session(&self) -> Result<Session, Failure> {
        let hex = self.required("session")?;
        let bytes = hex::decode(hex).map_err(|_| missing("session"))?;
        Ok(Session(bytes))
    }
}

fn missing(name: &str) -> Failure {
    let form = match name {
        "session" => ", in hex as list-sessions prints it",
        "until" | "retain-until" => ", in seconds since 1970",
        _ => "",
    };
    Failure::usage(format!("this call needs --input {name}=VALUE{form}"))
}

async fn list(target: &StoreTarget, words: &Words<'_>) -> Result<Answer, Fault> {
    let prefix = words.text("prefix").unwrap_or_default();
    let page = target
        .list(&prefix, words.text("cursor").as_deref())
        .await?;
    Ok(Answer::Json(json!({
        "objects": page.objects, "passedOver": page.passed_over, "next": page.next,
    })))
}

async fn list_sessions(target: &StoreTarget, words: &Words<'_>) -> Result<Answer, Fault> {
    let prefix = words.text("prefix").unwrap_or_default();
    let cursor = words.text("cursor");
    let page = target.list_sessions(&prefix, cursor.as_deref()).await?;
    let sessions = page.sessions.iter();
    let sessions = sessions.map(|one| json!({"object": one.object, "session": one.session}));
    Ok(Answer::Json(json!({
        "sessions": sessions.collect::<Vec<_>>(), "next": page.next,
    })))
}

/// Creates an object of the file's bytes.
async fn put_object(
    target: &StoreTarget,
    words: &Words<'_>,
    file: Option<&Path>,
) -> Result<Result<Answer, Fault>, Failure> {
    let Some(file) = file else {
        return Err(Failure::usage(
            "put-object stores the bytes of a file: say which with --artifact FILE",
        ));
    };
    let bytes = file_bytes(file)?;
    let part = Part {
        offset: 0,
        length: bytes.size(),
        bytes,
    };
    let object = words.required("object")?;
    let until = words.instant("retain-until")?;
    let stored = target.put_object(&object, part, until).await;
    Ok(stored.map(|stat| Answer::Json(json!(stat))))
}

/// The whole object where no range is said. The bytes go into a new file of `out`.
async fn get_range(
    target: &StoreTarget,
    words: &Words<'_>,
    out: Option<&Path>,
) -> Result<Result<Answer, Fault>, Failure> {
    let object = words.required("object")?;
    let offset = words.number("offset")?.unwrap_or_default();
    let length = match words.number("length")? {
        Some(length) => length,
        None => match target.stat(&object).await {
            Ok(stat) => stat.size.saturating_sub(offset),
            Err(fault) => return Ok(Err(fault)),
        },
    };
    let mut file = out
        .map(|folder| RangeFile::begin(folder, &object))
        .transpose()?;
    let (into, mut pieces) = tokio::sync::mpsc::channel::<Vec<u8>>(PIECES_MAX);
    let taken = async {
        let mut bytes = 0;
        while let Some(piece) = pieces.recv().await {
            bytes += piece.len();
            if let Some(file) = &mut file {
                file.take(&piece)?;
            }
        }
        Ok::<_, Failure>(bytes)
    };
    let (read, bytes) = tokio::join!(target.get_range(&object, offset, length, into), taken);
    let bytes = match (read, bytes) {
        (Ok(()), Ok(bytes)) => bytes,
        (read, bytes) => {
            // Half a file would look like a whole one.
            if let Some(file) = file {
                file.remove();
            }
            bytes?;
            return Ok(read.map(|()| Answer::Nothing));
        }
    };
    Ok(Ok(Answer::Json(json!({"bytes": bytes}))))
}

/// A new file that takes a range.
struct RangeFile {
    path: PathBuf,
    file: File,
}

impl RangeFile {
    fn begin(folder: &Path, object: &str) -> Result<Self, Failure> {
        let path = folder.join(object.rsplit('/').next().unwrap_or_default());
        let file = fs::create_dir_all(folder).and_then(|()| File::create_new(&path));
        let file = file.with_context(|| format!("{} cannot be made", path.display()))?;
        Ok(Self { path, file })
    }

    fn take(&mut self, piece: &[u8]) -> Result<(), Failure> {
        let written = self.file.write_all(piece);
        written.with_context(|| format!("{} cannot be written", self.path.display()))
    }

    fn remove(self) {
        // Whoever asked is told of what went wrong before.
        let _ = fs::remove_file(self.path);
    }
}

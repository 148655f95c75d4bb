//! What this node is told, resolved step by step: [`Node`] is configuration and
//! documents, [`Workshop`] adds the sandbox with the plugins, [`Station`] adds the state
//! folder, which one process holds at a time.

mod access;
mod check;
mod folder;
mod limits;
mod load;
mod need;
mod network;
mod places;
mod prepare;
mod roles;
mod sanity;
mod secrets;
mod station;
mod workshop;

use std::path::Path;

use drydock_core::files::{DocumentSet, FileError, Located, NodeConfig, nearest};
use drydock_core::{ScheduleName, files};
use tempfile::TempDir;

pub use access::{cluster_access, judge_certificates};
pub use check::check;
pub use load::{files_of, read_documents, refuse_timetables, refused};
pub use need::Need;
pub use network::http_config;
pub use prepare::{BACKOFF_MS, BACKOFF_MS_MAX, Tell, asked};
pub use roles::Roles;
pub use sanity::check_clock;
pub use station::Station;
pub use workshop::{Workshop, compiler, judged_config, read_component};

use crate::cli::args::{Global, LogFormat};
use crate::cli::print;
use crate::exit::Failure;
use crate::telemetry;

/// Names that an error lists; more would hide the sentence.
const NAMED_MAX: usize = 10;

/// Warnings about documents that a verb shows; `schedule check` shows them all.
const WARNINGS_MAX: usize = 8;

/// The node's configuration and the documents that it names, as far as they are needed.
pub struct Node {
    pub config: Located<NodeConfig>,
    pub documents: DocumentSet,
    /// Whether something is wrong that was not needed: there may be more documents than
    /// these.
    pub is_partial: bool,
    /// The state folder of a node that is made up for a target's folder; it goes with it.
    lent: Option<TempDir>,
}

/// What a schedule does.
pub enum Work<'a> {
    Backup(Box<files::Workflow<'a>>),
    Drill(files::DrillWork<'a>),
}

impl Node {
    /// Reads configuration and documents as far as they are needed, and starts logging as
    /// they and the command line say. What is wrong elsewhere is a warning.
    pub fn load(global: &Global, need: &Need<'_>) -> Result<Self, Failure> {
        let (config, mut warnings) = load::node_config(&global.config, need)?;
        start_logging(global, &config.value)?;
        let usable = load::documents(&config, need)?;
        warnings.extend(usable.warnings);
        warn(&warnings);
        Ok(Self {
            config,
            documents: usable.set,
            is_partial: !warnings.is_empty(),
            lent: None,
        })
    }

    /// Reads configuration and documents again, for a daemon that is running: all are sound,
    /// or it fails. The log goes on as it was started.
    pub fn reload(config: &Path) -> Result<Self, Failure> {
        let (config, _) = load::node_config(config, &Need::ALL)?;
        let documents = load::documents(&config, &Need::ALL)?.set;
        Ok(Self {
            config,
            documents,
            is_partial: false,
            lent: None,
        })
    }

    /// Whether this node has no configuration: it was made up for a folder.
    pub fn is_made_up(&self) -> bool {
        self.lent.is_some()
    }

    pub fn state(&self) -> &Path {
        &self.config.value.spec.state
    }

    /// What the schedule does, or a sentence that names the nearest schedule.
    pub fn work(&self, schedule: &ScheduleName) -> Result<Work<'_>, Failure> {
        if let Some(drill) = self.documents.drill(schedule) {
            return Ok(Work::Drill(drill));
        }
        self.workflow(schedule)
            .map(|workflow| Work::Backup(Box::new(workflow)))
    }

    /// The schedule's workflow, or a sentence that names the nearest schedule. One that
    /// drills has none.
    pub fn workflow(&self, schedule: &ScheduleName) -> Result<files::Workflow<'_>, Failure> {
        self.documents.workflow(schedule).ok_or_else(|| {
            let known = self.documents.schedules().map(|s| s.value.name.as_str());
            unknown("schedule", schedule.as_str(), known)
        })
    }

    /// The target of that name, or a sentence that names the nearest one.
    pub fn target(&self, name: &str) -> Result<&Located<files::Target>, Failure> {
        let mut targets = self.documents.targets();
        targets
            .find(|target| target.value.name.as_str() == name)
            .ok_or_else(|| {
                let known = self.documents.targets().map(|t| t.value.name.as_str());
                unknown("target", name, known)
            })
    }
}

/// Says what is wrong that nobody needs now.
fn warn(warnings: &[FileError]) {
    for warning in warnings.iter().take(WARNINGS_MAX) {
        print::note(&format!("warning: {warning}"));
    }
    if let Some(more @ 1..) = warnings.len().checked_sub(WARNINGS_MAX) {
        print::note(&format!(
            "warning: {more} more documents are wrong; `drydock schedule check` tells of all"
        ));
    }
}

fn unknown<'a>(kind: &str, name: &str, known: impl Iterator<Item = &'a str>) -> Failure {
    let known: Vec<&str> = known.collect();
    let hint = match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean {near}?"),
        None if known.is_empty() => "no document defines any".to_owned(),
        None if known.len() <= NAMED_MAX => format!("there are: {}", known.join(", ")),
        None => format!("there are {}, see the documents", known.len()),
    };
    Failure::usage(anyhow::anyhow!("there is no {kind} {name}; {hint}"))
}

fn start_logging(global: &Global, config: &NodeConfig) -> Result<(), Failure> {
    let log = &config.spec.log;
    let format = global.log_format.unwrap_or(match log.format {
        files::node::LogFormat::Text => LogFormat::Text,
        files::node::LogFormat::Json => LogFormat::Json,
    });
    let level = global.log_level.as_deref().unwrap_or(log.level.word());
    telemetry::start(format, level).map_err(|text| Failure::usage(anyhow::anyhow!(text)))
}

//! What this node is told, resolved step by step: [`Node`] is configuration and
//! documents, [`Workshop`] adds the sandbox with the plugins, [`Station`] adds the state
//! folder, which one process holds at a time.

mod access;
mod check;
mod limits;
mod load;
mod network;
mod places;
mod prepare;
mod roles;
mod sanity;
mod secrets;
mod station;
mod workshop;

use std::path::{Path, PathBuf};

use drydock_core::files::{DocumentSet, Located, NodeConfig, nearest};
use drydock_core::{ScheduleName, files};

pub use access::cluster_access;
pub use check::check;
pub use load::{check_timetables, files_of, read_documents};
pub use network::http_config;
pub use prepare::{BACKOFF_MS, BACKOFF_MS_MAX};
pub use roles::Roles;
pub use sanity::check_clock;
pub use station::Station;
pub use workshop::{Workshop, accept_config, compiler, read_component};

use crate::cli::args::{Global, LogFormat};
use crate::exit::Failure;
use crate::telemetry;

/// Names that an error lists; more would hide the sentence.
const NAMED_MAX: usize = 10;

/// The node's configuration and every document that it names.
pub struct Node {
    pub config: Located<NodeConfig>,
    pub documents: DocumentSet,
}

/// What a schedule does.
pub enum Work<'a> {
    Backup(Box<files::Workflow<'a>>),
    Drill(files::DrillWork<'a>),
}

impl Node {
    /// Reads configuration and documents, and starts logging as they and the command
    /// line say.
    pub fn load(global: &Global) -> Result<Self, Failure> {
        let config = load::node_config(&global.config)?;
        start_logging(global, &config.value)?;
        let documents = load::documents(&config)?;
        Ok(Self { config, documents })
    }

    /// Reads configuration and documents again, for a daemon that is running. The log goes
    /// on as it was started.
    pub fn reload(config: &Path) -> Result<Self, Failure> {
        let config = load::node_config(config)?;
        let documents = load::documents(&config)?;
        Ok(Self { config, documents })
    }

    pub fn state(&self) -> &Path {
        &self.config.value.spec.state
    }

    pub fn journal_path(&self) -> PathBuf {
        self.state().join(drydock_journal::JOURNAL_FILE)
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

//! What there is to tell, gathered from the host once. Texts are plain and cut to size here,
//! so that whoever renders them need not look again.

use std::collections::BTreeMap;

use drydock_plugin_sdk::Value;
use drydock_plugin_sdk::configuration::{self, RunState, RunStep, StepState};
use serde::Serialize;
use serde_json::Value as Json;

use crate::config::Config;
use crate::text::cut;

/// Longest sentence, in bytes: of a fault, a reason, a step, an input.
const SENTENCE_BYTES_MAX: usize = 1000;

/// Most reasons, steps and inputs of each; a reader is done long before.
const ENTRIES_MAX: usize = 64;

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Notice {
    /// The same in every attempt: a receiver that saw it has seen this.
    pub dedup_key: String,
    pub status: Status,
    pub summary: String,
    pub cluster: String,
    pub schedule: Option<String>,
    pub run: String,
    /// RFC 3339.
    pub due: String,
    #[serde(skip)]
    pub due_seconds: u64,
    /// The step that tells, and which try of it this is.
    pub step: String,
    pub attempt: u32,
    pub recovery_point: Option<String>,
    pub failure: Option<Problem>,
    pub reasons: Vec<String>,
    /// Without the one that tells.
    pub steps: Vec<Step>,
    pub inputs: BTreeMap<String, Json>,
    pub labels: BTreeMap<String, String>,
    pub text: Option<String>,
}

/// How the run goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Good,
    Degraded,
    Failed,
}

#[derive(Debug, Clone, Serialize)]
pub struct Problem {
    pub code: String,
    pub message: String,
}

#[derive(Debug, Clone, Serialize)]
pub struct Step {
    pub name: String,
    pub kind: String,
    pub state: &'static str,
    /// Of one that failed.
    pub code: Option<String>,
    pub why: Option<String>,
}

/// What the host says beside how the run goes.
pub struct Call {
    pub key: String,
    pub cluster: String,
    pub run: String,
    pub due: u64,
    pub step: String,
    pub attempt: u32,
    pub inputs: Vec<(String, Value)>,
}

impl Notice {
    pub fn gather(config: &Config) -> Self {
        let call = Call {
            key: configuration::key(),
            cluster: configuration::cluster(),
            run: configuration::run(),
            due: configuration::due(),
            step: configuration::step_name(),
            attempt: configuration::attempt(),
            inputs: configuration::inputs(),
        };
        Self::of(config, call, configuration::run_so_far())
    }

    pub fn of(config: &Config, call: Call, so_far: Option<RunState>) -> Self {
        let schedule = so_far.as_ref().map(|run| run.schedule.clone());
        let recovery_point = so_far.as_ref().and_then(|run| run.recovery_point.clone());
        let (failure, reasons, steps) = so_far.map_or_else(Default::default, |run| {
            (run.failure, run.reasons, run.steps)
        });
        let others = steps.into_iter().filter(|step| step.name != call.step);
        let steps = others.take(ENTRIES_MAX).map(Step::of).collect();
        let mut notice = Self {
            dedup_key: call.key,
            status: Status::Good,
            summary: String::new(),
            cluster: call.cluster,
            schedule,
            run: call.run,
            due: instant(call.due),
            due_seconds: call.due,
            step: call.step,
            attempt: call.attempt,
            recovery_point,
            failure: failure.map(|error| Problem {
                code: error.code,
                message: cut(&error.message, SENTENCE_BYTES_MAX),
            }),
            reasons: sentences(reasons),
            steps,
            inputs: inputs(call.inputs),
            labels: config.labels.clone(),
            text: config.text.clone(),
        };
        notice.status = notice.status();
        notice.summary = crate::text::summary(&notice);
        notice
    }

    fn status(&self) -> Status {
        match (&self.failure, self.reasons.is_empty()) {
            (Some(_), _) => Status::Failed,
            (None, false) => Status::Degraded,
            (None, true) => Status::Good,
        }
    }
}

impl Step {
    fn of(step: RunStep) -> Self {
        Self {
            name: step.name,
            kind: step.kind,
            state: word(step.state),
            code: step.code,
            why: step.why.map(|why| cut(&why, SENTENCE_BYTES_MAX)),
        }
    }
}

/// RFC 3339, in UTC.
pub fn instant(seconds: u64) -> String {
    drydock_plugin_sdk::instant::to_rfc3339(seconds)
}

fn sentences(texts: Vec<String>) -> Vec<String> {
    let texts = texts.into_iter().take(ENTRIES_MAX);
    texts.map(|text| cut(&text, SENTENCE_BYTES_MAX)).collect()
}

fn inputs(inputs: Vec<(String, Value)>) -> BTreeMap<String, Json> {
    let inputs = inputs.into_iter().take(ENTRIES_MAX);
    inputs.map(|(name, value)| (name, json(value))).collect()
}

/// JSON that is too long to be told is cut as a text.
fn json(value: Value) -> Json {
    match value {
        Value::Text(text) => Json::from(cut(&text, SENTENCE_BYTES_MAX)),
        Value::Integer(number) => Json::from(number),
        Value::Flag(flag) => Json::from(flag),
        Value::Bytes(bytes) => {
            let bytes = bytes.iter().take(SENTENCE_BYTES_MAX);
            let hex: String = bytes.map(|byte| format!("{byte:02x}")).collect();
            Json::from(cut(&hex, SENTENCE_BYTES_MAX))
        }
        Value::Json(text) if text.len() <= SENTENCE_BYTES_MAX => {
            serde_json::from_str(&text).unwrap_or(Json::Null)
        }
        Value::Json(text) => Json::from(cut(&text, SENTENCE_BYTES_MAX)),
    }
}

fn word(state: StepState) -> &'static str {
    match state {
        StepState::Pending => "pending",
        StepState::Running => "running",
        StepState::Waiting => "waiting",
        StepState::Asking => "asking",
        StepState::Held => "held",
        StepState::Done => "done",
        StepState::Failed => "failed",
        StepState::Skipped => "skipped",
        StepState::Undoing => "undoing",
        StepState::Undone => "undone",
        StepState::Other => "other",
    }
}

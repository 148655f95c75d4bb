//! Adapters for what an action says: `outcome`, `plan` and `hold`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use drydock_capability_secret::Redactor;
use drydock_core::action::{HANDLE_BYTES_MAX, OUTPUTS_MAX};
use drydock_core::{
    ActionManifest, ErrorCode, Fault, Finding, HoldEnd, HoldKind, HoldOrder, Level,
    VALUE_BYTES_MAX, Value, plain,
};

use crate::guest::Guest;
use crate::redact::GuestText as _;
use crate::world::Answer;
use crate::world::contract::types::{Finding as WitFinding, Value as WitValue};
use crate::world::contract::{hold, outcome, plan};

/// Findings, reasons and lines of one call each. An operator reads them.
const ENTRIES_MAX: usize = 1000;

/// Longest reason and line of a plan.
const SENTENCE_BYTES_MAX: usize = 4096;

/// What an action said in one call.
#[derive(Default)]
pub(crate) struct Said {
    pub outputs: BTreeMap<String, Value>,
    pub findings: Vec<Finding>,
    pub reasons: Vec<String>,
    pub lines: Vec<String>,
    pub hold: Option<HoldEnd>,
    /// Whether it ever said that it holds.
    pub is_held: bool,
    /// Once it said more than anybody reads.
    pub too_much: Option<Fault>,
}

/// Where that is written down. Clones are the same.
#[derive(Clone)]
pub(crate) struct OutcomeBook {
    manifest: Arc<ActionManifest>,
    said: Arc<Mutex<Said>>,
}

impl OutcomeBook {
    pub fn new(manifest: ActionManifest) -> Self {
        Self {
            manifest: Arc::new(manifest),
            said: Arc::default(),
        }
    }

    /// All of it; nothing is left.
    pub fn take(&self) -> Said {
        std::mem::take(&mut self.said())
    }

    fn said(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn output(&self, name: &str, value: Value) -> Result<(), Fault> {
        let Some(declared) = self.manifest.outputs.get(name) else {
            return Err(no_such_output(name, &self.manifest));
        };
        let (is, size) = (value.value_type(), value.size());
        if is != *declared {
            return Err(Fault::permanent(
                ErrorCode::WrongType,
                format!(
                    "output {name} is {} by the plugin's manifest, and the plugin gave {}: mend the plugin",
                    declared.word(),
                    is.word()
                ),
            ));
        }
        if size > VALUE_BYTES_MAX {
            return Err(Fault::permanent(
                ErrorCode::TooLarge,
                format!(
                    "output {name} has {size} bytes, and {VALUE_BYTES_MAX} is the most of one: what is larger belongs into an artifact"
                ),
            ));
        }
        self.said().outputs.insert(name.to_owned(), value);
        Ok(())
    }

    fn add<T>(&self, what: &str, entry: T, list: impl Fn(&mut Said) -> &mut Vec<T>) {
        let mut said = self.said();
        if list(&mut said).len() < ENTRIES_MAX {
            list(&mut said).push(entry);
        } else if said.too_much.is_none() {
            said.too_much = Some(Fault::permanent(
                ErrorCode::TooLarge,
                format!(
                    "the plugin said more than {ENTRIES_MAX} {what} in one call: mend the plugin"
                ),
            ));
        }
    }
}

impl Said {
    /// Refuses what nobody can read.
    pub fn bounded(&self) -> Result<(), Fault> {
        self.too_much.clone().map_or(Ok(()), Err)
    }

    /// The last failure that was found is how the call ended.
    pub fn verdict(&self) -> Result<(), Fault> {
        self.bounded()?;
        let mut findings = self.findings.iter().rev();
        findings
            .find(|found| found.level == Level::Failure)
            .map_or(Ok(()), |failed| {
                let code = ErrorCode::of(&failed.code);
                Err(Fault::permanent(code, failed.message.clone()))
            })
    }

    /// What is left of the findings and reasons, a sentence each.
    pub fn unheard(&self) -> impl Iterator<Item = String> {
        let findings = self.findings.iter();
        let findings = findings.map(|found| format!("found {}: {}", found.code, found.message));
        let reasons = self.reasons.iter().map(|why| format!("degraded: {why}"));
        findings.chain(reasons)
    }
}

impl Guest {
    fn book(&self) -> OutcomeBook {
        let book = self.parts.get::<OutcomeBook>().cloned();
        // A call that has none has no power either; nobody reads what it says here.
        book.unwrap_or_else(|| OutcomeBook::new(ActionManifest::default()))
    }
}

impl outcome::Host for Guest {
    async fn output(&mut self, name: String, value: WitValue) -> Answer<()> {
        let done =
            value_of(value, &self.redactor).and_then(|value| self.book().output(&name, value));
        Ok(done.map_err(Into::into))
    }

    async fn keep(&mut self, kept: String) -> Answer<()> {
        let is_plain = plain(&kept, kept.len()) == kept && self.redactor.text(&kept) == kept;
        if kept.is_empty() || kept.len() > HANDLE_BYTES_MAX || !is_plain {
            return Ok(Err(bad_handle().into()));
        }
        let events = Arc::clone(&self.context.events);
        self.on_main(async move { events.keep(kept).await }).await
    }

    async fn found(&mut self, mut finding: WitFinding) -> wasmtime::Result<()> {
        finding.redact(&self.redactor);
        let finding = Finding::from(finding);
        self.book()
            .add("findings", finding, |said| &mut said.findings);
        Ok(())
    }

    async fn degraded(&mut self, why: String) -> wasmtime::Result<()> {
        let why = plain(&self.redactor.text(&why), SENTENCE_BYTES_MAX);
        self.book().add("reasons", why, |said| &mut said.reasons);
        Ok(())
    }
}

impl plan::Host for Guest {
    async fn line(&mut self, text: String) -> wasmtime::Result<()> {
        let line = plain(&self.redactor.text(&text), SENTENCE_BYTES_MAX);
        self.book().add("lines", line, |said| &mut said.lines);
        Ok(())
    }
}

impl hold::Host for Guest {
    async fn held(&mut self, evidence: String, milliseconds_max: u32) -> Answer<hold::Order> {
        let book = self.book();
        if book.manifest.hold != Some(HoldKind::Session) {
            return Ok(Err(no_hold().into()));
        }
        book.said().is_held = true;
        let evidence = plain(&self.redactor.text(&evidence), HANDLE_BYTES_MAX);
        let at_most = Duration::from_millis(u64::from(milliseconds_max));
        let (events, mut stop) = (Arc::clone(&self.context.events), self.context.stop.clone());
        self.on_main(async move {
            // A run that is to stop wants nothing held.
            let order = tokio::select! {
                order = events.held(evidence, at_most) => order?,
                _ = crate::step::asked_to_stop(&mut stop) => HoldOrder::LetGo,
            };
            Ok(match order {
                HoldOrder::GoOn => hold::Order::GoOn,
                HoldOrder::LetGo => hold::Order::LetGo,
            })
        })
        .await
    }

    async fn ended(&mut self, how: hold::End) -> wasmtime::Result<()> {
        let end = match how {
            hold::End::ToTheEnd => HoldEnd::ToTheEnd,
            hold::End::Lost(why) => HoldEnd::Lost {
                why: plain(&self.redactor.text(&why), SENTENCE_BYTES_MAX),
            },
        };
        // What was lost once did not hold to the end.
        let book = self.book();
        let mut said = book.said();
        if !matches!(said.hold, Some(HoldEnd::Lost { .. })) {
            said.hold = Some(end);
        }
        Ok(())
    }
}

/// It is kept with the run, and so without secrets.
fn value_of(value: WitValue, redactor: &Redactor) -> Result<Value, Fault> {
    Ok(match value {
        WitValue::Text(text) => Value::Text(redactor.text(&text)),
        WitValue::Integer(number) => Value::Integer(number),
        WitValue::Flag(flag) => Value::Flag(flag),
        WitValue::Bytes(bytes) => Value::Bytes(redactor.bytes(&bytes).unwrap_or(bytes)),
        WitValue::Json(json) => Value::Json(serde_json::from_str(&redactor.text(&json)).map_err(
            |error| {
                Fault::permanent(
                    ErrorCode::WrongType,
                    format!("what the plugin gave as JSON is none ({error}): mend the plugin"),
                )
            },
        )?),
    })
}

fn no_such_output(name: &str, manifest: &ActionManifest) -> Fault {
    let declared: Vec<&str> = manifest.outputs.keys().map(String::as_str).collect();
    let declared = if declared.is_empty() {
        "none".to_owned()
    } else {
        declared.join(", ")
    };
    Fault::permanent(
        ErrorCode::NoSuchOutput,
        format!(
            "the plugin gave output {}, and its manifest declares {declared} (at most {OUTPUTS_MAX}): mend the plugin",
            plain(name, 64)
        ),
    )
}

fn bad_handle() -> Fault {
    Fault::permanent(
        ErrorCode::TooLarge,
        format!(
            "a handle of what is kept is 1 to {HANDLE_BYTES_MAX} bytes of plain text, without a secret"
        ),
    )
}

fn no_hold() -> Fault {
    Fault::permanent(
        ErrorCode::NoHold,
        "only a plugin whose manifest says `hold: session` holds something as long as its run goes on",
    )
}

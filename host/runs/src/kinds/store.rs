//! `target: NAME`: a part of the recovery point. What all verify steps passed is kept at a
//! target.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use drydock_core::{Grants, RunSubject, StepName};
use drydock_documents::{FileError, Located, Lookup, Step, Target as TargetDocument, Workflow};
use drydock_point::model::StorePin;
use drydock_repository::Recipient;
use drydock_sandbox::{CallObserver, StepCall};

use crate::PrepareError;
use crate::kind::{AccessOf, CheckContext, Part, PrepareContext, StepKind, StepRef, StorePart};
use crate::steps::{Attempts, Store, TargetGuard};

/// Calls of one store step whose words are kept with the run, the first ones: a plugin that
/// has something to say of each of ten thousand parts must not fill the journal.
const CALL_LOGS_MAX: u32 = 256;

/// The same in bytes, of all calls together.
const CALL_LOGS_BYTES_MAX: u64 = 8 * 1024 * 1024;

pub struct StoreStep;

#[async_trait]
impl StepKind for StoreStep {
    fn word(&self) -> &'static str {
        "target"
    }

    async fn check_config(&self, at: StepRef<'_>, check: CheckContext<'_>) -> Vec<PrepareError> {
        let env = &*at.registry.node.deps.env;
        let sealed = at.target().and_then(|target| Ok(recipients(target, env)?));
        let judged = at.judge_target(check).await;
        [sealed.err(), judged.err()].into_iter().flatten().collect()
    }

    fn prepare(&self, at: StepRef<'_>, context: &PrepareContext<'_>) -> Result<Part, PrepareError> {
        let document = at.target()?;
        let tools = context.tools;
        let call = StepCall {
            etcd: None,
            ..tools.call_of(at.step)
        };
        let grants = Arc::new(OnceLock::new());
        let attempts = tools.attempts.clone();
        let observer = observer(at.step.name.clone(), attempts, Arc::clone(&grants));
        let target = at.registry.target(document, call, observer)?;
        let name = document.value.name.clone();
        let plugin = target.plugin();
        grants.get_or_init(|| plugin.grants().clone());
        let spec = &document.value.spec;
        let pin = StorePin {
            pin: at.pin(plugin),
            target: name.clone(),
            required: at.step.required,
            identity: spec
                .identity
                .as_ref()
                .map(|identity| identity.kind().to_owned()),
            retain_days: spec.retain_days,
        };
        let guard = TargetGuard::new(
            name.clone(),
            Arc::clone(&context.tools.attempts.journal),
            Arc::clone(&context.tools.attempts.clock),
            Arc::clone(&tools.targets),
            spec.create,
        );
        Ok(Part::Store(Box::new(StorePart {
            pin,
            recipients: recipients(document, &*at.registry.node.deps.env)?,
            grace: plugin.limits().stop_grace_max,
            store: Store {
                step: at.step.name.clone(),
                name,
                cleanup: Arc::new(target.for_cleanup()),
                target: Arc::new(target),
                guard: Arc::new(guard),
                clock: Arc::clone(&context.tools.attempts.clock),
                retain_days: spec.retain_days,
            },
        })))
    }

    /// What it adds there is in nobody's way.
    fn subjects(&self, _: &Step, _: &Workflow<'_>, _: AccessOf<'_>) -> Vec<RunSubject> {
        Vec::new()
    }
}

/// Whom artifacts are sealed to at a target.
fn recipients(
    document: &Located<TargetDocument>,
    env: &dyn Lookup,
) -> Result<Vec<Recipient>, FileError> {
    let lines = document.recipients(env)?;
    lines
        .iter()
        .map(|line| {
            Recipient::parse(line)
                .map_err(|error| document.sentence("spec.recipients", error.to_string()))
        })
        .collect()
}

/// Keeps what a store plugin said, if it said anything. What it can reach is known once it is
/// bound, before its first call.
fn observer(step: StepName, attempts: Attempts, grants: Arc<OnceLock<Grants>>) -> CallObserver {
    let (calls, said) = (AtomicU32::new(0), AtomicU64::new(0));
    Arc::new(move |call, log| {
        if log.is_empty() {
            return;
        }
        let number = calls.fetch_add(1, Ordering::Relaxed) + 1;
        let bytes: usize = log.lines.iter().map(|line| line.text.len()).sum();
        let before = said.fetch_add(bytes as u64, Ordering::Relaxed);
        if number > CALL_LOGS_MAX || before + bytes as u64 > CALL_LOGS_BYTES_MAX {
            return;
        }
        let name = StepName::new(format!("{step}/{call}"));
        let (attempts, grants) = (attempts.clone(), Arc::clone(&grants));
        tokio::task::spawn_blocking(move || {
            let running = attempts.start(&name, number, grants.get());
            running.end::<()>(Ok(&()), &log);
        });
    })
}

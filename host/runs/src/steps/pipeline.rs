//! What happens to the bytes of an output while they stream in.
//!
//! The worker thread that the capability crate gives us appends each piece to the plain
//! spool, hashes it and checks its pages; a second thread compresses and encrypts the same pieces
//! into the sealed spool, whose growth the engine hears of, so that parts leave before
//! the stream has ended. At the end the two are joined, the bytes are examined, and the
//! sealed spool is synced before the engine is told that the output is whole.
//!
//! A crash leaves the sealed spool's file, which the run's next attempt or its end
//! removes; the plain spool has no name and is gone.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use drydock_capability_artifact::spool::SpoolReader;
use drydock_capability_artifact::{OutputSink, PlainSpool};
use drydock_core::{Clock, ErrorCode, Fault, OutputId, StepName, UnixTime};
use drydock_engine::{
    model::{Event, SealedOutput},
    runner::Events,
    state::{RunState, check_output_count, name_taken},
};

use super::examine::{Examined, Examiner};
use super::nature::Checker;
use super::seal::{SealThread, Sealed, Sealing};
use super::spool::{SealedSpool, spool_fault};
use super::stopwatch::Stopwatch;

/// Plain bytes of finished outputs, for the verify steps of the same process.
#[derive(Default)]
pub struct PlainSpools(Mutex<HashMap<OutputId, SpoolReader>>);

/// What every output of an attempt shares.
pub struct PipelineContext {
    pub spool: SealedSpool,
    pub sealing: Sealing,
    pub examiner: Examiner,
    pub plain: Arc<PlainSpools>,
    pub clock: Arc<dyn Clock>,
    pub events: Events,
}

/// Makes the surroundings of one attempt's outputs.
pub type PipelineFactory = Box<dyn Fn(Events) -> PipelineContext + Send + Sync>;

/// What the outputs of an attempt must leave alone: those of the run's other steps.
#[derive(Default)]
pub struct Taken {
    pub outputs: BTreeSet<OutputId>,
    /// Artifacts by name, with the step that made each.
    names: BTreeMap<String, StepName>,
    /// Name of the artifact that is an etcd snapshot, if there is one.
    snapshot: Option<String>,
}

/// The daemon's end of a backup step's outputs.
pub struct Pipeline {
    context: PipelineContext,
    step: StepName,
    taken: Taken,
    next: OutputId,
    open: Option<OpenOutput>,
}

struct OpenOutput {
    output: OutputId,
    name: String,
    secret: bool,
    opened: UnixTime,
    streaming: Stopwatch,
    plain: PlainSpool,
    checker: Checker,
    seal: SealThread,
}

impl Taken {
    /// What counts of a run in which no backup step is under way.
    pub fn of(state: &RunState) -> Self {
        let mut taken = Self::default();
        for output in state.live_outputs() {
            taken.outputs.insert(output.id);
            let is_snapshot = output.sealed().is_some_and(|s| s.nature.is_snapshot());
            taken.add(&output.name, &output.step, is_snapshot);
        }
        taken
    }

    fn add(&mut self, name: &str, step: &StepName, is_snapshot: bool) {
        self.names.insert(name.to_owned(), step.clone());
        if is_snapshot {
            self.snapshot = Some(name.to_owned());
        }
    }

    fn refuse_name(&self, name: &str) -> Result<(), Fault> {
        match self.names.get(name) {
            Some(step) => Err(name_taken(name, step)),
            None => Ok(()),
        }
    }

    /// A recovery point has one revision, one lineage, one predecessor: those of its only
    /// snapshot.
    fn refuse_snapshot(&self, name: &str) -> Result<(), Fault> {
        match &self.snapshot {
            Some(first) => Err(second_snapshot(name, first)),
            None => Ok(()),
        }
    }
}

impl Pipeline {
    /// The outputs of one attempt of `step`; the first gets the number `first`.
    pub fn new(context: PipelineContext, step: StepName, taken: Taken, first: OutputId) -> Self {
        Self {
            context,
            step,
            taken,
            next: first,
            open: None,
        }
    }

    fn tell(&self, event: Event) -> Result<(), Fault> {
        self.context.events.blocking_send(event).map_err(|_| {
            Fault::new(
                drydock_core::ErrorClass::Cancelled,
                ErrorCode::RunEnded,
                "the run that the output belongs to has ended",
            )
        })
    }

    fn close(&mut self, open: OpenOutput) -> Result<(), Fault> {
        let closed = self.context.clock.now();
        let OpenOutput {
            output,
            name,
            secret,
            opened,
            plain,
            checker,
            seal,
            ..
        } = open;
        let plain = plain.reader();
        let plain_sha256 = checker.digest();
        let Examined { nature, findings } = self.examine(&name, &plain, checker)?;
        self.taken.add(&name, &self.step, nature.is_snapshot());
        let sealing = Stopwatch::begin();
        let Sealed {
            sealed_size,
            sealed_sha256,
        } = seal.finish()?;
        tracing::info!(%output, sealing_ms = sealing.ms(), sealed_size, "the output is sealed");
        let sealed = SealedOutput {
            output,
            name,
            secret,
            plain_size: drydock_core::ReadAt::size(&plain),
            plain_sha256: plain_sha256.to_string(),
            sealed_size,
            sealed_sha256,
            opened,
            closed,
            nature,
            findings,
        };
        self.context.plain.keep(output, plain);
        self.tell(Event::OutputSealed {
            sealed: Box::new(sealed),
        })
    }

    /// What the plain bytes are; takes place while the sealing thread still works.
    fn examine(
        &self,
        name: &str,
        plain: &SpoolReader,
        checker: Checker,
    ) -> Result<Examined, Fault> {
        let tree = Stopwatch::begin();
        let streamed = checker.finish();
        tracing::info!(
            name,
            tree_ms = tree.ms(),
            "the output's structure is judged"
        );
        self.context.examiner.examine(plain, streamed)
    }
}

impl OutputSink for Pipeline {
    fn open(&mut self, name: &str, secret: bool) -> Result<(), Fault> {
        self.context.sealing.allow(name, secret)?;
        self.taken.refuse_name(name)?;
        let output = self.next;
        check_output_count(&self.step, output)?;
        self.next = OutputId(output.0 + 1);
        let plain = self.context.spool.plain()?;
        let file = self.context.spool.create(output)?;
        let seal = SealThread::start(
            &self.context.sealing,
            file,
            self.context.spool.folder(),
            output,
            self.context.events.clone(),
        )?;
        self.tell(Event::OutputOpened {
            step: self.step.clone(),
            output,
            name: name.to_owned(),
            secret,
            object_suffix: drydock_node::random_hex::<8>()?,
            extension: self.context.sealing.extension().to_owned(),
        })?;
        self.open = Some(OpenOutput {
            output,
            name: name.to_owned(),
            secret,
            opened: self.context.clock.now(),
            streaming: Stopwatch::begin(),
            plain,
            checker: Checker::new(),
            seal,
        });
        Ok(())
    }

    fn write(&mut self, bytes: Vec<u8>) -> Result<(), Fault> {
        let open = self.open.as_mut().ok_or_else(no_output)?;
        open.plain
            .append(&bytes)
            .map_err(|error| spool_fault(&error))?;
        open.checker.push(&bytes);
        if open.checker.is_snapshot() {
            self.taken.refuse_snapshot(&open.name)?;
        }
        // Last, since the piece itself goes to the other thread: nothing is copied.
        open.seal.write(bytes)
    }

    fn finish(&mut self) -> Result<(), Fault> {
        let open = self.open.take().ok_or_else(no_output)?;
        let output = open.output;
        tracing::info!(%output, stream_ms = open.streaming.ms(), "the output's stream ended");
        let closed = self.close(open);
        if let Err(fault) = &closed {
            // Whatever was staged of it must go; the engine aborts it on this word.
            let _ = self.tell(Event::OutputDiscarded {
                output,
                reason: fault.clone(),
            });
        }
        closed
    }

    fn discard(&mut self, reason: Fault) {
        if let Some(open) = self.open.take() {
            let output = open.output;
            open.seal.give_up();
            let _ = self.tell(Event::OutputDiscarded { output, reason });
        }
    }
}

impl PlainSpools {
    fn keep(&self, output: OutputId, plain: SpoolReader) {
        self.lock().insert(output, plain);
    }

    /// The plain bytes of an output that this process produced.
    pub fn get(&self, output: OutputId) -> Option<SpoolReader> {
        self.lock().get(&output).cloned()
    }

    /// Frees the bytes of every output.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// Frees the bytes of the outputs that are not wanted.
    pub fn keep_only(&self, wanted: impl Fn(OutputId) -> bool) {
        self.lock().retain(|output, _| wanted(*output));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<OutputId, SpoolReader>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Denied: neither another member nor a second try can change it.
fn second_snapshot(name: &str, first: &str) -> Fault {
    Fault::denied(
        ErrorCode::SecondSnapshot,
        format!(
            "{name} is an etcd snapshot, and this recovery point has {first}, which is one too: it can hold one only, so back the other up by a schedule of its own"
        ),
    )
}

fn no_output() -> Fault {
    Fault::permanent(ErrorCode::OutputClosed, "no output is open")
}

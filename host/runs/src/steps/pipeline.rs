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

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use drydock_capability_artifact::spool::SpoolReader;
use drydock_capability_artifact::{OutputSink, PlainSpool};
use drydock_core::{Clock, ErrorCode, Fault, OutputId, UnixTime};
use drydock_engine::{Emissions, model::Emission};
use drydock_point::model::{OutputEvent, SealedOutput};

use super::examine::{Examined, Examiner};
use super::nature::Checker;
use super::outputs::AttemptOutputs;
use super::previous::Asking;
use super::seal::{SealThread, Sealed, Sealing};
use super::spool::{SealedSpool, spool_fault};
use super::stopwatch::Stopwatch;

/// Plain bytes of finished outputs, for the verify steps of the same process.
#[derive(Default)]
pub struct PlainSpools(Mutex<HashMap<OutputId, SpoolReader>>);

/// What every output of a run shares.
#[derive(Clone)]
pub struct PipelineContext {
    pub spool: SealedSpool,
    pub sealing: Sealing,
    pub examiner: Examiner,
    pub plain: Arc<PlainSpools>,
    pub clock: Arc<dyn Clock>,
}

/// The daemon's end of a backup step's outputs.
pub struct Pipeline {
    context: PipelineContext,
    emissions: Emissions,
    outputs: AttemptOutputs,
    /// Whether the cut of the attempt is still to be told.
    says_cut: bool,
    /// What is asked while a snapshot streams in.
    asking: Option<Asking>,
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

impl Pipeline {
    /// The outputs of one attempt. With `says_cut` it tells the run at the first bytes of an
    /// etcd snapshot that its data are of this instant. What else streams in is of the time
    /// that it takes, so that its cut is the end of the attempt.
    pub fn new(
        context: PipelineContext,
        emissions: Emissions,
        outputs: AttemptOutputs,
        says_cut: bool,
    ) -> Self {
        Self {
            context,
            emissions,
            outputs,
            says_cut,
            asking: None,
            open: None,
        }
    }

    fn tell(&self, event: OutputEvent) -> Result<(), Fault> {
        self.emit(Emission::Output(event))
    }

    fn emit(&self, emission: Emission) -> Result<(), Fault> {
        self.emissions.blocking_send(emission).map_err(|_| {
            Fault::new(
                drydock_core::ErrorClass::Cancelled,
                ErrorCode::RunEnded,
                "the run that the output belongs to has ended",
            )
        })
    }

    /// Notes that the open output is an etcd snapshot.
    fn found_snapshot(&mut self, output: OutputId) -> Result<(), Fault> {
        self.outputs.is_snapshot(output)?;
        if std::mem::take(&mut self.says_cut) {
            self.emit(Emission::Cut)?;
        }
        Ok(())
    }

    fn give_up(&self, output: OutputId, reason: Fault) {
        self.outputs.discard(output);
        // Whatever was staged of it must go; the engine aborts it on this word.
        let _ = self.tell(OutputEvent::Discarded { output, reason });
    }

    fn begin(&mut self, output: OutputId, name: &str, secret: bool) -> Result<(), Fault> {
        let plain = self.context.spool.plain()?;
        let file = self.context.spool.create(output)?;
        let seal = SealThread::start(
            &self.context.sealing,
            file,
            self.context.spool.folder(),
            output,
            self.emissions.clone(),
        )?;
        self.tell(OutputEvent::Opened {
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
        if nature.is_snapshot() {
            self.found_snapshot(output)?;
        }
        let sealing = Stopwatch::begin();
        let Sealed {
            sealed_size,
            sealed_sha256,
            sums,
        } = seal.finish()?;
        self.context.spool.keep_sums(output, sums);
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
        self.tell(OutputEvent::Sealed {
            sealed: Box::new(sealed),
        })
    }

    /// What the plain bytes are; takes place while the sealing thread still works.
    fn examine(
        &mut self,
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
        let asking = self.asking.take();
        self.context.examiner.examine(plain, streamed, asking)
    }
}

impl OutputSink for Pipeline {
    fn open(&mut self, name: &str, secret: bool) -> Result<(), Fault> {
        self.context.sealing.allow(name, secret)?;
        let output = self.outputs.open(name)?;
        let opened = self.begin(output, name, secret);
        opened.inspect_err(|_| self.outputs.discard(output))
    }

    fn write(&mut self, bytes: Vec<u8>) -> Result<(), Fault> {
        let open = self.open.as_mut().ok_or_else(no_output)?;
        open.plain
            .append(&bytes)
            .map_err(|error| spool_fault(&error))?;
        open.checker.push(&bytes);
        if open.checker.is_snapshot() {
            let output = open.output;
            self.found_snapshot(output)?;
            let examiner = &self.context.examiner;
            self.asking.get_or_insert_with(|| examiner.look_back());
        }
        // Last, since the piece itself goes to the other thread: nothing is copied.
        let open = self.open.as_mut().ok_or_else(no_output)?;
        open.seal.write(bytes)
    }

    fn finish(&mut self) -> Result<(), Fault> {
        let open = self.open.take().ok_or_else(no_output)?;
        let output = open.output;
        tracing::info!(%output, stream_ms = open.streaming.ms(), "the output's stream ended");
        let closed = self.close(open);
        if let Err(fault) = &closed {
            self.give_up(output, fault.clone());
        }
        closed
    }

    fn discard(&mut self, reason: Fault) {
        self.asking = None;
        if let Some(open) = self.open.take() {
            let output = open.output;
            open.seal.give_up();
            self.give_up(output, reason);
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

fn no_output() -> Fault {
    Fault::permanent(ErrorCode::OutputClosed, "no output is open")
}

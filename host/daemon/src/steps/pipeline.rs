//! What happens to the bytes of an output while they stream in.
//!
//! The worker thread that the capability crate gives us appends each piece to the plain
//! spool, hashes it and checks its pages; a second thread compresses and encrypts the same pieces
//! into the sealed spool, whose growth the engine hears of, so that parts leave before
//! the stream has ended. At the end the two are joined, the facts are gathered, and the
//! sealed spool is synced before the engine is told that the output is whole.
//!
//! A crash leaves the sealed spool's file, which the run's next attempt or its end
//! removes; the plain spool has no name and is gone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use drydock_capability_local::spool::SpoolReader;
use drydock_capability_local::{OutputSink, PlainSpool};
use drydock_core::{FactValue, Facts, Fault, OutputId, UnixTime};
use drydock_engine::model::{Event, SealedOutput};
use drydock_engine::runner::Events;
use drydock_repository::{Sha256, Tally};
use drydock_snapshot::StreamCheck;

use super::facts::{FactGatherer, SnapshotCheck};
use super::lap::Lap;
use super::seal::{SealThread, Sealed, Sealing};
use super::spool::{SealedSpool, spool_fault};

/// Bytes at the start of a database that tell it from anything else: the page header and
/// the magic number of bbolt's first meta page.
const SNIFF_BYTES: usize = 20;

/// Where bbolt's magic number stands in the first page, little-endian.
const MAGIC_OFFSET: usize = 16;
const MAGIC: [u8; 4] = 0xED0C_DAED_u32.to_le_bytes();

/// Plain bytes of finished outputs, for the verify steps of the same process.
#[derive(Default)]
pub struct PlainSpools(Mutex<HashMap<OutputId, SpoolReader>>);

/// What every output of an attempt shares.
pub struct PipelineContext {
    pub spool: SealedSpool,
    pub sealing: Sealing,
    pub facts: FactGatherer,
    pub plain: Arc<PlainSpools>,
    pub events: Events,
}

/// Makes the surroundings of one attempt's outputs.
pub type PipelineFactory = Box<dyn Fn(Events) -> PipelineContext + Send + Sync>;

/// The daemon's end of a backup step's outputs.
pub struct Pipeline {
    context: PipelineContext,
    next: OutputId,
    open: Option<OpenOutput>,
}

struct OpenOutput {
    output: OutputId,
    name: String,
    secret: bool,
    opened: UnixTime,
    streaming: Lap,
    plain: PlainSpool,
    head: Vec<u8>,
    check: Check,
    seal: SealThread,
}

/// Page checks, once it is known whether the bytes are a database at all; and, in the same
/// pass, the digest of all bytes.
enum Check {
    /// So few bytes so far that they are still held in the head.
    Unknown,
    NoDatabase(Box<Tally>),
    Running(Box<StreamCheck>),
}

impl Pipeline {
    pub fn new(context: PipelineContext, first: OutputId) -> Self {
        Self {
            context,
            next: first,
            open: None,
        }
    }

    fn tell(&self, event: Event) -> Result<(), Fault> {
        self.context.events.blocking_send(event).map_err(|_| {
            Fault::new(
                drydock_core::ErrorClass::Cancelled,
                "run-ended",
                "the run that the output belongs to has ended",
            )
        })
    }

    fn close(&mut self, open: OpenOutput) -> Result<(), Fault> {
        let OpenOutput {
            output,
            name,
            secret,
            opened,
            plain,
            head,
            check,
            seal,
            ..
        } = open;
        let plain = plain.reader();
        let plain_sha256 = check.digest(&head);
        let facts = self.judge_bytes(&name, opened, &plain, check)?;
        let sealing = Lap::begin();
        let Sealed {
            sealed_size,
            sealed_sha256,
        } = seal.finish()?;
        tracing::info!(%output, sealing_ms = sealing.ms(), sealed_size, "the output is sealed");
        let mut facts = facts;
        facts.set("artifact.sha256", FactValue::Bytes(plain_sha256.0.to_vec()));
        let sealed = SealedOutput {
            output,
            name,
            secret,
            plain_size: drydock_core::ReadAt::size(&plain),
            plain_sha256: plain_sha256.to_string(),
            sealed_size,
            sealed_sha256,
            facts,
        };
        self.context.plain.keep(output, plain);
        self.tell(Event::OutputSealed {
            sealed: Box::new(sealed),
        })
    }

    /// Facts of the plain bytes; takes place while the sealing thread still works.
    fn judge_bytes(
        &self,
        name: &str,
        opened: UnixTime,
        plain: &SpoolReader,
        check: Check,
    ) -> Result<Facts, Fault> {
        let tree = Lap::begin();
        let outcome = match check {
            Check::Unknown | Check::NoDatabase(_) => None,
            Check::Running(check) => Some(SnapshotCheck::of(check.finish())),
        };
        tracing::info!(
            name,
            tree_ms = tree.ms(),
            "the output's structure is judged"
        );
        self.context.facts.gather(name, opened, plain, outcome)
    }
}

impl OutputSink for Pipeline {
    fn open(&mut self, name: &str, secret: bool) -> Result<(), Fault> {
        self.context.sealing.allow(name, secret)?;
        let output = self.next;
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
            output,
            name: name.to_owned(),
            secret,
            object_suffix: super::random_hex::<8>()?,
            extension: self.context.sealing.extension().to_owned(),
        })?;
        self.open = Some(OpenOutput {
            output,
            name: name.to_owned(),
            secret,
            opened: self.context.facts.clock.now(),
            streaming: Lap::begin(),
            plain,
            head: Vec::with_capacity(SNIFF_BYTES),
            check: Check::Unknown,
            seal,
        });
        Ok(())
    }

    fn write(&mut self, bytes: Vec<u8>) -> Result<(), Fault> {
        let open = self.open.as_mut().ok_or_else(no_output)?;
        open.plain
            .append(&bytes)
            .map_err(|error| spool_fault(&error))?;
        open.check(&bytes);
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

impl OpenOutput {
    fn check(&mut self, bytes: &[u8]) {
        match &mut self.check {
            Check::Unknown => self.sniff(bytes),
            Check::NoDatabase(tally) => tally.update(bytes),
            Check::Running(check) => {
                // What nothing can mend is told again at the end; until then only the
                // digest goes on.
                let _ = check.push(bytes);
            }
        }
    }

    /// Gathers the first bytes until they tell what the artifact is, then feeds what was
    /// held back to the checker.
    fn sniff(&mut self, bytes: &[u8]) {
        self.head.extend_from_slice(bytes);
        if self.head.len() < SNIFF_BYTES {
            return;
        }
        let head = std::mem::take(&mut self.head);
        if head[MAGIC_OFFSET..MAGIC_OFFSET + MAGIC.len()] == MAGIC {
            self.check = Check::Running(Box::new(StreamCheck::new()));
        } else {
            self.check = Check::NoDatabase(Box::new(Tally::new()));
        }
        self.check(&head);
    }
}

impl Check {
    fn digest(&self, head: &[u8]) -> Sha256 {
        match self {
            Self::Unknown => Sha256::of(head),
            Self::NoDatabase(tally) => tally.as_ref().clone().finish().sha256,
            Self::Running(check) => Sha256(check.digest()),
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

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<OutputId, SpoolReader>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn no_output() -> Fault {
    Fault::permanent("output-closed", "no output is open")
}

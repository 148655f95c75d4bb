//! The thread that seals an output while it streams in.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use drydock_core::{ErrorCode, Fault, OutputId};
use drydock_engine::{Emissions, model::Emission};
use drydock_point::model::OutputEvent;
use drydock_repository::{Recipient, Sealer, seal::Options};

use super::block_sums::{BlockSummer, BlockSums};
use super::spool::write_fault;

/// Pieces on their way to the sealing thread. A piece is usually 32 KiB (a message of
/// etcd's stream) and never more than 1 MiB: 2 MiB in the usual case, enough for the two
/// threads not to wait for each other at every piece.
const QUEUE_PIECES_MAX: usize = 64;

/// The engine hears of sealed bytes in steps of this size: far below a part, so that no
/// part waits for it, and far above a piece, so that hearing costs nothing.
const ADVANCE_BYTES: u64 = 1024 * 1024;

/// How the outputs of a run are sealed: for everyone who will keep them.
#[derive(Clone)]
pub struct Sealing {
    pub recipients: Vec<Recipient>,
    /// Name of a target that has no recipient, if there is one.
    pub open_target: Option<String>,
}

/// What sealing amounted to. The digest in lower-case hex.
pub struct Sealed {
    pub sealed_size: u64,
    pub sealed_sha256: String,
    pub sums: BlockSums,
}

/// A sealing thread; it ends when its queue does.
pub struct SealThread {
    pieces: SyncSender<Vec<u8>>,
    thread: JoinHandle<Result<Sealed, Fault>>,
}

/// Counts and sums up what reaches the file and tells the engine.
struct Spooled {
    file: File,
    sums: BlockSummer,
    output: OutputId,
    emissions: Emissions,
    written: u64,
    told: u64,
    /// For messages only.
    folder: PathBuf,
}

impl Sealing {
    /// Refuses a secret output that a target would keep unsealed.
    pub fn allow(&self, name: &str, secret: bool) -> Result<(), Fault> {
        match &self.open_target {
            // Denied: no other member and no second try can change it.
            Some(target) if secret => Err(Fault::denied(
                ErrorCode::NoRecipient,
                format!(
                    "{name} is secret, and target {target} has no recipient to seal it for: add `recipients: [age1...]` to its Target"
                ),
            )),
            _ => Ok(()),
        }
    }

    /// What the object's name ends with.
    pub fn extension(&self) -> &'static str {
        if self.recipients.is_empty() {
            "zst"
        } else {
            "zst.age"
        }
    }
}

impl SealThread {
    pub fn start(
        sealing: &Sealing,
        file: File,
        folder: &Path,
        output: OutputId,
        emissions: Emissions,
    ) -> Result<Self, Fault> {
        let (pieces, queue) = sync_channel(QUEUE_PIECES_MAX);
        let spooled = Spooled {
            file,
            sums: BlockSummer::default(),
            output,
            emissions,
            written: 0,
            told: 0,
            folder: folder.to_owned(),
        };
        let recipients = sealing.recipients.clone();
        let thread = std::thread::Builder::new()
            .name(format!("seal-{output}"))
            .spawn(move || seal(&recipients, spooled, &queue))
            .map_err(|error| {
                Fault::transient(
                    ErrorCode::NoThread,
                    format!("no thread can be started for sealing: {error}"),
                )
            })?;
        Ok(Self { pieces, thread })
    }

    /// Hands a piece over; waits while the queue is full.
    pub fn write(&mut self, bytes: Vec<u8>) -> Result<(), Fault> {
        self.pieces.send(bytes).map_err(|_| {
            Fault::transient(
                ErrorCode::SealingFailed,
                "sealing ended early; finishing the output says why",
            )
        })
    }

    /// Ends the output; the sealed spool is synced when this returns.
    pub fn finish(self) -> Result<Sealed, Fault> {
        drop(self.pieces);
        join(self.thread)
    }

    /// Ends the thread without caring for what it made.
    pub fn give_up(self) {
        drop(self.pieces);
        let _ = join(self.thread);
    }
}

impl Write for Spooled {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.sums.update(&bytes[..count]);
        self.written += count as u64;
        if self.written - self.told >= ADVANCE_BYTES {
            self.told = self.written;
            // A run that is over has no use for the news, and a busy one hears the next ones.
            let _ = self
                .emissions
                .try_send(Emission::Output(OutputEvent::Advanced {
                    output: self.output,
                    sealed_bytes: self.written,
                }));
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn seal(
    recipients: &[Recipient],
    spooled: Spooled,
    queue: &Receiver<Vec<u8>>,
) -> Result<Sealed, Fault> {
    let folder = spooled.folder.clone();
    let failed = |error: io::Error| write_fault(&folder, &error);
    let mut sealer =
        Sealer::new(spooled, recipients, Options::default()).map_err(|error| seal_fault(&error))?;
    while let Ok(piece) = queue.recv() {
        sealer.write_all(&piece).map_err(failed)?;
    }
    let (spooled, sealed) = sealer.finish().map_err(|error| seal_fault(&error))?;
    spooled.file.sync_all().map_err(failed)?;
    Ok(Sealed {
        sealed_size: sealed.size,
        sealed_sha256: sealed.sha256.to_string(),
        sums: spooled.sums.finish(),
    })
}

fn seal_fault(error: &dyn std::error::Error) -> Fault {
    Fault::permanent(
        ErrorCode::SealingFailed,
        format!("the snapshot cannot be sealed: {error}"),
    )
}

fn join(thread: JoinHandle<Result<Sealed, Fault>>) -> Result<Sealed, Fault> {
    thread.join().unwrap_or_else(|_| {
        Err(Fault::permanent(
            ErrorCode::SealingFailed,
            "the sealing thread panicked",
        ))
    })
}

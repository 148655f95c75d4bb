//! The folder in which sealed outputs wait until their run is over.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use drydock_capability_artifact::errno::class_of;
use drydock_capability_artifact::spool::free_bytes;
use drydock_capability_artifact::{PlainSpool, SpoolError};
use drydock_core::{ErrorClass, ErrorCode, Fault, OutputId, ReadAt, RunId};
use drydock_repository::{Measure, Sha256, Tally};

use super::block_sums::{BLOCK_BYTES, BlockSummer, BlockSums};

/// The sealed spool of one run: `<state>/spool/<run>/<output>.sealed`.
#[derive(Debug, Clone)]
pub struct SealedSpool {
    root: PathBuf,
    folder: PathBuf,
    /// Of the outputs that this process sealed, or hashed since.
    sums: Arc<Mutex<HashMap<OutputId, BlockSums>>>,
    /// Held while one is hashed: parts that leave side by side wait for the same answer.
    hashing: Arc<Mutex<()>>,
}

/// A sealed output that is being stored. Once it is whole, each block that is read of it is
/// looked at.
pub struct SealedFile {
    file: File,
    size: u64,
    sums: Option<BlockSums>,
}

/// What a spool has of an output whose digest is known.
pub enum WholeSpool {
    /// All of it, as it was written.
    Sound(SealedFile),
    /// Nothing, or nothing that could be read.
    Gone(Fault),
    /// Other bytes than were written.
    Rotten(Fault),
}

impl WholeSpool {
    #[must_use]
    pub fn sound(self) -> Option<SealedFile> {
        match self {
            Self::Sound(sealed) => Some(sealed),
            Self::Gone(_) | Self::Rotten(_) => None,
        }
    }
}

impl SealedSpool {
    /// `root` is the folder of all spools. Nothing is created yet.
    pub fn new(root: &Path, run: &RunId) -> Self {
        Self {
            root: root.to_owned(),
            folder: root.join(run.as_str()),
            sums: Arc::default(),
            hashing: Arc::default(),
        }
    }

    /// An unnamed file for plain bytes, on the same file system.
    pub fn plain(&self) -> Result<PlainSpool, Fault> {
        create_folder(&self.root)?;
        PlainSpool::create(&self.root).map_err(|error| spool_fault(&error))
    }

    /// A new file for sealed bytes. One that a dead attempt left under this name is
    /// replaced: its output was discarded.
    pub fn create(&self, output: OutputId) -> Result<File, Fault> {
        create_folder(&self.folder)?;
        self.sums().remove(&output);
        let path = self.path(output);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(self.fault(&error)),
            _ => {}
        }
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(|error| self.fault(&error))?;
        File::open(&self.folder)
            .and_then(|folder| folder.sync_all())
            .map_err(|error| self.fault(&error))?;
        Ok(file)
    }

    /// Opens a sealed output that has at least so many bytes. Code `spool-missing` when it is
    /// gone; not where this node cannot open it just now.
    pub fn open(&self, output: OutputId, bytes_min: u64) -> Result<SealedFile, Fault> {
        let failed = |error: io::Error| self.unread(output, &error);
        let file = File::open(self.path(output)).map_err(failed)?;
        let size = file.metadata().map_err(failed)?.len();
        if size < bytes_min {
            let why = format!("it has {size} bytes, and {bytes_min} were written");
            return Err(self.missing(output, &why));
        }
        let sums = self.sums().get(&output).cloned();
        Ok(SealedFile { file, size, sums })
    }

    /// By what the blocks of an output that was sealed just now are known again.
    pub fn keep_sums(&self, output: OutputId, sums: BlockSums) {
        self.sums().insert(output, sums);
    }

    /// Opens a whole sealed output, and finds out whether it is what its digest says: by the
    /// sums that were kept with the digest, or by hashing it anew where another process
    /// sealed it. Blocks.
    pub fn open_whole(&self, output: OutputId, wanted: Measure) -> WholeSpool {
        let _hashing = self.hashing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sealed = match self.open(output, wanted.size) {
            Ok(sealed) => sealed,
            Err(fault) => return WholeSpool::Gone(fault),
        };
        if sealed.sums.is_none() || sealed.size != wanted.size {
            let (sums, sha256) = match sealed.sum_up() {
                Ok(summed) => summed,
                Err(error) => return WholeSpool::Gone(self.unread(output, &error)),
            };
            if sha256 != wanted.sha256 {
                return WholeSpool::Rotten(self.rotten(output));
            }
            self.keep_sums(output, sums.clone());
            sealed.sums = Some(sums);
        }
        WholeSpool::Sound(sealed)
    }

    /// Whether a range of a sound spool has changed since it was opened first, and how that is
    /// told. Blocks.
    pub fn changed(
        &self,
        output: OutputId,
        wanted: Measure,
        (offset, length): (u64, u64),
    ) -> Option<Fault> {
        let sealed = match self.open_whole(output, wanted) {
            WholeSpool::Sound(sealed) => sealed,
            WholeSpool::Rotten(fault) => return Some(fault),
            WholeSpool::Gone(_) => return None,
        };
        let block = BLOCK_BYTES as u64;
        let end = offset.saturating_add(length).min(sealed.size);
        let mut at = offset / block * block;
        let mut bytes = vec![0; BLOCK_BYTES];
        while at < end {
            let left = usize::try_from(sealed.size - at).unwrap_or(BLOCK_BYTES);
            let read = sealed.read_exact_at(&mut bytes[..left.min(BLOCK_BYTES)], at);
            if read.is_err_and(|error| error.kind() == io::ErrorKind::InvalidData) {
                return Some(self.rotten(output));
            }
            at += block;
        }
        None
    }

    fn missing(&self, output: OutputId, why: &str) -> Fault {
        let spool = self.path(output);
        let message = format!("the sealed spool {} cannot be read: {why}", spool.display());
        Fault::permanent(ErrorCode::SpoolMissing, message).not_done()
    }

    /// What passes is no loss of what the spool holds.
    fn unread(&self, output: OutputId, error: &io::Error) -> Fault {
        let fault = self.missing(output, &error.to_string());
        match class_of(error) {
            class @ ErrorClass::Transient => Fault {
                class,
                code: ErrorCode::SpoolFailed,
                ..fault
            },
            _ => fault,
        }
    }

    fn rotten(&self, output: OutputId) -> Fault {
        let message = format!(
            "the sealed spool {} holds other bytes than were written to it: look at the disk of the state folder, and at the node's memory",
            self.path(output).display()
        );
        tracing::warn!("{message}");
        Fault::permanent(ErrorCode::SpoolMissing, message).not_done()
    }

    fn sums(&self) -> MutexGuard<'_, HashMap<OutputId, BlockSums>> {
        self.sums.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes the sealed files of these outputs. No error for one that has none.
    pub fn remove_those(&self, outputs: &[OutputId]) -> Result<(), Fault> {
        for output in outputs {
            match fs::remove_file(self.path(*output)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(self.fault(&error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Removes everything that the run left in the spool. No error when nothing is there.
    pub fn remove(&self) -> Result<(), Fault> {
        match fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.fault(&error)),
            _ => Ok(()),
        }
    }

    fn path(&self, output: OutputId) -> PathBuf {
        self.folder.join(format!("{output}.sealed"))
    }

    fn fault(&self, error: &io::Error) -> Fault {
        write_fault(&self.folder, error)
    }

    /// Where the sealed outputs of this run lie.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl ReadAt for SealedFile {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)?;
        let sums = self.sums.as_ref();
        match sums.and_then(|sums| sums.changed(buffer, offset, self.size)) {
            None => Ok(()),
            Some(block) => Err(changed(block)),
        }
    }
}

impl SealedFile {
    /// Reads all of it once.
    fn sum_up(&self) -> io::Result<(BlockSums, Sha256)> {
        let (mut summer, mut tally) = (BlockSummer::default(), Tally::new());
        let mut block = vec![0; BLOCK_BYTES];
        while tally.size() < self.size {
            let left = usize::try_from(self.size - tally.size()).unwrap_or(BLOCK_BYTES);
            let bytes = &mut block[..left.min(BLOCK_BYTES)];
            self.file.read_exact_at(bytes, tally.size())?;
            summer.update(bytes);
            tally.update(bytes);
        }
        Ok((summer.finish(), tally.finish().sha256))
    }
}

fn changed(block: u64) -> io::Error {
    let message = format!(
        "the sealed spool holds other bytes than were written to it, in the mebibyte from byte {block} on: look at the disk of the state folder, and at the node's memory"
    );
    io::Error::new(io::ErrorKind::InvalidData, message)
}

/// What a failure of the plain spool means.
pub fn spool_fault(error: &SpoolError) -> Fault {
    match error {
        SpoolError::NoSpace { .. } => Fault::transient(ErrorCode::NoSpace, error.to_string()),
        SpoolError::Create { folder, source }
        | SpoolError::Write { folder, source }
        | SpoolError::Free { folder, source } => write_fault(folder, source),
    }
}

/// What a failed write to the spool means.
pub fn write_fault(folder: &Path, error: &io::Error) -> Fault {
    let spool = folder.display();
    let or_move = "or move `state:` of the node's configuration";
    let class = class_of(error);
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Fault::new(
            class,
            ErrorCode::NoSpace,
            format!(
                "the file system of the spool {spool} is full{}: make room there, {or_move}",
                free(folder)
            ),
        ),
        io::ErrorKind::ReadOnlyFilesystem => Fault::new(
            class,
            ErrorCode::ReadOnly,
            format!(
                "the file system of the spool {spool} is mounted read-only: remount it for writing, {or_move}"
            ),
        ),
        _ => Fault::new(
            class,
            ErrorCode::SpoolFailed,
            format!(
                "the spool {spool} cannot be written ({}): see that the folder and its disk are well, {or_move}",
                drydock_core::reason(error)
            ),
        ),
    }
}

/// How much room is left, where that can be told.
fn free(folder: &Path) -> String {
    free_bytes(folder).map_or_else(
        |_| String::new(),
        |bytes| format!(" ({bytes} bytes are free)"),
    )
}

pub fn create_folder(folder: &Path) -> Result<(), Fault> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|error| write_fault(folder, &error))
}

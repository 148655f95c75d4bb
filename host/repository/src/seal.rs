//! Sealing: plain bytes -> zstd -> age -> a writer, and back. The sealed side is counted
//! and hashed while it passes, so nothing is read twice; the plain side is hashed by
//! whoever brings it, for it may have another use for the same pass. Without recipients
//! the age layer is left out.
//!
//! A sealer works on the thread that writes into it, with zstd on a thread of its own
//! when [`Options::workers`] is not zero. A sealer that is dropped before
//! [`Sealer::finish`] leaves a torso that [`unseal`] refuses.

use std::io::{self, BufReader, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use age::stream::{StreamReader, StreamWriter};
use serde::{Deserialize, Serialize};

use crate::digest::{Measure, Tallied};
use crate::recipient::{Identities, Recipient};

/// zstd's level unless told otherwise. Measured on one thread with a 145 MB snapshot of
/// etcd full of pods: level 1 took 0.37 CPU seconds and left 16.7 MB, level 3 took 0.76
/// and left 18.1 MB.
pub const LEVEL_DEFAULT: i32 = 1;

/// zstd's own levels without the ones that need more memory to open than `zstd -d`
/// takes by default.
pub const LEVEL_MAX: i32 = 19;

/// More threads than this gain nothing: age runs on one.
pub const WORKERS_MAX: u32 = 4;

/// How hard and with how many threads to compress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// 1 to [`LEVEL_MAX`]; clamped.
    pub level: i32,
    /// Threads of their own for zstd, up to [`WORKERS_MAX`]; 0 compresses on the
    /// thread that writes.
    pub workers: u32,
}

/// What keeps an artifact's bytes private.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sealing {
    /// An age file.
    Age,
    /// Nothing.
    None,
}

/// Takes plain bytes and writes sealed ones.
pub struct Sealer<W: Write> {
    plain_bytes: u64,
    sealing: Sealing,
    sealed_bytes: Arc<AtomicU64>,
    encoder: zstd::Encoder<'static, Envelope<W>>,
}

/// Gives the plain bytes of a sealed stream. The bytes are only as good as the digest
/// that the caller compares at the end.
pub struct Unsealed<R: Read>(zstd::Decoder<'static, BufReader<Opened<R>>>);

/// A sealer could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    #[error("the recipients cannot be combined in one age file")]
    Recipients(#[source] age::EncryptError),
    #[error("sealed bytes cannot be written")]
    Write(#[source] io::Error),
    #[error("the compressor cannot be set up")]
    Compressor(#[source] io::Error),
}

/// A sealed stream could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum UnsealError {
    #[error(
        "none of the identities opens this artifact: give the secret key of one of the recipients it was sealed to"
    )]
    NoMatchingIdentity,
    #[error("the artifact is sealed and no identity was given: give the secret key of a recipient")]
    NoIdentity,
    #[error("the sealed bytes do not begin like an age file: they are damaged or something else")]
    Damaged(#[source] age::DecryptError),
    #[error("the decompressor cannot be set up")]
    Decompressor(#[source] io::Error),
}

enum Envelope<W: Write> {
    Age(Box<StreamWriter<Sealside<W>>>),
    None(Box<Sealside<W>>),
}

enum Opened<R: Read> {
    Age(Box<StreamReader<R>>),
    None(R),
}

/// Hashes what leaves, and lets others see how much that is.
struct Sealside<W> {
    inner: Tallied<W>,
    sealed_bytes: Arc<AtomicU64>,
}

impl Sealing {
    /// Of the artifact's object.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::Age => "zst.age",
            Self::None => "zst",
        }
    }

    /// What a target with these recipients uses.
    #[must_use]
    pub fn of(recipients: &[Recipient]) -> Self {
        if recipients.is_empty() {
            Self::None
        } else {
            Self::Age
        }
    }
}

impl<W: Write> Sealer<W> {
    /// Seals to `recipients`, or only compresses when there are none. An age header
    /// is written to `inner` at once.
    ///
    /// # Errors
    /// When the recipients do not go together or `inner` refuses the header.
    pub fn new(inner: W, recipients: &[Recipient], options: Options) -> Result<Self, SealError> {
        let sealed_bytes = Arc::new(AtomicU64::new(0));
        let sealside = Sealside {
            inner: Tallied::new(inner),
            sealed_bytes: Arc::clone(&sealed_bytes),
        };
        let sealing = Sealing::of(recipients);
        let envelope = Envelope::new(sealside, sealing, recipients)?;
        Ok(Self {
            plain_bytes: 0,
            sealing,
            sealed_bytes,
            encoder: encoder(envelope, options).map_err(SealError::Compressor)?,
        })
    }

    #[must_use]
    pub fn sealing(&self) -> Sealing {
        self.sealing
    }

    /// Plain bytes taken so far.
    #[must_use]
    pub fn plain_bytes(&self) -> u64 {
        self.plain_bytes
    }

    /// Sealed bytes handed to the writer so far.
    #[must_use]
    pub fn sealed_bytes(&self) -> u64 {
        self.sealed_bytes.load(Ordering::Acquire)
    }

    /// Writes what is left and the end marks of zstd and age; gives the sealed side's
    /// size and digest.
    ///
    /// # Errors
    /// What the writer says.
    pub fn finish(self) -> io::Result<(W, Measure)> {
        let mut sealside = match self.encoder.finish()? {
            Envelope::Age(stream) => stream.finish()?,
            Envelope::None(sealside) => *sealside,
        };
        sealside.flush()?;
        Ok(sealside.inner.finish())
    }
}

/// Opens a sealed stream.
///
/// # Errors
/// When no identity fits, or the stream does not begin as its sealing says.
pub fn unseal<R: Read>(
    reader: R,
    sealing: Sealing,
    identities: &Identities,
) -> Result<Unsealed<R>, UnsealError> {
    let opened = match sealing {
        Sealing::None => Opened::None(reader),
        Sealing::Age => Opened::Age(Box::new(open_age(reader, identities)?)),
    };
    // The window is bounded by zstd's own default of 128 MiB.
    zstd::Decoder::new(opened)
        .map(Unsealed)
        .map_err(UnsealError::Decompressor)
}

impl<W: Write> Envelope<W> {
    fn new(
        sealside: Sealside<W>,
        sealing: Sealing,
        recipients: &[Recipient],
    ) -> Result<Self, SealError> {
        match sealing {
            Sealing::None => Ok(Self::None(Box::new(sealside))),
            Sealing::Age => {
                let recipients = recipients.iter().map(Recipient::as_age);
                age::Encryptor::with_recipients(recipients)
                    .map_err(SealError::Recipients)?
                    .wrap_output(sealside)
                    .map(|stream| Self::Age(Box::new(stream)))
                    .map_err(SealError::Write)
            }
        }
    }
}

impl<W: Write> Write for Sealer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.encoder.write(bytes)?;
        self.plain_bytes += count as u64;
        Ok(count)
    }

    /// Does nothing: a flush would end a zstd block early, and the sealed bytes of a
    /// stream that goes on are of no use to anybody.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<W: Write> Write for Envelope<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Age(stream) => stream.write(bytes),
            Self::None(sealside) => sealside.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Age(stream) => stream.flush(),
            Self::None(sealside) => sealside.flush(),
        }
    }
}

impl<W: Write> Write for Sealside<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.sealed_bytes
            .store(self.inner.size(), Ordering::Release);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<R: Read> Read for Unsealed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl<R: Read> Read for Opened<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Age(stream) => stream.read(buffer),
            Self::None(reader) => reader.read(buffer),
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            level: LEVEL_DEFAULT,
            workers: 1,
        }
    }
}

fn encoder<W: Write>(
    envelope: Envelope<W>,
    options: Options,
) -> io::Result<zstd::Encoder<'static, Envelope<W>>> {
    let level = options.level.clamp(1, LEVEL_MAX);
    let mut encoder = zstd::Encoder::new(envelope, level)?;
    encoder.include_checksum(true)?;
    if options.workers > 0 {
        encoder.multithread(options.workers.min(WORKERS_MAX))?;
    }
    Ok(encoder)
}

fn open_age<R: Read>(reader: R, identities: &Identities) -> Result<StreamReader<R>, UnsealError> {
    if identities.is_empty() {
        return Err(UnsealError::NoIdentity);
    }
    age::Decryptor::new(reader)
        .and_then(|decryptor| decryptor.decrypt(identities.iter()))
        .map_err(|error| match error {
            age::DecryptError::NoMatchingKeys => UnsealError::NoMatchingIdentity,
            other => UnsealError::Damaged(other),
        })
}

#[cfg(test)]
mod tests;

//! Fetching an artifact: ranges from the target go through a channel to a blocking
//! thread that hashes them and opens the seal; a second thread hashes what comes out and
//! writes it, since the two digests cost more than all the rest.
//!
//! The digests are compared before a [`Fetched`] is given out. The caller writes into
//! a file without a name of its own and renames it only then; what was written before
//! an error is worth nothing.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use tokio::sync::mpsc;

use super::{RecoveryPoint, Repository, label};
use crate::digest::{BodyTally, Measure, Sha256, Tallied};
use crate::error::RepositoryError;
use crate::manifest::Artifact;
use crate::object::{self, PIECES_AHEAD};
use crate::recipient::Identities;
use crate::seal::{Sealing, UnsealError, unseal};

/// Bytes that are opened at once.
const COPY_BYTES: usize = 128 * 1024;

/// Opened pieces on their way to the thread that writes: 1 MiB, enough for neither of
/// the two to wait at every piece.
const PLAIN_PIECES_MAX: usize = 8;

/// In which form an artifact is handed over.
#[derive(Debug, Clone)]
pub enum Form {
    /// As it is stored.
    Sealed,
    /// Opened and decompressed.
    Plain(Arc<Identities>),
}

/// An artifact that was written whole and whose digests are those of the manifest.
#[derive(Debug)]
pub struct Fetched<W> {
    pub sink: W,
    pub sealed: Measure,
    /// None when it was handed over sealed.
    pub plain: Option<Measure>,
    /// The digest of the plain bytes before the last 32: what an etcd snapshot has to end
    /// in. None when it was handed over sealed.
    pub plain_body: Option<Sha256>,
}

/// What to do with the stored bytes, away from the async threads.
struct Task<W> {
    object: String,
    sealed: Measure,
    opening: Option<Opening>,
    sink: W,
}

struct Opening {
    sealing: Sealing,
    identities: Arc<Identities>,
    plain: Measure,
}

/// How opening ended; the stored bytes are judged before it.
enum Opened {
    Whole(Plain),
    Broken(io::Error),
    Longer,
    Refused(UnsealError),
}

/// What the plain bytes are: all of them, and those before the last 32.
#[derive(Clone, Copy)]
struct Plain {
    measure: Measure,
    body: Sha256,
}

/// The receiving end of the channel as a reader.
struct Pieces {
    receiver: mpsc::Receiver<Vec<u8>>,
    piece: io::Cursor<Vec<u8>>,
}

impl Form {
    /// The form in which most can be checked.
    pub(super) fn to_check(artifact: &Artifact, identities: Option<&Arc<Identities>>) -> Self {
        match (identities, artifact.sealing) {
            (Some(identities), _) => Self::Plain(Arc::clone(identities)),
            (None, Sealing::None) => Self::Plain(Arc::new(Identities::none())),
            (None, Sealing::Age) => Self::Sealed,
        }
    }
}

impl Repository<'_> {
    /// Writes an artifact of a loaded recovery point into `sink`.
    ///
    /// # Errors
    /// When there is no such artifact, its object is missing or damaged, no identity
    /// opens it, or it cannot be written.
    pub async fn fetch<W: Write + Send + 'static>(
        &self,
        point: &RecoveryPoint,
        artifact: &str,
        sink: W,
        form: Form,
    ) -> Result<Fetched<W>, RepositoryError> {
        let folder = point.manifest.folder()?;
        let Some(entry) = point.manifest.artifact(artifact) else {
            let known: Vec<_> = point
                .manifest
                .artifacts
                .iter()
                .map(|a| a.name.as_str())
                .collect();
            return Err(RepositoryError::NoArtifact {
                point: label(&folder),
                artifact: artifact.to_owned(),
                known: known.join(", "),
            });
        };
        let task = Task {
            object: folder.object(&entry.object),
            sealed: entry.sealed,
            opening: Opening::of(entry, form),
            sink,
        };
        self.carry_out(task).await
    }

    pub(super) async fn fetch_object<W: Write + Send + 'static>(
        &self,
        object: &str,
        sealed: Measure,
        sink: W,
    ) -> Result<(), RepositoryError> {
        let task = Task {
            object: object.to_owned(),
            sealed,
            opening: None,
            sink,
        };
        self.carry_out(task).await.map(|_| ())
    }

    async fn carry_out<W: Write + Send + 'static>(
        &self,
        task: Task<W>,
    ) -> Result<Fetched<W>, RepositoryError> {
        let object = task.object.clone();
        match object::size_of(self.target, &object).await? {
            None => return Err(RepositoryError::Missing { object }),
            Some(size) if size != task.sealed.size => {
                let found = format!("{size} bytes");
                return Err(RepositoryError::damaged(&object, &task.sealed, found));
            }
            Some(_) => {}
        }
        let size = task.sealed.size;
        let (sender, receiver) = mpsc::channel(PIECES_AHEAD);
        let work = tokio::task::spawn_blocking(move || task.run(Pieces::new(receiver)));
        let streamed = object::stream(self.target, &object, size, sender).await;
        let result = work.await.expect("the blocking thread does not panic");
        // A target that failed explains whatever the reader says.
        streamed.map_err(|fault| RepositoryError::target(&object, fault))?;
        result
    }
}

impl Opening {
    fn of(artifact: &Artifact, form: Form) -> Option<Self> {
        match form {
            Form::Sealed => None,
            Form::Plain(identities) => Some(Self {
                sealing: artifact.sealing,
                identities,
                plain: artifact.plain,
            }),
        }
    }

    /// Opens the stream into `sink`. The outer error is the sink's.
    fn run(&self, sealed: impl Read, sink: &mut (impl Write + Send)) -> io::Result<Opened> {
        let plain = match unseal(sealed, self.sealing, &self.identities) {
            Ok(plain) => plain,
            Err(error) => return Ok(Opened::Refused(error)),
        };
        let bytes_max = self.plain.size;
        thread::scope(|scope| {
            let (pieces, queue) = sync_channel(PLAIN_PIECES_MAX);
            let writer = scope.spawn(move || keep(&queue, bytes_max, sink));
            let poured = pour(plain, &pieces);
            drop(pieces);
            let kept = writer.join().expect("writing does not panic")?;
            Ok(match (kept, poured) {
                (None, _) => Opened::Longer,
                (Some(_), Err(error)) => Opened::Broken(error),
                (Some(plain), Ok(())) => Opened::Whole(plain),
            })
        })
    }
}

/// Reads to the end, or until nobody wants more; whoever does not says why.
fn pour(mut plain: impl Read, pieces: &SyncSender<Vec<u8>>) -> io::Result<()> {
    loop {
        let mut piece = vec![0; COPY_BYTES];
        let count = plain.read(&mut piece)?;
        piece.truncate(count);
        if count == 0 || pieces.send(piece).is_err() {
            return Ok(());
        }
    }
}

/// Hashes and writes; none once there is more than `bytes_max`, for a few stored bytes can
/// open to more than any disk holds.
fn keep(
    queue: &Receiver<Vec<u8>>,
    bytes_max: u64,
    sink: &mut impl Write,
) -> io::Result<Option<Plain>> {
    let mut tally = BodyTally::new();
    while let Ok(piece) = queue.recv() {
        tally.update(&piece);
        if tally.size() > bytes_max {
            return Ok(None);
        }
        sink.write_all(&piece)?;
    }
    let (measure, body) = tally.finish();
    Ok(Some(Plain { measure, body }))
}

impl<W: Write + Send> Task<W> {
    fn run(mut self, pieces: Pieces) -> Result<Fetched<W>, RepositoryError> {
        let mut sealed = Tallied::new(pieces);
        let opened = match &self.opening {
            None => copy(&mut sealed, &mut self.sink).map(|()| None),
            Some(opening) => opening.run(&mut sealed, &mut self.sink).map(Some),
        };
        let opened = opened
            .and_then(|opened| self.sink.flush().map(|()| opened))
            .map_err(|source| RepositoryError::Write {
                object: self.object.clone(),
                source,
            })?;
        if let Some(Opened::Refused(
            source @ (UnsealError::NoIdentity | UnsealError::NoMatchingIdentity),
        )) = opened
        {
            let object = self.object;
            return Err(RepositoryError::Unseal { object, source });
        }
        self.judge(sealed, opened)
    }

    /// Reads what the opening left over, so that damage is told as damage.
    fn judge(
        self,
        mut sealed: Tallied<Pieces>,
        opened: Option<Opened>,
    ) -> Result<Fetched<W>, RepositoryError> {
        io::copy(&mut sealed, &mut io::sink()).expect("a channel and a sink do not fail");
        let (_, measure) = sealed.finish();
        if measure != self.sealed {
            return Err(RepositoryError::damaged(
                &self.object,
                &self.sealed,
                told(&measure),
            ));
        }
        let plain = match (opened, &self.opening) {
            (Some(opened), Some(opening)) => Some(opening.judge(&self.object, opened)?),
            _ => None,
        };
        Ok(Fetched {
            sink: self.sink,
            sealed: measure,
            plain: plain.map(|plain| plain.measure),
            plain_body: plain.map(|plain| plain.body),
        })
    }
}

impl Opening {
    fn judge(&self, object: &str, opened: Opened) -> Result<Plain, RepositoryError> {
        let mismatch = |found| Err(RepositoryError::plain_mismatch(object, &self.plain, found));
        let object = object.to_owned();
        match opened {
            Opened::Whole(plain) if plain.measure == self.plain => Ok(plain),
            Opened::Whole(plain) => mismatch(told(&plain.measure)),
            Opened::Longer => mismatch("longer".to_owned()),
            Opened::Broken(source) => Err(RepositoryError::Unreadable { object, source }),
            Opened::Refused(source) => Err(RepositoryError::Unseal { object, source }),
        }
    }
}

impl Pieces {
    fn new(receiver: mpsc::Receiver<Vec<u8>>) -> Self {
        Self {
            receiver,
            piece: io::Cursor::new(Vec::new()),
        }
    }
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.piece.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            match self.receiver.blocking_recv() {
                Some(piece) => self.piece = io::Cursor::new(piece),
                None => return Ok(0),
            }
        }
    }
}

fn copy(source: &mut impl Read, sink: &mut impl Write) -> io::Result<()> {
    io::copy(source, sink).map(|_| ())
}

fn told(measure: &Measure) -> String {
    format!("{} bytes with sha256 {}", measure.size, measure.sha256)
}

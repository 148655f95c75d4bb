//! Appends a file to an output, behind a header of the plugin's own.
//!
//! A header tells how long the file is, and what was written cannot be taken back. So a
//! file is appended in exactly the state that the plugin saw, or not at all: a small one
//! is read whole before the first byte goes out, and one that changed costs nothing. A
//! large one is streamed, and a change in the middle of it breaks the output.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use drydock_core::{CALL_BYTES_MAX, ErrorClass, ErrorCode, Fault};
use rustix::fs::OFlags;

use super::beneath;
use super::fault;
use super::folder::{Folder, blocking};
use super::item::Version;
use drydock_capability_artifact::work::check_bytes;
use drydock_capability_artifact::{Output, too_large};

/// Files up to this size are read whole first: certificates, keys and manifests are a
/// thousand times smaller.
const WHOLE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// A file in the state that the plugin saw.
struct Source {
    folder: Folder,
    path: Vec<u8>,
    file: File,
    version: Version,
    size: u64,
}

impl Folder {
    /// Appends `header`, then all bytes of the file `path`, to `into`. The blocking work
    /// runs on tokio's blocking threads.
    ///
    /// # Errors
    /// `changed-meanwhile` when the file is no longer of that `version`, and nothing was
    /// written: look at it again. `stream-broken` when it changed in the middle: the
    /// output can only be dropped. `bad-path`, `bad-version`, `not-found`, `not-a-file`,
    /// `too-large` for the header or past
    /// [`WORK_BYTES_MAX`](drydock_capability_artifact::WORK_BYTES_MAX), what the output says,
    /// or the kernel.
    pub async fn append(
        &self,
        path: &[u8],
        version: &[u8],
        header: Vec<u8>,
        into: &Output,
    ) -> Result<(), Fault> {
        if header.len() > CALL_BYTES_MAX {
            return Err(too_large(header.len()));
        }
        let version = Version::parse(version)?;
        let (folder, path) = (self.clone(), path.to_vec());
        let source = blocking(move || folder.source(path, version)).await?;
        check_bytes(
            "append",
            source.folder.shown_bytes(&source.path),
            source.size,
        )?;
        if source.size <= WHOLE_BYTES_MAX {
            return source.append_whole(header, into).await;
        }
        into.write(header).await?;
        let streamed = Arc::new(source).stream(into).await;
        streamed.inspect_err(|fault| into.break_off(fault))
    }

    /// Opens the file if it still is what the plugin saw.
    fn source(&self, path: Vec<u8>, version: Version) -> Result<Source, Fault> {
        beneath::check(&path)?;
        let failed = |errno| fault::of(errno, "read", self.shown_bytes(&path));
        // Neither waits on a FIFO nor wakes a device up: nothing but a file has a version
        // that a plugin would want to read, and only a file is read.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let look = beneath::open(self.fd(), &path, OFlags::PATH).map_err(failed)?;
        let stat = rustix::fs::fstat(&look).map_err(failed)?;
        if rustix::fs::FileType::from_raw_mode(stat.st_mode) != rustix::fs::FileType::RegularFile {
            return Err(Fault::denied(
                ErrorCode::NotAFile,
                format!(
                    "cannot read {}: it is not a plain file",
                    self.shown_bytes(&path)
                ),
            ));
        }
        let fd = beneath::open(self.fd(), &path, flags).map_err(failed)?;
        let stat = rustix::fs::fstat(&fd).map_err(failed)?;
        if Version::of(&stat) != version {
            return Err(self.changed(&path, "it is no longer as it was looked at"));
        }
        Ok(Source {
            folder: self.clone(),
            file: File::from(fd),
            size: u64::try_from(stat.st_size).unwrap_or(0),
            path,
            version,
        })
    }

    pub(super) fn changed(&self, path: &[u8], what: &str) -> Fault {
        Fault::transient(
            ErrorCode::ChangedMeanwhile,
            format!(
                "{} changed while it was read: {what}",
                self.shown_bytes(path)
            ),
        )
    }
}

impl Source {
    async fn append_whole(self, header: Vec<u8>, into: &Output) -> Result<(), Fault> {
        let bytes = blocking(move || self.read_whole()).await?;
        into.write(header).await?;
        for piece in bytes.chunks(CALL_BYTES_MAX) {
            into.write(piece.to_vec()).await?;
        }
        Ok(())
    }

    fn read_whole(&self) -> Result<Vec<u8>, Fault> {
        let size = usize::try_from(self.size).expect("a whole file is small");
        let mut bytes = vec![0; size];
        self.file
            .read_exact_at(&mut bytes, 0)
            .map_err(|error| self.told(&error))?;
        self.check_unchanged()?;
        Ok(bytes)
    }

    async fn stream(self: Arc<Self>, into: &Output) -> Result<(), Fault> {
        let mut done = 0;
        while done < self.size {
            let bytes = usize::try_from(self.size - done)
                .map_or(CALL_BYTES_MAX, |left| left.min(CALL_BYTES_MAX));
            let source = Arc::clone(&self);
            let piece = blocking(move || {
                source.folder.work().go_on()?;
                let mut piece = vec![0; bytes];
                let read = source.file.read_exact_at(&mut piece, done);
                read.map(|()| piece).map_err(|error| source.told(&error))
            });
            into.write(piece.await.map_err(broken)?).await?;
            done += bytes as u64;
        }
        blocking(move || self.check_unchanged())
            .await
            .map_err(broken)
    }

    fn check_unchanged(&self) -> Result<(), Fault> {
        let stat = rustix::fs::fstat(&self.file)
            .map_err(|errno| fault::of(errno, "look at", self.folder.shown_bytes(&self.path)))?;
        // A file system may be late with a file's times, never with its end.
        let more = self
            .file
            .read_at(&mut [0], self.size)
            .map_err(|error| self.told(&error))?;
        if more == 0 && Version::of(&stat) == self.version {
            return Ok(());
        }
        Err(self.folder.changed(&self.path, "it was written to"))
    }

    fn told(&self, error: &io::Error) -> Fault {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => self.folder.changed(&self.path, "it became shorter"),
            _ => fault::of_io(error, "read", self.folder.shown_bytes(&self.path)),
        }
    }
}

/// Half of the file is in the output.
fn broken(fault: Fault) -> Fault {
    let class = match fault.class {
        ErrorClass::Denied => ErrorClass::Denied,
        _ => ErrorClass::Transient,
    };
    Fault::new(
        class,
        ErrorCode::StreamBroken,
        format!(
            "{}; the archive broke off in the middle of it",
            fault.message
        ),
    )
}

#[cfg(test)]
mod tests;

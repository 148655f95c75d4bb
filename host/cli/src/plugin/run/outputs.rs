//! The artifacts of a backup step that is tried: files of a folder, or bytes that are counted
//! and dropped.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use drydock_api_types::plugin::ProducedArtifact;
use drydock_capability_artifact::OutputSink;
use drydock_core::{ErrorCode, Fault, reason};
use sha2::{Digest as _, Sha256};

use crate::{Context as _, Failure};

pub struct OutputFolder {
    folder: Option<PathBuf>,
    open: Option<OpenArtifact>,
    made: Made,
}

/// The artifacts that became whole. Clones are the same list.
#[derive(Clone, Default)]
pub struct Made(Arc<Mutex<Vec<ProducedArtifact>>>);

struct OpenArtifact {
    name: String,
    file: Option<(PathBuf, File)>,
    bytes: u64,
    secret: bool,
    digest: Sha256,
}

impl OutputFolder {
    /// Makes the folder, if there is to be one.
    pub fn new(folder: Option<&Path>) -> Result<Self, Failure> {
        if let Some(folder) = folder {
            fs::create_dir_all(folder)
                .with_context(|| format!("{} cannot be made", folder.display()))?;
        }
        Ok(Self {
            folder: folder.map(Path::to_owned),
            open: None,
            made: Made::default(),
        })
    }

    pub fn made(&self) -> Made {
        self.made.clone()
    }
}

impl OutputSink for OutputFolder {
    /// The name is a plain one by the contract, so it stays in the folder.
    fn open(&mut self, name: &str, secret: bool) -> Result<(), Fault> {
        let path = self.folder.as_ref().map(|folder| folder.join(name));
        let file = path.map(|path| match File::create_new(&path) {
            Ok(file) => Ok((path, file)),
            Err(error) => Err(unwritten(&path, &error)),
        });
        self.open = Some(OpenArtifact {
            name: name.to_owned(),
            file: file.transpose()?,
            bytes: 0,
            secret,
            digest: Sha256::new(),
        });
        Ok(())
    }

    fn write(&mut self, bytes: Vec<u8>) -> Result<(), Fault> {
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        open.bytes += bytes.len() as u64;
        open.digest.update(&bytes);
        match &mut open.file {
            Some((path, file)) => file
                .write_all(&bytes)
                .map_err(|error| unwritten(path, &error)),
            None => Ok(()),
        }
    }

    fn finish(&mut self) -> Result<(), Fault> {
        if let Some(open) = self.open.take() {
            let artifact = ProducedArtifact {
                name: open.name,
                bytes: open.bytes,
                secret: open.secret,
                sha256: hex::encode(open.digest.finalize()),
            };
            let mut made = self.made.0.lock().unwrap_or_else(PoisonError::into_inner);
            made.push(artifact);
        }
        Ok(())
    }

    fn discard(&mut self, _: Fault) {
        if let Some((path, _)) = self.open.take().and_then(|open| open.file) {
            // What is left of it says by its size that it is not whole.
            let _ = fs::remove_file(path);
        }
    }
}

impl Made {
    pub fn take(&self) -> Vec<ProducedArtifact> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn unwritten(path: &Path, error: &io::Error) -> Fault {
    Fault::permanent(
        ErrorCode::Io,
        format!("{} cannot be written: {}", path.display(), reason(error)),
    )
}

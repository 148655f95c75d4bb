//! Compiled code, kept so that a plugin is compiled once and not at every start.
//!
//! A file is named after the component and the engine, and starts with a header that
//! repeats both and the digest of what follows. Whatever looks odd is compiled anew: the
//! cache can be deleted at any time.

mod code;

use std::fs::{self, File};
use std::hash::{Hash as _, Hasher as _};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use drydock_core::PluginDigest;
use sha2::{Digest as _, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::compile::CODE_BYTES_MAX;

pub(crate) use code::load as load_code;

/// First bytes of a cache file; the number changes with the layout of the header.
const MAGIC: &[u8; 16] = b"drydock-code-1\n\0";

/// Header: magic, engine hash (8 bytes), component SHA-256, payload SHA-256.
const HEADER_BYTES: usize = 16 + 8 + 32 + 32;

/// Largest file that is read.
const FILE_BYTES_MAX: u64 = CODE_BYTES_MAX + HEADER_BYTES as u64;

/// Files kept; the oldest go first. A node uses a handful of plugins in two versions.
const FILES_MAX: usize = 64;

/// Ending of the files in the cache.
const EXTENSION: &str = "code";

/// Where a plugin's compiled code came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompiledFrom {
    /// Compiled just now.
    Component,
    /// Taken from the cache.
    Cache,
}

/// A folder of compiled code.
#[derive(Debug)]
pub(crate) struct Cache {
    folder: PathBuf,
}

/// Why the cache is not used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CacheError {
    #[error("the folder {folder} for compiled plugins cannot be used")]
    Folder {
        folder: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(
        "the folder {folder} for compiled plugins is not a folder of the daemon's own user with mode 0700: code in it could be somebody else's"
    )]
    NotPrivate { folder: PathBuf },
}

/// What a cache file must say of itself.
struct Key {
    engine: [u8; 8],
    component: [u8; 32],
}

impl Cache {
    /// Uses `folder`, making it (0700) if it is missing, and removes what an interrupted
    /// write left behind.
    pub fn open(folder: &Path) -> Result<Self, CacheError> {
        let failed = |source| CacheError::Folder {
            folder: folder.to_owned(),
            source,
        };
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(failed)?;
        let metadata = fs::symlink_metadata(folder).map_err(failed)?;
        let ours = metadata.uid() == rustix::process::geteuid().as_raw();
        if !metadata.is_dir() || !ours || metadata.mode() & 0o077 != 0 {
            return Err(CacheError::NotPrivate {
                folder: folder.to_owned(),
            });
        }
        let cache = Self {
            folder: folder.to_owned(),
        };
        cache.tidy().map_err(failed)?;
        Ok(cache)
    }

    /// The compiled component, from the cache or made by `compile` now and then kept.
    pub fn component<E: From<wasmtime::Error>>(
        &self,
        engine: &Engine,
        component: &[u8],
        compile: impl FnOnce(&[u8]) -> Result<Vec<u8>, E>,
    ) -> Result<(Component, CompiledFrom), E> {
        let key = Key::new(engine, component);
        let path = self.folder.join(key.file_name());
        if let Some(ready) = load(engine, &key, &path) {
            return Ok((ready, CompiledFrom::Cache));
        }
        let code = compile(component)?;
        if let Err(error) = self.store(&key, &path, &code) {
            tracing::warn!(path = %path.display(), %error, "compiled plugin was not kept");
        }
        Ok((code::load(engine, &code)?, CompiledFrom::Component))
    }

    /// Writes beside the final name, syncs, then renames: a file is whole or not there.
    fn store(&self, key: &Key, path: &Path, code: &[u8]) -> io::Result<()> {
        let mut file = tempfile::Builder::new()
            .prefix(".new-")
            .tempfile_in(&self.folder)?;
        file.write_all(&key.header(code))?;
        file.write_all(code)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        File::open(&self.folder)?.sync_all()
    }

    /// Removes leftovers, and the oldest files beyond [`FILES_MAX`].
    fn tidy(&self) -> io::Result<()> {
        let mut kept = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if path
                .extension()
                .is_none_or(|extension| extension != EXTENSION)
            {
                remove(&path);
            } else if let Ok(metadata) = fs::symlink_metadata(&path) {
                kept.push((metadata.mtime(), path));
            }
        }
        kept.sort_unstable();
        let surplus = kept.len().saturating_sub(FILES_MAX);
        kept.iter().take(surplus).for_each(|(_, path)| remove(path));
        Ok(())
    }
}

impl Key {
    fn new(engine: &Engine, component: &[u8]) -> Self {
        // Its keys are fixed, so that the hash is the same in every process. Should a later
        // standard library choose another algorithm, code is compiled anew.
        let mut hasher = std::hash::DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Self {
            engine: hasher.finish().to_be_bytes(),
            component: Sha256::digest(component).into(),
        }
    }

    fn file_name(&self) -> String {
        let (component, engine) = (hex::encode(self.component), hex::encode(self.engine));
        format!("{component}-{engine}.{EXTENSION}")
    }

    fn header(&self, code: &[u8]) -> Vec<u8> {
        let digest = Sha256::digest(code);
        [MAGIC, &self.engine[..], &self.component, &digest].concat()
    }
}

/// The code in the file at `path`, if the file is what `key` says and undamaged. Odd
/// files are removed.
fn load(engine: &Engine, key: &Key, path: &Path) -> Option<Component> {
    let bytes = read(path)?;
    let verified = bytes
        .split_at_checked(HEADER_BYTES)
        .filter(|(header, code)| *header == key.header(code));
    let loaded = verified.and_then(|(_, code)| code::load(engine, code).ok());
    if loaded.is_none() {
        let digest = PluginDigest::new(format!("sha256:{}", hex::encode(key.component)));
        tracing::warn!(path = %path.display(), plugin = %digest, "compiled plugin is damaged or foreign, compiling it anew");
        remove(path);
    }
    loaded
}

fn read(path: &Path) -> Option<Vec<u8>> {
    let metadata = fs::symlink_metadata(path).ok()?;
    let usable = metadata.is_file() && metadata.len() <= FILE_BYTES_MAX;
    usable.then(|| fs::read(path).ok())?
}

/// A file that cannot be removed only takes up room.
fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path) {
        tracing::debug!(path = %path.display(), %error, "cannot remove from the compile cache");
    }
}

#[cfg(test)]
mod tests;

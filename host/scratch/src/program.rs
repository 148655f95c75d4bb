//! The programs that scratch servers are: one that lies on this machine, or one that is
//! downloaded once into the state folder and is what its digest says, each time anew.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use drydock_capability_http::{HttpConfig, download};
use drydock_core::reason;
use drydock_documents::drill::{Origin, Program};
use rustix::fs::{FlockOperation, flock};
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use super::scratch::private;
use super::{Scratch, ScratchError};

/// Largest download: archives with several such programs have some hundred MB.
const DOWNLOAD_BYTES_MAX: u64 = 2 * 1024 * 1024 * 1024;

/// Bytes that are hashed at once.
const HASH_BYTES: usize = 256 * 1024;

/// The bit that lets this user run a file.
const EXECUTABLE: u32 = 0o111;

/// Which program, and what the documents say of it.
#[derive(Clone, Copy)]
pub struct Named<'a> {
    /// The file's usual name.
    pub name: &'static str,
    /// Its key under `spec.drill`.
    pub key: &'static str,
    pub document: Option<&'a Program>,
}

/// Where programs are brought.
pub struct ProgramStore<'a> {
    /// `programs` in the state folder.
    pub folder: PathBuf,
    pub http: &'a Arc<HttpConfig>,
}

impl ProgramStore<'_> {
    /// The program's file, ready to be run: what was downloaded has its digest.
    ///
    /// # Errors
    /// [`ScratchError::NoProgram`], [`ScratchError::Program`].
    pub async fn find(&self, named: Named<'_>, scratch: &Scratch) -> Result<PathBuf, ScratchError> {
        let Named {
            name,
            key,
            document,
        } = named;
        let failed = |why: String| ScratchError::Program { key, why };
        match document.and_then(Program::origin) {
            None => Err(ScratchError::NoProgram { name, key }),
            Some(Origin::Path(path)) => {
                runnable(path).map_err(failed)?;
                Ok(path.to_owned())
            }
            Some(Origin::Download {
                url,
                sha256,
                member,
            }) => {
                let brought = self.bring(url, sha256).await.map_err(failed)?;
                let to = scratch.join(name);
                let member = member.map(str::to_owned);
                let put = tokio::task::spawn_blocking(move || match member {
                    None => brought.put(&to),
                    Some(member) => unpack(&brought.path, &member, &to),
                });
                put.await
                    .map_err(|error| failed(error.to_string()))?
                    .map_err(failed)
            }
        }
    }

    /// The download, which was compared with its digest just now.
    async fn bring(&self, url: &str, sha256: &str) -> Result<Brought, String> {
        private(&self.folder, true).map_err(|error| told(&self.folder, &error))?;
        let path = self.folder.join(sha256);
        let door = self.door().map_err(|error| told(&self.folder, &error))?;
        // Two drills at once bring it once.
        let door = tokio::task::spawn_blocking(move || {
            flock(&door, FlockOperation::LockExclusive).map(|()| door)
        });
        let door = door.await.map_err(|error| error.to_string())?;
        let _door = door.map_err(|error| told(&self.folder, &error.into()))?;
        if path.exists() {
            let brought = Brought { path };
            if brought.has(sha256).await? {
                return Ok(brought);
            }
            tracing::warn!(
                "{} is no longer what was downloaded; it is brought anew",
                brought.path.display()
            );
            fs::remove_file(&brought.path).map_err(|error| told(&brought.path, &error))?;
            return self.fetch(url, sha256, brought.path).await;
        }
        self.fetch(url, sha256, path).await
    }

    fn door(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        options.open(self.folder.join("lock"))
    }

    async fn fetch(&self, url: &str, sha256: &str, path: PathBuf) -> Result<Brought, String> {
        tracing::info!("{url} is downloaded");
        let temporary = NamedTempFile::new_in(&self.folder);
        let mut file = temporary.map_err(|error| told(&self.folder, &error))?;
        let mut hasher = Sha256::new();
        let sink = |bytes: &[u8]| {
            hasher.update(bytes);
            file.write_all(bytes)
        };
        download(self.http, url, DOWNLOAD_BYTES_MAX, sink)
            .await
            .map_err(|fault| fault.message)?;
        let found = hex::encode(hasher.finalize());
        if found != sha256 {
            return Err(format!(
                "what {url} leads to has the sha256 {found}, not {sha256}; it was not run"
            ));
        }
        let kept = file
            .as_file()
            .sync_all()
            .and_then(|()| file.persist(&path).map_err(|error| error.error));
        kept.map_err(|error| told(&path, &error))?;
        Ok(Brought { path })
    }
}

/// A download that is what its digest says.
struct Brought {
    path: PathBuf,
}

impl Brought {
    async fn has(&self, sha256: &str) -> Result<bool, String> {
        let path = self.path.clone();
        let hashed =
            tokio::task::spawn_blocking(move || digest(&path).map_err(|error| told(&path, &error)));
        let hashed = hashed.await.map_err(|error| error.to_string())??;
        Ok(hashed == sha256)
    }

    /// Copies it as a program.
    fn put(&self, to: &Path) -> Result<PathBuf, String> {
        let copied = fs::copy(&self.path, to).and_then(|_| make_runnable(to));
        copied.map_err(|error| told(to, &error))?;
        Ok(to.to_owned())
    }
}

/// Takes one program out of a `.tar.gz` with the system's tar.
fn unpack(archive: &Path, member: &str, to: &Path) -> Result<PathBuf, String> {
    let file = File::create_new(to).map_err(|error| told(to, &error))?;
    let mut tar = Command::new("tar");
    tar.args(["-x", "-z", "-O", "-f"])
        .arg(archive)
        .args(["--", member])
        .stdin(Stdio::null())
        .stdout(file)
        .stderr(Stdio::null());
    let ended = tar
        .status()
        .map_err(|error| format!("tar cannot be run: {}", reason(&error)))?;
    if !ended.success() {
        return Err(format!(
            "tar finds no {member} in what was downloaded: correct `member:`, or remove it if the download is the program itself"
        ));
    }
    make_runnable(to).map_err(|error| told(to, &error))?;
    Ok(to.to_owned())
}

fn make_runnable(path: &Path) -> io::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))
}

fn runnable(path: &Path) -> Result<(), String> {
    let found = fs::metadata(path).map_err(|error| told(path, &error))?;
    if found.is_file() && found.mode() & EXECUTABLE != 0 {
        Ok(())
    } else {
        Err(format!("{} is not a program", path.display()))
    }
}

fn digest(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; HASH_BYTES];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex::encode(hasher.finalize())),
            count => hasher.update(&buffer[..count]),
        }
    }
}

fn told(path: &Path, error: &io::Error) -> String {
    format!("{}: {}", path.display(), reason(error))
}

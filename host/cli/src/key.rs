//! `drydock key`: makes key pairs.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use drydock_core::UnixTime;
use drydock_repository::keys::{NewSealingKey, NewSigningKey};
use drydock_terminal::print;

use super::args::{Global, KeyKind, KeyVerb};
use crate::{Context as _, Exit, Failure, Outcome};

const PRIVATE: u32 = 0o600;
const PUBLIC: u32 = 0o644;

pub fn dispatch(global: &Global, verb: &KeyVerb) -> Outcome {
    let KeyVerb::New { kind, out } = verb;
    match kind {
        KeyKind::Signing => signing(out),
        KeyKind::Sealing => sealing(out, global.deps.clock.now()),
    }
}

fn signing(out: &Path) -> Outcome {
    let key = NewSigningKey::generate()?;
    write_pair(out, key.secret.expose(), &key.public)?;
    print::line(&key.public_line);
    print::note(&format!(
        "Signing key in {}: name it as `signingKey:` of the node; its public part is in {}.",
        out.display(),
        public_path(out).display()
    ));
    Ok(Exit::Done)
}

fn sealing(out: &Path, now: UnixTime) -> Outcome {
    let key = NewSealingKey::generate(now);
    write_pair(out, key.identity.expose(), &format!("{}\n", key.recipient))?;
    print::line(&key.recipient);
    print::note(&format!(
        "Identity in {}: keep it safe and off the nodes that back up. Name its public part under `recipients:` of a target.",
        out.display()
    ));
    Ok(Exit::Done)
}

/// The private part first: without it the public part is of no use to anybody.
fn write_pair(out: &Path, private: &str, public: &str) -> Result<(), Failure> {
    let beside = public_path(out);
    if beside.exists() {
        let told = format!("{} exists already: give another --out", beside.display());
        return Err(Failure::failed(told));
    }
    create(out, private, PRIVATE)?;
    create(&beside, public, PUBLIC)
}

fn create(path: &Path, text: &str, mode: u32) -> Result<(), Failure> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .with_context(|| format!("{} cannot be created: give another --out", path.display()))?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .with_context(|| format!("{} cannot be written", path.display()))
}

fn public_path(out: &Path) -> PathBuf {
    let mut name = OsString::from(out.as_os_str());
    name.push(".pub");
    PathBuf::from(name)
}

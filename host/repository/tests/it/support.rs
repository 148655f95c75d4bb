//! A recovery point as a folder on disk, and programs to look at it with.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use drydock_core::UnixTime;
use drydock_fakes::FakeTarget;
use drydock_repository::keys::{NewSealingKey, NewSigningKey};
use drydock_repository::recovery_point::Signed;
use drydock_repository::seal::{Options, Sealer, Sealing};
use drydock_repository::{Recipient, Repository, SigningKey, TrustedSigners};
use drydock_testkit::tools;

use crate::sample;

pub const NAME: &str = "nightly.20260102T030400Z";

/// Files of one recovery point, copied from a target.
pub struct Copied {
    pub folder: PathBuf,
    pub public_key: String,
}

/// Commits a recovery point with these artifacts and copies its folder below `root`.
pub async fn committed(
    root: &Path,
    recipients: &[Recipient],
    artifacts: &[(&str, Vec<u8>)],
) -> Copied {
    let key = NewSigningKey::generate().unwrap();
    let signing = SigningKey::parse(key.secret.expose()).unwrap();
    let signers = TrustedSigners::parse([key.public_line.as_str()]).unwrap();
    let target = FakeTarget::new();
    let mut manifest = sample::manifest(NAME);
    for (name, plain) in artifacts {
        let mut sealer = Sealer::new(Vec::new(), recipients, Options::default()).unwrap();
        sealer.write_all(plain).unwrap();
        let (bytes, sealed) = sealer.finish().unwrap();
        let plain = sample::measure(plain);
        let artifact = sample::artifact(name, Sealing::of(recipients), plain, sealed);
        let folder = manifest.folder().unwrap();
        target.put(&folder.object(&artifact.object), &bytes);
        manifest.artifacts.push(artifact);
    }
    let text = manifest.to_text().unwrap();
    let signature = signing
        .sign(text.as_bytes(), &manifest.cluster, &manifest.recovery_point)
        .unwrap();
    let repository = Repository::new(&target, &signers);
    let signed = Signed {
        manifest: &text,
        signature: &signature,
        retain_until: None,
    };
    repository.commit(signed).await.unwrap();
    copy(&target, root);
    Copied {
        folder: root.join("lab").join(NAME),
        public_key: key.public_line,
    }
}

/// A new sealing key: its recipient, and its identity in a file.
pub fn age_key(root: &Path) -> (Recipient, PathBuf) {
    let key = NewSealingKey::generate(UnixTime(1_767_323_040));
    let file = root.join("identity.txt");
    fs::write(&file, key.identity.expose()).unwrap();
    (Recipient::parse(&key.recipient).unwrap(), file)
}

/// Runs a program and gives what it printed; panics with what it said when it fails.
pub fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// `PATH` with the folders of the tools in front.
pub fn path_with_tools() -> std::ffi::OsString {
    let etcd = tools::etcd(tools::ETCD_VERSION).unwrap();
    let mut folders = vec![etcd];
    for program in [tools::age(), tools::minisign(), tools::zstd()] {
        folders.push(program.unwrap().parent().unwrap().to_owned());
    }
    folders.extend(["/usr/bin".into(), "/bin".into()]);
    std::env::join_paths(folders).unwrap()
}

fn copy(target: &FakeTarget, root: &Path) {
    for object in target.objects() {
        let file = root.join(&object);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, target.bytes(&object).unwrap()).unwrap();
    }
}

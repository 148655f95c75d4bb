//! The commands of `docs/format.md`, taken from the page and run as they stand there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use drydock_repository::Recipient;
use drydock_testkit::ssh::SshKey;

use crate::support::{Copied, NAME, age_key, committed, path_with_tools, run};

const PAGE: &str = include_str!("../../../../docs/format.md");

/// A snapshot that a real etcd 3.6.16 sent.
const SNAPSHOT: &str = "etcd.db";

struct Lab {
    root: tempfile::TempDir,
    copied: Copied,
    identity: PathBuf,
}

impl Lab {
    async fn new(recipients: &[Recipient], root: tempfile::TempDir, identity: PathBuf) -> Self {
        let artifacts = [
            (SNAPSHOT, snapshot()),
            (
                "encryption-config.yaml",
                b"kind: EncryptionConfiguration\n".to_vec(),
            ),
        ];
        let copied = committed(root.path(), recipients, &artifacts).await;
        fs::create_dir(root.path().join("out")).unwrap();
        Self {
            root,
            copied,
            identity,
        }
    }

    async fn with_age() -> Self {
        let root = tempfile::tempdir().unwrap();
        let (recipient, identity) = age_key(root.path());
        Self::new(&[recipient], root, identity).await
    }

    fn out(&self) -> PathBuf {
        self.root.path().join("out")
    }

    fn open(&self) -> Output {
        self.open_as(&format!("lab/{NAME}"))
    }

    fn open_as(&self, name: &str) -> Output {
        block("# restore: open")
            .env("POINT", &self.copied.folder)
            .env("NAME", name)
            .env("PUBLIC_KEY", &self.copied.public_key)
            .env("IDENTITY", &self.identity)
            .env("OUT", self.out())
            .output()
            .unwrap()
    }

    fn assert_opened(&self) {
        let output = self.open();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        assert!(fs::read(self.out().join(SNAPSHOT)).unwrap() == snapshot());
        assert_eq!(fs::read_dir(self.out()).unwrap().count(), 2);
    }

    /// The only file of the recovery point whose name fits.
    fn file(&self, fits: impl Fn(&str) -> bool) -> PathBuf {
        let mut files: Vec<_> = fs::read_dir(&self.copied.folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| fits(path.file_name().unwrap().to_str().unwrap()))
            .collect();
        assert_eq!(files.len(), 1);
        files.remove(0)
    }
}

/// The bash block of the page that begins with this line.
fn block(first_line: &str) -> Command {
    let script = PAGE
        .split("```bash\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .find(|script| script.starts_with(first_line))
        .expect("the page has this block");
    let mut command = Command::new("bash");
    command
        .env_clear()
        .env("PATH", path_with_tools())
        .env("HOME", "/nonexistent")
        .arg("-c")
        .arg(script);
    command
}

fn snapshot() -> Vec<u8> {
    let fixture = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../snapshot/fixtures/etcd-3.6.16.db"
    );
    fs::read(fixture).unwrap()
}

fn flip_a_bit(file: &Path) {
    let mut bytes = fs::read(file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(file, bytes).unwrap();
}

#[tokio::test]
async fn a_stranger_opens_a_recovery_point_with_an_age_key() {
    let lab = Lab::with_age().await;
    // What dead attempts leave behind does not disturb.
    fs::write(
        lab.copied.folder.join("etcd.db.ffffffffffffffff.zst.age"),
        "torso",
    )
    .unwrap();
    fs::write(
        lab.copied.folder.join("manifest.ffffffffffffffff.minisig"),
        "old",
    )
    .unwrap();
    lab.assert_opened();
}

#[tokio::test]
async fn a_stranger_opens_a_recovery_point_with_an_ssh_key() {
    let root = tempfile::tempdir().unwrap();
    let key = SshKey::from_seed([5; 32]);
    let identity = root.path().join("id_ed25519");
    fs::write(&identity, key.private_file()).unwrap();
    let recipient = Recipient::parse(&key.public_line("ops")).unwrap();
    Lab::new(&[recipient], root, identity).await.assert_opened();
}

#[tokio::test]
async fn a_stranger_opens_an_unsealed_recovery_point() {
    let root = tempfile::tempdir().unwrap();
    let identity = root.path().join("none");
    Lab::new(&[], root, identity).await.assert_opened();
}

#[tokio::test]
async fn the_page_s_commands_stop_at_whatever_was_tampered_with() {
    let files: [fn(&str) -> bool; 4] = [
        |name| name == "manifest.json",
        |name| name.ends_with(".minisig"),
        |name| name.starts_with("etcd.db"),
        |name| name.starts_with("encryption-config"),
    ];
    for fits in files {
        let lab = Lab::with_age().await;
        flip_a_bit(&lab.file(fits));
        assert!(!lab.open().status.success());
        assert_eq!(fs::read_dir(lab.out()).unwrap().count(), 0);
    }
    let lab = Lab::with_age().await;
    assert!(!lab.open_as("lab/another").status.success());
    let stranger = Lab::with_age().await;
    let theirs = Lab {
        copied: Copied {
            public_key: stranger.copied.public_key.clone(),
            ..lab.copied
        },
        ..lab
    };
    assert!(!theirs.open().status.success());
}

#[tokio::test]
async fn etcdutl_restores_the_snapshot_as_the_page_says() {
    let lab = Lab::with_age().await;
    lab.assert_opened();
    let data = lab.root.path().join("data");
    let said = run(block("# restore: etcd")
        .env("SNAPSHOT", lab.out().join(SNAPSHOT))
        .env("MEMBER", "one")
        .env("PEER_URL", "http://127.0.0.1:2380")
        .env("INITIAL_CLUSTER", "one=http://127.0.0.1:2380")
        .env("TOKEN", "restored-1")
        .env("BUMP", "1000000500")
        .env("DATA", &data));
    // The hash of the fixture as etcdutl 3.6.16 shows it.
    assert!(said.contains("159dedf8"), "{said}");
    assert!(data.join("member/snap/db").is_file());
}

//! Recovery points that cannot be believed or opened, and where they cannot be put.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::bad_input::Case;
use crate::world::{World, files_under};

const POINT: &str = "recovery-point";

/// A world with one recovery point.
struct Stored {
    case: Case,
    point: String,
}

impl Stored {
    fn new(name: &'static str) -> Self {
        let world = World::new();
        let (answer, run) = world.run();
        answer.ok();
        let point = run["recoveryPoint"].as_str().unwrap().to_owned();
        let mut case = Case::new(name, world);
        // Sizes of artifacts.
        case.hides_numbers = true;
        Self { case, point }
    }

    /// The only stored file whose name ends so.
    fn file(&self, end: &str) -> PathBuf {
        let files = files_under(&self.case.world.folder());
        let mut found = files.into_iter().filter(|path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            name.ends_with(end)
        });
        let file = found.next().unwrap();
        assert!(found.next().is_none(), "several files end with {end}");
        file
    }

    fn verify(&self) {
        self.case.refused(1, &[POINT, "verify", &self.point]);
    }

    /// The same, where a mark tells of it afterwards.
    fn verify_damaged(&self) {
        self.case.told(1, &[POINT, "verify", &self.point]);
        let marks = files_under(&self.case.world.folder());
        let damaged = |path: &&PathBuf| path.display().to_string().contains("/mark.damaged.");
        assert_eq!(marks.iter().filter(damaged).count(), 2, "{marks:?}");
    }

    fn fetch(&self, code: i32, to: &str, identity: &str) {
        let to = self.case.world.path(to);
        let identity = self.case.world.path(identity);
        let arguments = [
            POINT,
            "fetch",
            &self.point,
            "--to",
            &to,
            "--identity",
            &identity,
        ];
        self.case.refused(code, &arguments);
    }
}

/// Changes one byte in the middle of a file.
fn flip(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn manifests_and_signatures_that_were_changed() {
    let stored = Stored::new("manifest-tampered");
    let path = stored.file("manifest.json");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("\"revision\":", "\"revision\" :")).unwrap();
    stored.verify();

    let stored = Stored::new("manifest-cut-off");
    let path = stored.file("manifest.json");
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    stored.verify();

    let stored = Stored::new("signature-tampered");
    let path = stored.file(".minisig");
    let text = std::fs::read_to_string(&path).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    // The last digit has two bits to spare, which have to be zero.
    let flipped = if lines[1].ends_with("A=") { "E=" } else { "A=" };
    let length = lines[1].len();
    lines[1].replace_range(length - 2.., flipped);
    std::fs::write(&path, lines.join("\n") + "\n").unwrap();
    stored.verify();

    let stored = Stored::new("signature-is-none");
    std::fs::write(stored.file(".minisig"), "not a signature\n").unwrap();
    stored.verify();

    let stored = Stored::new("signature-missing");
    std::fs::remove_file(stored.file(".minisig")).unwrap();
    stored.verify();
}

/// Another node's key signed it, and this node does not list that key.
#[test]
fn a_signer_that_nobody_trusts() {
    let mut stored = Stored::new("signer-unknown");
    let public = std::fs::read_to_string(stored.case.world.path("signing.key.pub")).unwrap();
    stored.case.hide(public.lines().last().unwrap(), "<key>");
    let scratch = &stored.case.world.scratch;
    for file in ["signing.key", "signing.key.pub"] {
        std::fs::rename(scratch.join(file), scratch.join(format!("old-{file}"))).unwrap();
    }
    let key = stored.case.world.path("signing.key");
    let mut command = Command::new(crate::world::DRYDOCK);
    command.args(["key", "new", "--kind", "signing", "--out", &key]);
    assert!(command.output().unwrap().status.success());
    stored.verify();
}

#[test]
fn artifacts_that_were_changed() {
    let stored = Stored::new("artifact-tampered");
    flip(&stored.file(".zst.age"));
    stored.verify_damaged();

    let stored = Stored::new("artifact-tampered-fetched");
    flip(&stored.file(".zst.age"));
    stored.fetch(1, "snapshot.db", "sealing.key");

    let stored = Stored::new("artifact-truncated");
    let path = stored.file(".zst.age");
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(1000).unwrap();
    stored.verify_damaged();

    let stored = Stored::new("artifact-missing");
    std::fs::remove_file(stored.file(".zst.age")).unwrap();
    stored.verify_damaged();
}

/// A listing reads no artifact, and sees by names and sizes what is cut or gone.
#[test]
fn objects_that_a_listing_finds_cut_or_gone() {
    let stored = Stored::new("listed-object-cut");
    let path = stored.file(".zst.age");
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(1000).unwrap();
    let answer = stored.case.refused(0, &[POINT, "list"]);
    assert!(answer.stdout.contains(" Failed "), "{}", answer.stdout);

    let stored = Stored::new("listed-object-gone");
    std::fs::remove_file(stored.file(".zst.age")).unwrap();
    let answer = stored.case.refused(0, &[POINT, "list"]);
    assert!(answer.stdout.contains(" Failed "), "{}", answer.stdout);
}

#[test]
fn identities_that_open_nothing() {
    let stored = Stored::new("identity-does-not-fit");
    let key = stored.case.world.path("other.key");
    let mut command = Command::new(crate::world::DRYDOCK);
    command.args(["key", "new", "--kind", "sealing", "--out", &key]);
    assert!(command.output().unwrap().status.success());
    stored.fetch(1, "snapshot.db", "other.key");
}

/// Identity files are read before anything is asked of a target.
#[test]
fn identity_files_that_are_none() {
    let fetch = |case: &Case, identity: &str| {
        let (to, identity) = (case.world.path("x.db"), case.world.path(identity));
        case.refused(
            64,
            &[POINT, "fetch", "s1.x", "--to", &to, "--identity", &identity],
        );
    };
    fetch(&Case::new("identity-missing", World::alone()), "no.key");
    fetch(
        &Case::new("identity-is-public", World::alone()),
        "sealing.key.pub",
    );
    fetch(
        &Case::new("identity-is-a-signing-key", World::alone()),
        "signing.key",
    );
    let case = Case::new("identity-is-encrypted-ssh", World::alone());
    let kind = "OPENSSH PRIVATE KEY";
    let body = ENCRYPTED_SSH.join("\n");
    case.put(
        "id_ed25519",
        format!("-----BEGIN {kind}-----\n{body}\n-----END {kind}-----\n"),
    );
    fetch(&case, "id_ed25519");
    let case = Case::new("identity-is-binary", World::alone());
    case.put("id", [0xff, 0xfe, 0, 1]);
    fetch(&case, "id");
}

/// The body of a key of `ssh-keygen -t ed25519` with a passphrase, which was never used.
const ENCRYPTED_SSH: [&str; 6] = [
    "b3BlbnNzaC1rZXktdjEAAAAACmFlczI1Ni1jdHIAAAAGYmNyeXB0AAAAGAAAABA4bzVWLF",
    "BcBdb+GRpcdDJwAAAAEAAAAAEAAAAzAAAAC3NzaC1lZDI1NTE5AAAAICnEZrPCrsN/4xWd",
    "ZjAiMwDJu//vwbieHp8aqaR04obkAAAAkHguQQi8bMR6Bd2pCiIG8XUBpMceNhHMvmz7cZ",
    "CjTaod37FimptYFT5zg5hvUd9zRZoVNzz0apUrnE86psjf79b/gjYXjAOQ9+uPR7b5Yw01",
    "XmPXUNKiYwi7+uYM36S6A017nu72ouyCnpNQwl4konhv3XtEspNWC2pLqwbVjLS6t0/5kp",
    "J700YfEdxRV3mHVQ==",
];

#[test]
fn a_sealed_recovery_point_without_an_identity() {
    let stored = Stored::new("identity-not-given");
    let to = stored.case.world.path("snapshot.db");
    stored
        .case
        .refused(64, &[POINT, "fetch", &stored.point, "--to", &to]);
}

#[test]
fn places_where_nothing_can_be_put() {
    let stored = Stored::new("fetch-onto-a-file");
    stored.case.put("snapshot.db", "precious");
    stored.fetch(1, "snapshot.db", "sealing.key");

    let stored = Stored::new("fetch-below-a-file");
    stored.fetch(1, "signing.key/snapshot.db", "sealing.key");

    let stored = Stored::new("fetch-into-a-missing-folder");
    stored.fetch(1, "no/such/snapshot.db", "sealing.key");
}

#[test]
fn recovery_points_that_are_not_there() {
    let mut stored = Stored::new("recovery-point-unknown");
    stored.case.hide(&stored.point, "<point>");
    let near = stored.point.replace("s1.2", "s1.3");
    stored.case.hide(&near, "<near>");
    stored.case.refused(1, &[POINT, "show", &near]);

    let case = Case::new("recovery-point-unknown-and-none-there", World::alone());
    std::fs::create_dir(case.world.folder()).unwrap();
    case.refused(1, &[POINT, "show", "s1.x"]);

    let case = Case::new("recovery-point-name-malformed", World::alone());
    case.refused(1, &[POINT, "show", "../../etc/passwd"]);

    let case = Case::new("target-of-recovery-points-unknown", World::alone());
    case.refused(64, &[POINT, "list", "--target", "locla"]);
}

//! Restoring: folders that etcd boots from, equal to those of etcd's own tool.

mod boots;
mod equal;
pub mod matrix;
pub mod refused;
mod shapes;

use std::path::{Path, PathBuf};
use std::process::Command;

use drydock_snapshot::SnapshotFile;
use drydock_snapshot::restore::{Bump, InitialCluster, Request, RestoreError, Restored, restore};

use crate::files::open;

pub const THREE: &str =
    "m1=http://127.0.0.1:1001,m2=http://127.0.0.1:1002,m3=http://127.0.0.1:1003";

/// All three members into `data_dir`, as etcdutl would restore them.
pub fn request(data_dir: &Path) -> Request {
    Request {
        cluster: InitialCluster::parse(THREE, "tok").expect("a cluster"),
        only: None,
        data_dir: data_dir.to_owned(),
        wal_dir: None,
        bump: Bump::None,
        keep_alarms: true,
        skip_hash_check: false,
    }
}

pub fn bump(revisions: u64) -> Bump {
    Bump::By {
        revisions,
        mark_compacted: true,
    }
}

/// Restores a fixture.
pub fn restored(name: &str, request: &Request) -> Restored {
    restore(&open(name), request).expect("a sound file")
}

pub fn refusal(source: &SnapshotFile, request: &Request) -> String {
    let error: RestoreError = restore(source, request).expect_err("it is to be refused");
    error.to_string()
}

/// Restores one member of [`THREE`] with etcdutl of that version.
pub fn etcdutl_restore(
    version: &str,
    snapshot: &Path,
    member: &str,
    data_dir: &Path,
    more: &[&str],
) {
    let programs = drydock_testkit::tools::etcd(version).expect("`cargo xtask tools` builds it");
    let number = &member[1..];
    let output = Command::new(programs.join("etcdutl"))
        .args(["snapshot", "restore"])
        .arg(snapshot)
        .args(["--name", member, "--initial-cluster", THREE])
        .args(["--initial-cluster-token", "tok", "--data-dir"])
        .arg(data_dir)
        .args(["--initial-advertise-peer-urls"])
        .arg(format!("http://127.0.0.1:100{number}"))
        .args(more)
        .output()
        .expect("etcdutl runs");
    assert!(output.status.success(), "{output:?}");
}

/// The files of a member, with what must not differ between tools.
pub fn database(data_dir: &Path) -> PathBuf {
    data_dir.join("member/snap/db")
}

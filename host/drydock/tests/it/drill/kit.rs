//! A node that has a recovery point, an etcd and an identity.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use drydock_testkit::etcd::Cluster;
use drydock_testkit::tools::{ETCD_VERSION, etcd};
use serde_json::Value;

use crate::world::{Answer, World};

/// A node with a recovery point.
pub struct Node {
    pub world: World,
    pub point: String,
}

/// The real etcd.
pub fn etcd_program() -> PathBuf {
    etcd(ETCD_VERSION).unwrap().join("etcd")
}

/// `drill:` of a node, as a line.
pub fn drills(etcd: &str, identity: bool) -> String {
    let identity = if identity {
        ", identity: {valueFrom: {file: sealing.key}}"
    } else {
        ""
    };
    format!("  drill: {{etcd: {etcd}, scratch: lab{identity}}}\n")
}

/// The same with the real etcd.
pub fn real(identity: bool) -> String {
    let path = format!("{{path: {}}}", etcd_program().display());
    drills(&path, identity)
}

impl Node {
    /// One that drills by its configuration alone.
    pub fn new() -> Self {
        Self::with(&real(true))
    }

    pub fn with(drill: &str) -> Self {
        Self::in_world(World::new(), drill, 0)
    }

    /// One that backs up a cluster of the test's own; the backup ends with this code.
    pub fn of(cluster: Arc<Cluster>, drill: &str, code: i32) -> Self {
        Self::in_world(World::of(cluster), drill, code)
    }

    fn in_world(mut world: World, drill: &str, code: i32) -> Self {
        world.extra_node = drill.to_owned();
        world.write();
        let (answer, run) = world.run();
        answer.code(code);
        let point = run["recoveryPoint"].as_str().unwrap().to_owned();
        Self { world, point }
    }

    /// Other lines under `drill:`.
    pub fn drill_by(&mut self, drill: &str) {
        self.world.extra_node = drill.to_owned();
        self.world.write();
    }

    pub fn drill(&self, more: &[&str]) -> Answer {
        let answer = self.world.drydock(&[&["drill"], more].concat());
        self.assert_nothing_left();
        answer
    }

    /// The report that the drill printed.
    pub fn report(&self, code: i32) -> Value {
        let answer = self.drill(&["--output", "json"]).code(code);
        serde_json::from_str(&answer.stdout).unwrap()
    }

    /// The folder in which scratch folders are made.
    pub fn lab(&self) -> PathBuf {
        self.world.scratch.join("lab")
    }

    /// No scratch folder, and no etcd that came out of one.
    pub fn assert_nothing_left(&self) {
        let left: Vec<_> = folders(&self.lab());
        assert!(left.is_empty(), "{left:?}");
        let processes = processes_in(&self.lab());
        assert!(processes.is_empty(), "{processes:?}");
    }

    /// Files beside the recovery point that are marks.
    pub fn marks(&self) -> Vec<String> {
        let files = self.world.stored_files().into_iter();
        let names = files.filter_map(|file| Some(file.rsplit_once('/')?.1.to_owned()));
        names
            .filter(|name| name.starts_with("mark.") && name.ends_with(".json"))
            .collect()
    }

    /// The newest mark of a drill, as the list has it.
    pub fn listed_mark(&self) -> Value {
        self.listed()["mark"].clone()
    }

    /// The newest recovery point, as the list has it.
    pub fn listed(&self) -> Value {
        let answer = self
            .world
            .drydock(&["recovery-point", "list", "--output", "json"])
            .ok();
        serde_json::from_str::<Value>(&answer.stdout).unwrap()[0].clone()
    }

    /// The object of the snapshot.
    pub fn object(&self) -> PathBuf {
        let files = self.world.stored_files();
        let name = files.iter().find(|file| file.contains(".zst")).unwrap();
        self.world.folder().join(name)
    }

    /// Changes the manifest and signs it with the node's own key, as somebody would who
    /// has the key and not the data.
    pub fn forge(&self, change: impl FnOnce(&mut Value)) {
        let folder = self.world.folder().join("c1").join(&self.point);
        let manifest = folder.join("manifest.json");
        let mut value: Value = serde_json::from_slice(&std::fs::read(&manifest).unwrap()).unwrap();
        change(&mut value);
        let text = serde_json::to_string_pretty(&value).unwrap();
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|end| end == "minisig") {
                std::fs::remove_file(path).unwrap();
            }
        }
        std::fs::write(&manifest, &text).unwrap();
        let digest = sha256(&manifest);
        let signature = folder.join(format!("manifest.{}.minisig", &digest[..16]));
        let mut sign = Command::new(drydock_testkit::tools::minisign().unwrap());
        sign.args(["-S", "-s"])
            .arg(self.world.scratch.join("signing.key"))
            .arg("-m")
            .arg(&manifest)
            .arg("-x")
            .arg(signature)
            .args(["-t", &format!("drydock recovery point c1/{}", self.point)]);
        drydock_testkit::program::run(&mut sign).unwrap();
    }
}

/// The check of that name in a report.
pub fn check<'a>(report: &'a Value, name: &str) -> &'a Value {
    let checks = report["checks"].as_array().unwrap();
    let found = checks.iter().find(|check| check["name"] == name);
    found.unwrap_or_else(|| panic!("no check {name} in {report:#}"))
}

pub fn sha256(path: &Path) -> String {
    let printed = drydock_testkit::program::run(Command::new("sha256sum").arg(path)).unwrap();
    printed.stdout[..64].to_owned()
}

pub fn folders(path: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with("lab-")).collect()
}

/// Command lines of processes that name a path.
pub fn processes_in(path: &Path) -> Vec<String> {
    let wanted = path.display().to_string();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(line) = std::fs::read(entry.path().join("cmdline")) else {
            continue;
        };
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        let is_etcd = line.contains("--data-dir") || line.contains("--etcd-servers");
        if is_etcd && line.contains(&wanted) {
            found.push(line);
        }
    }
    found
}

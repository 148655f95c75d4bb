//! What a comparison stands on: a scratch folder on the disk of the data sets, a running
//! etcd that holds one of them, Drydock's documents, and a key pair.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use drydock_testkit::etcd::{Cluster, EtcdOptions, Member};
use drydock_testkit::program::run;
use drydock_testkit::{guard, tools};
use serde::Deserialize;
use tempfile::TempDir;

use crate::arguments::Arguments;
use crate::data::{DataSet, QUOTA_BYTES};
use drydock_quickstart::documents::{BACKUPS, CONFIGURATION, Documents, Store};

/// A backup of etcd alone, since the peers have nothing for files.
const SCHEDULE: &str = "apiVersion: drydock.dev/v1
kind: Schedule
metadata: {name: quickstart}
spec:
  cluster: quickstart
  schedule: '*/15 * * * *'
  steps:
    - {name: snapshot, backup: etcd-backup}
    - {name: verify, verify: etcd-verify}
    - {name: store, target: local}
";

/// A folder for one comparison, on the disk where the data sets are: a folder for
/// temporary files may be memory, where syncing costs nothing.
pub struct Place(TempDir);

pub struct Stage {
    // Dropped, and so stopped, before its folder is removed.
    pub cluster: Cluster,
    pub data: String,
    pub data_bytes: u64,
    /// Whom backups are sealed for.
    pub recipient: String,
    pub place: Place,
    drydock: PathBuf,
}

/// What `drydock run` says of a run.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RunReport {
    outcome: String,
    recovery_point: Option<String>,
}

impl Place {
    pub fn new(beside: &Path) -> Result<Self> {
        std::fs::create_dir_all(beside)
            .with_context(|| format!("cannot make {}", beside.display()))?;
        let folder = tempfile::Builder::new()
            .prefix("bench-")
            .tempdir_in(beside)
            .with_context(|| format!("cannot make a folder in {}", beside.display()))?;
        guard::remove_at_exit(folder.path());
        Ok(Self(folder))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        guard::keep_at_exit(self.path());
    }
}

impl Stage {
    /// Starts etcd with the data set and sets Drydock up beside it.
    pub async fn set(arguments: &Arguments, data: &DataSet) -> Result<Self> {
        eprintln!("==> start etcd with the data set {}", data.name);
        let place = Place::new(&arguments.data)?;
        let options = EtcdOptions {
            members: arguments.members,
            tls: true,
            token: "drydock-bench".to_owned(),
            quota_bytes: Some(QUOTA_BYTES),
            folder: Some(place.join("etcd")),
            ..EtcdOptions::default()
        };
        let cluster = Cluster::start_restored(options, &data.file, &[]).await?;
        let mut stage = Self {
            cluster,
            data: data.name.clone(),
            data_bytes: data.bytes,
            recipient: String::new(),
            place,
            drydock: arguments.drydock.clone(),
        };
        stage.write_documents()?;
        Ok(stage)
    }

    fn write_documents(&mut self) -> Result<()> {
        self.new_key("signing", "signing.key")?;
        self.recipient = self.new_key("sealing", "sealing.key")?;
        let documents = Documents {
            store: Store::Folder,
            scratch: self.place.path(),
            schedule: SCHEDULE,
            source: &self.cluster,
            recipient: &self.recipient,
            etcd: &self.cluster.programs().join("etcd"),
        };
        documents.write()
    }

    fn new_key(&self, kind: &str, file: &str) -> Result<String> {
        let mut command = self.drydock();
        command
            .args(["key", "new", "--kind", kind, "--out"])
            .arg(self.place.join(file));
        Ok(run(&mut command)?.stdout.trim().to_owned())
    }

    /// `drydock` with the stage's configuration.
    pub fn drydock(&self) -> Command {
        let mut command = Command::new(&self.drydock);
        command.arg("--config").arg(self.place.join(CONFIGURATION));
        command
    }

    /// `drydock run`, which tells of its phases in its log.
    pub fn drydock_run(&self) -> Command {
        self.run_of("quickstart")
    }

    /// The same of another schedule.
    pub fn run_of(&self, schedule: &str) -> Command {
        let mut command = self.drydock();
        command.args(["--output", "json", "--log-format", "json"]);
        command.args(["--log-level", "info", "run", schedule]);
        command
    }

    /// This program itself as a mover of bytes through a target of the stage.
    pub fn carry(&self, act: &str, target: &str, object: &str) -> Command {
        let mut command = Command::new("/proc/self/exe");
        command
            .arg("--drydock")
            .arg(&self.drydock)
            .args(["--data", "-", "--carry", act])
            .arg(self.place.join(CONFIGURATION))
            .args([target, object]);
        command
    }

    /// The recovery point that a run reported on its standard output.
    pub fn recovery_point(&self, stdout: &str) -> Result<String> {
        let reports: Vec<RunReport> = serde_json::from_str(stdout)
            .with_context(|| format!("`drydock run` printed no JSON of a run: {stdout}"))?;
        let report = reports
            .into_iter()
            .next_back()
            .context("no run is reported")?;
        ensure!(
            report.outcome == "Succeeded",
            "the run is {}",
            report.outcome
        );
        report.recovery_point.context("nothing was committed")
    }

    /// Makes one recovery point, unmeasured.
    pub fn run_once(&self) -> Result<String> {
        let printed = run(&mut self.drydock_run())?;
        self.recovery_point(&printed.stdout)
    }

    /// The only artifact of a recovery point, as it is stored.
    pub fn sealed_artifact(&self, point: &str) -> Result<PathBuf> {
        let folder = self.place.join(BACKUPS).join("quickstart").join(point);
        let entries = std::fs::read_dir(&folder)
            .with_context(|| format!("cannot list {}", folder.display()))?;
        let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        paths
            .into_iter()
            .find(|path| path.extension().is_some_and(|end| end == "age"))
            .with_context(|| format!("{} holds no sealed artifact", folder.display()))
    }

    /// Removes all recovery points, and leaves what tells the target from any other.
    pub fn clear_backups(&self) -> Result<()> {
        let folder = self.place.join(BACKUPS).join("quickstart");
        if !folder.exists() {
            return Ok(());
        }
        std::fs::remove_dir_all(&folder)
            .with_context(|| format!("cannot remove {}", folder.display()))
    }

    /// The processes of etcd.
    pub fn servers(&self) -> Vec<u32> {
        let members = self.cluster.members().iter();
        members.filter_map(Member::process_id).collect()
    }

    /// `etcdctl snapshot save` of the first member, as words for a shell or a command.
    pub fn save_words(&self, file: &Path) -> Result<Vec<String>> {
        self.etcdctl_words(&["snapshot", "save", &file.to_string_lossy()])
    }

    /// `etcdctl` at the first member, as words for a shell or a command.
    pub fn etcdctl_words(&self, arguments: &[&str]) -> Result<Vec<String>> {
        let pair = self.cluster.client_certificate().context("there is TLS")?;
        let words = [
            self.cluster.programs().join("etcdctl"),
            "--endpoints".into(),
            self.cluster.member(0).client_url().into(),
            "--cacert".into(),
            self.cluster.ca().context("there is TLS")?.to_owned(),
            "--cert".into(),
            pair.certificate.clone(),
            "--key".into(),
            pair.key.clone(),
        ];
        let words = words.map(|word| word.to_string_lossy().into_owned());
        let arguments = arguments.iter().map(ToString::to_string);
        Ok(words.into_iter().chain(arguments).collect())
    }
}

/// A command of these words; the first is the program.
pub fn command_of(words: &[String]) -> Command {
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    command
}

/// A shell that runs `script`; the words are its parameters `$1` and so on.
pub fn shell(script: &str, words: &[&Path]) -> Command {
    let mut command = Command::new("sh");
    command.args(["-ec", script, "sh"]).args(words);
    command
}

/// etcdutl of the version in use.
pub fn etcdutl() -> Result<PathBuf> {
    Ok(tools::etcd(tools::ETCD_VERSION)?.join("etcdutl"))
}

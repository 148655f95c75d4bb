//! Running the program `drydock`, and asking etcd's `etcdutl` for a second opinion.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use comfy_table::{Table, presets};
use drydock_testkit::program::run;
use drydock_testkit::tools::{self, ETCD_VERSION};
use serde::Deserialize;

use drydock_quickstart::documents::CONFIGURATION;

/// The program with the scratch folder's configuration.
pub struct Drydock {
    program: PathBuf,
    configuration: PathBuf,
}

/// What a run says at its end.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RunReport {
    outcome: String,
    recovery_point: Option<String>,
    snapshots: Vec<SnapshotStatus>,
}

/// A run that committed a recovery point.
pub struct Run {
    pub outcome: String,
    pub recovery_point: String,
    pub status: SnapshotStatus,
}

/// The figures of a snapshot, under the names that `etcdutl` gives them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotStatus {
    pub hash: u32,
    pub revision: i64,
    pub total_key: u64,
    pub total_size: u64,
    pub version: String,
}

impl Drydock {
    pub fn new(program: &Path, scratch: &Path) -> Self {
        Self {
            program: program.to_path_buf(),
            configuration: scratch.join(CONFIGURATION),
        }
    }

    pub fn configuration(&self) -> &Path {
        &self.configuration
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--config").arg(&self.configuration);
        command
    }

    /// Makes a key pair and returns its public part.
    pub fn new_key(&self, kind: &str, file: &Path) -> Result<String> {
        let mut command = self.command();
        command
            .args(["key", "new", "--kind", kind, "--out"])
            .arg(file);
        Ok(run(&mut command)?.stdout.trim().to_owned())
    }

    /// Runs a schedule once. Its progress and notes go to our own stderr.
    pub fn run(&self, schedule: &str) -> Result<Run> {
        let mut command = self.command();
        command.args(["--output", "json", "run", schedule]);
        let ended = command
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .context("cannot start drydock")?;
        let text = String::from_utf8_lossy(&ended.stdout);
        ensure!(
            ended.status.success(),
            "`drydock run {schedule}` ended with {}\n{text}",
            ended.status
        );
        let reports: Vec<RunReport> = serde_json::from_str(&text)
            .with_context(|| format!("`drydock run` printed no JSON of a run: {text}"))?;
        let report = reports.into_iter().last().context("no run is reported")?;
        let mut snapshots = report.snapshots.into_iter();
        Ok(Run {
            outcome: report.outcome,
            recovery_point: report.recovery_point.context("nothing was committed")?,
            status: snapshots.next().context("the run made no snapshot")?,
        })
    }

    /// Fetches all artifacts of a recovery point, unsealed, into a folder, and returns the
    /// file that is the etcd snapshot.
    pub fn fetch(&self, recovery_point: &str, identity: &Path, to: &Path) -> Result<PathBuf> {
        let mut command = self.command();
        command
            .args(["recovery-point", "fetch", recovery_point, "--identity"])
            .arg(identity)
            .arg("--to")
            .arg(to);
        run(&mut command)?;
        let entries =
            std::fs::read_dir(to).with_context(|| format!("cannot list {}", to.display()))?;
        let mut files = entries.filter_map(|entry| Some(entry.ok()?.path()));
        files
            .find(|file| file.extension().is_some_and(|end| end == "db"))
            .with_context(|| format!("{} holds no snapshot", to.display()))
    }

    /// Unpacks the archive of certificates into a folder.
    pub fn extract(&self, recovery_point: &str, identity: &Path, into: &Path) -> Result<()> {
        let mut command = self.command();
        command
            .args(["recovery-point", "fetch", recovery_point, "--identity"])
            .arg(identity)
            .args(["--artifact", "pki", "--extract"])
            .arg(into);
        run(&mut command)?;
        Ok(())
    }

    /// Drills a recovery point and returns the tables that it prints.
    pub fn drill(&self, recovery_point: &str, identity: &Path) -> Result<String> {
        let mut command = self.command();
        command
            .args(["drill", recovery_point, "--identity"])
            .arg(identity);
        Ok(run(&mut command)?.stdout)
    }
}

impl SnapshotStatus {
    pub fn table(&self) -> String {
        let mut table = Table::new();
        table
            .load_preset(presets::ASCII_BORDERS_ONLY_CONDENSED)
            .set_header(["HASH", "REVISION", "TOTAL KEYS", "TOTAL SIZE"])
            .add_row([
                format!("{:x}", self.hash),
                self.revision.to_string(),
                self.total_key.to_string(),
                format!("{} bytes", self.total_size),
            ]);
        table.to_string()
    }
}

/// What etcd's own tool says of a snapshot file.
pub fn etcdutl_status(file: &Path) -> Result<SnapshotStatus> {
    let printed = etcdutl(file, "json")?;
    serde_json::from_str(&printed).with_context(|| format!("etcdutl printed no status: {printed}"))
}

/// The same as etcd's own tool shows it to people.
pub fn etcdutl_table(file: &Path) -> Result<String> {
    Ok(etcdutl(file, "table")?.trim_end().to_owned())
}

fn etcdutl(file: &Path, form: &str) -> Result<String> {
    let mut command = Command::new(tools::etcd(ETCD_VERSION)?.join("etcdutl"));
    command.args(["snapshot", "status", "-w", form]).arg(file);
    Ok(run(&mut command)?.stdout)
}

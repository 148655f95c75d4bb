//! A node of its own for each test: keys, configuration, grants and a target in a scratch
//! folder, and the real binary on top. Clusters are shared where a test does not harm them.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, OnceLock};

use drydock_testkit::Scratch;
use drydock_testkit::etcd::{Cluster, EtcdOptions};
use drydock_testkit::kube_objects::{self, LoadOptions};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::faulty::faulty;

/// The binary under test. Where a test wants it to die, or its clock to be wrong, it is
/// [`faulty`].
pub const DRYDOCK: &str = env!("CARGO_BIN_EXE_drydock");

/// Lists the node's runs as JSON.
const RUN_LIST: [&str; 4] = ["run", "list", "--output", "json"];

/// Objects in the shared cluster: enough for several pages of every kind.
const OBJECTS: usize = 2_000;

/// One runtime for what the tests themselves ask of servers.
pub fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new().unwrap())
}

/// A healthy cluster of three members with TLS that no test may harm.
pub fn shared_cluster() -> Arc<Cluster> {
    static SHARED: OnceLock<Arc<Cluster>> = OnceLock::new();
    Arc::clone(SHARED.get_or_init(|| Arc::new(new_cluster(three_with_tls(), OBJECTS))))
}

/// A cluster for one test alone.
pub fn new_cluster(options: EtcdOptions, objects: usize) -> Cluster {
    runtime().block_on(async {
        let cluster = Cluster::start(options).await.unwrap();
        let mut client = cluster.client().await.unwrap();
        let load = LoadOptions {
            objects,
            ..LoadOptions::default()
        };
        kube_objects::load(&mut client, load).await.unwrap();
        cluster
    })
}

pub fn three_with_tls() -> EtcdOptions {
    EtcdOptions {
        members: 3,
        tls: true,
        ..EtcdOptions::default()
    }
}

/// The folder of the shipped plugins' compiled code, made once: compiling them takes a
/// second of each test.
fn compiled_plugins() -> &'static Path {
    static COMPILED: OnceLock<(Scratch, PathBuf)> = OnceLock::new();
    let (_, folder) = COMPILED.get_or_init(|| {
        let world = World::cold(None, vec!["https://127.0.0.1:1".to_owned()]);
        world.drydock(&["schedule", "check"]).ok();
        let folder = world.scratch.join("state/cache");
        (world.scratch, folder)
    });
    folder
}

/// A component that `cargo xtask plugins` built for tests.
pub fn fixture(name: &str) -> PathBuf {
    let path = checkout()
        .join("plugins/dist/fixtures")
        .join(format!("{name}.wasm"));
    assert!(
        path.exists(),
        "{} is missing: run `cargo xtask plugins`",
        path.display()
    );
    path
}

/// The folder of the repository.
pub fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

/// A node and its surroundings.
pub struct World {
    pub scratch: Scratch,
    pub cluster: Option<Arc<Cluster>>,
    /// Whom the target is sealed to.
    pub recipient: String,
    /// Grants of `etcd-backup`, one YAML line.
    pub backup_grant: String,
    pub backup_config: String,
    pub verify_config: String,
    pub target_config: String,
    pub store_plugin: String,
    /// Lines under `plugins:` of the node.
    pub plugins: String,
    pub extra_grants: String,
    pub extra_node: String,
    pub endpoints: Vec<String>,
    pub sealed: bool,
    /// The steps before the store step, a YAML line each; the usual two where empty.
    pub front_steps: Vec<String>,
}

/// What the binary answered.
#[derive(Debug)]
pub struct Answer {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl World {
    /// A node that backs up the shared cluster.
    pub fn new() -> Self {
        Self::of(shared_cluster())
    }

    pub fn of(cluster: Arc<Cluster>) -> Self {
        let endpoints = cluster.endpoints();
        Self::with(Some(cluster), endpoints)
    }

    /// A node whose cluster is not there: for what is decided before anybody is asked.
    pub fn alone() -> Self {
        Self::with(None, vec!["https://127.0.0.1:1".to_owned()])
    }

    fn with(cluster: Option<Arc<Cluster>>, endpoints: Vec<String>) -> Self {
        let world = Self::cold(cluster, endpoints);
        let cache = world.scratch.join("state/cache");
        let private = |folder: &Path| DirBuilder::new().mode(0o700).create(folder).unwrap();
        private(cache.parent().unwrap());
        private(&cache);
        for file in files_under(compiled_plugins()) {
            std::fs::hard_link(&file, cache.join(file.file_name().unwrap())).unwrap();
        }
        world
    }

    /// A node that compiles the shipped plugins when it first needs them.
    fn cold(cluster: Option<Arc<Cluster>>, endpoints: Vec<String>) -> Self {
        let scratch = Scratch::new().unwrap();
        let mut world = Self {
            scratch,
            cluster,
            recipient: String::new(),
            backup_grant: "etcd: [member-list, status, snapshot]".to_owned(),
            backup_config: "{}".to_owned(),
            verify_config: "{}".to_owned(),
            target_config: String::new(),
            store_plugin: "store-file".to_owned(),
            plugins: String::new(),
            extra_grants: String::new(),
            extra_node: String::new(),
            endpoints,
            sealed: true,
            front_steps: Vec::new(),
        };
        world.make_keys();
        world.write();
        world
    }

    fn make_keys(&mut self) {
        let signing = self.path("signing.key");
        let sealing = self.path("sealing.key");
        self.bare(&["key", "new", "--kind", "signing", "--out", &signing])
            .ok();
        let made = self.bare(&["key", "new", "--kind", "sealing", "--out", &sealing]);
        self.recipient = made.ok().stdout.trim().to_owned();
    }

    /// Writes every document anew; call it after changing a field.
    pub fn write(&self) {
        let put = |name: &str, text: String| {
            let path = self.scratch.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        put("drydock.yaml", self.node());
        put("schedules/cluster.yaml", self.cluster_document());
        put("schedules/target.yaml", self.target_document());
        put("schedules/schedule.yaml", self.schedule_document());
        put("grants/grants.yaml", self.grants());
    }

    fn node(&self) -> String {
        format!(
            "apiVersion: drydock.dev/v1\nkind: NodeConfig\nmetadata: {{name: node-1}}\nspec:\n  state: state\n  schedules: [schedules]\n  grants: [grants]\n  signingKey: {{valueFrom: {{file: signing.key}}}}\n{}{}",
            if self.plugins.is_empty() {
                String::new()
            } else {
                format!("  plugins:\n{}", self.plugins)
            },
            self.extra_node,
        )
    }

    fn cluster_document(&self) -> String {
        let mut text = format!(
            "apiVersion: drydock.dev/v1\nkind: Cluster\nmetadata: {{name: c1}}\nspec:\n  etcd:\n    endpoints: [{}]\n",
            self.endpoints.join(", ")
        );
        let cluster = self.cluster.as_ref();
        if let Some((ca, client)) = cluster.and_then(|c| Some((c.ca()?, c.client_certificate()?))) {
            text.push_str(&format!(
                "    ca: {{valueFrom: {{file: {}}}}}\n    certificate: {{valueFrom: {{file: {}}}}}\n    key: {{valueFrom: {{file: {}}}}}\n",
                ca.display(),
                client.certificate.display(),
                client.key.display()
            ));
        }
        text
    }

    fn target_document(&self) -> String {
        let recipients = if self.sealed {
            format!("  recipients: [{}]\n", self.recipient)
        } else {
            String::new()
        };
        let config = if self.target_config.is_empty() {
            format!("{{folder: {}}}", self.folder().display())
        } else {
            self.target_config.clone()
        };
        format!(
            "apiVersion: drydock.dev/v1\nkind: Target\nmetadata: {{name: local}}\nspec:\n  plugin: {}\n  config: {config}\n{recipients}  create: true\n",
            self.store_plugin
        )
    }

    fn schedule_document(&self) -> String {
        let usual = [
            format!(
                "{{name: snapshot, backup: etcd-backup, config: {}}}",
                self.backup_config
            ),
            format!(
                "{{name: verify, verify: etcd-verify, config: {}}}",
                self.verify_config
            ),
        ];
        let steps = if self.front_steps.is_empty() {
            &usual[..]
        } else {
            &self.front_steps
        };
        let steps: String = steps.iter().map(|step| format!("    - {step}\n")).collect();
        format!(
            "apiVersion: drydock.dev/v1\nkind: Schedule\nmetadata: {{name: s1}}\nspec:\n  cluster: c1\n  schedule: \"*/15 * * * *\"\n  steps:\n{steps}    - {{name: store, target: local}}\n",
        )
    }

    fn grants(&self) -> String {
        format!(
            "apiVersion: drydock.dev/v1\nkind: PluginGrant\nmetadata: {{name: etcd-backup}}\nspec:\n  builtin: etcd-backup\n  grants: {{{}}}\n---\napiVersion: drydock.dev/v1\nkind: PluginGrant\nmetadata: {{name: store-file}}\nspec:\n  builtin: store-file\n  grants:\n    files: [{{directory: {}, access: write}}]\n{}",
            self.backup_grant,
            self.folder().display(),
            self.extra_grants
        )
    }

    /// The folder that is the target.
    pub fn folder(&self) -> PathBuf {
        self.scratch.join("target")
    }

    /// A path in the scratch folder, as an argument.
    pub fn path(&self, name: &str) -> String {
        self.scratch.join(name).display().to_string()
    }

    /// The binary with this node's configuration.
    pub fn command(&self, arguments: &[&str]) -> Command {
        self.command_of(DRYDOCK.as_ref(), arguments)
    }

    /// The same of the program with levers.
    pub fn faulty(&self, arguments: &[&str]) -> Command {
        self.command_of(faulty(), arguments)
    }

    fn command_of(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .arg("--config")
            .arg(self.scratch.join("drydock.yaml"))
            .args(arguments)
            .stdin(Stdio::null());
        command
    }

    pub fn drydock(&self, arguments: &[&str]) -> Answer {
        Answer::of(self.command(arguments).output().unwrap())
    }

    fn bare(&self, arguments: &[&str]) -> Answer {
        let output = Command::new(DRYDOCK).args(arguments).output().unwrap();
        Answer::of(output)
    }

    /// Runs the schedule and gives the JSON of its only run.
    pub fn run(&self) -> (Answer, Value) {
        let answer = self.drydock(&["run", "s1", "--output", "json"]);
        let value = serde_json::from_str::<Value>(&answer.stdout)
            .map_or(Value::Null, |runs| runs[0].clone());
        (answer, value)
    }

    /// The id of the node's newest run, where there is one.
    pub fn newest_run(&self) -> Option<String> {
        let listed = self.drydock(&RUN_LIST).ok();
        let runs: Vec<Value> = serde_json::from_str(&listed.stdout).unwrap();
        let run = runs.iter().find(|row| row["phase"] != "skipped")?;
        run["run"].as_str().map(str::to_owned)
    }

    /// Goes on with the newest run, and gives what `run` prints of it as JSON.
    pub fn resume(&self) -> Answer {
        let run = self.newest_run().unwrap_or_default();
        self.drydock(&["run", "resume", &run, "--output", "json"])
    }

    /// The runs of the node with everything that is known of them, the newest first.
    pub fn runs(&self) -> Vec<Value> {
        let listed = self.drydock(&RUN_LIST).ok();
        self.shown(serde_json::from_str(&listed.stdout).unwrap())
    }

    /// The same while the node may be at its first run; none before there is a journal.
    pub fn runs_so_far(&self) -> Vec<Value> {
        let listed = self.drydock(&RUN_LIST);
        self.shown(serde_json::from_str(&listed.stdout).unwrap_or_default())
    }

    /// Each run of a list in full. What was skipped has none.
    fn shown(&self, listed: Vec<Value>) -> Vec<Value> {
        let shown = listed.into_iter().map(|row| {
            if row["phase"] == "skipped" {
                return row;
            }
            let run = row["run"].as_str().unwrap();
            let shown = self.drydock(&["run", "show", run, "--output", "json"]).ok();
            let mut shown: Value = serde_json::from_str(&shown.stdout).unwrap();
            shown["run"].take()
        });
        shown.collect()
    }

    /// Names of the recovery points at the target.
    pub fn recovery_points(&self) -> Vec<String> {
        if !self.folder().exists() {
            return Vec::new();
        }
        let answer = self
            .drydock(&["recovery-point", "list", "--output", "json"])
            .ok();
        let list: Vec<Value> = serde_json::from_str(&answer.stdout).unwrap();
        list.iter()
            .map(|point| point["recoveryPoint"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Fetches and unseals the only artifact of a recovery point.
    pub fn fetch(&self, name: &str) -> PathBuf {
        let to = self.scratch.join(format!("{name}.db"));
        let identity = self.path("sealing.key");
        let to_text = to.display().to_string();
        self.drydock(&[
            "recovery-point",
            "fetch",
            name,
            "--to",
            &to_text,
            "--identity",
            &identity,
        ])
        .ok();
        to
    }

    /// Every file under the target, relative to it, but that which every target has.
    pub fn stored_files(&self) -> Vec<String> {
        let mut files = Vec::new();
        walk(&self.folder(), &self.folder(), &mut files);
        files.retain(|file| file != TARGET_OBJECT);
        files.sort();
        files
    }

    /// Nothing of a failed run may stay: no object, no upload, no spool.
    pub fn assert_nothing_left(&self) {
        assert_eq!(
            self.stored_files(),
            Vec::<String>::new(),
            "the target is not empty"
        );
        self.assert_spool_empty();
    }

    pub fn assert_spool_empty(&self) {
        let spool = self.scratch.join("state/spool");
        let mut files = Vec::new();
        walk(&spool, &spool, &mut files);
        assert_eq!(files, Vec::<String>::new(), "the spool is not empty");
    }
}

impl Answer {
    pub fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Panics with everything that was printed unless the code is 0.
    pub fn ok(self) -> Self {
        self.code(0)
    }

    pub fn code(self, code: i32) -> Self {
        assert_eq!(
            self.code,
            Some(code),
            "stdout:\n{}\nstderr:\n{}",
            self.stdout,
            self.stderr
        );
        self
    }
}

/// By which a node tells the target that it stored at from any other.
pub const TARGET_OBJECT: &str = "drydock-target.json";

/// Every file under a folder, or the file itself; none where nothing is there.
pub fn files_under(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let mut names = Vec::new();
    walk(path, path, &mut names);
    names.sort();
    names.iter().map(|name| path.join(name)).collect()
}

fn walk(root: &Path, folder: &Path, files: &mut Vec<String>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(root, &path, files);
        } else {
            files.push(path.strip_prefix(root).unwrap().display().to_string());
        }
    }
}

/// Runs `etcdutl` of the shared version and gives what it printed.
pub fn etcdutl(arguments: &[&str]) -> String {
    let folder = drydock_testkit::tools::etcd(drydock_testkit::tools::ETCD_VERSION).unwrap();
    let mut command = Command::new(folder.join("etcdutl"));
    drydock_testkit::program::run(command.args(arguments))
        .unwrap()
        .stdout
}

/// Compares with a golden file, or writes it where `UPDATE_GOLDEN` is 1.
pub fn assert_golden(name: &str, text: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1") {
        std::fs::write(&path, text).unwrap();
    }
    let wanted = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        wanted == text,
        "{name} differs; UPDATE_GOLDEN=1 writes it anew:\n{text}"
    );
}

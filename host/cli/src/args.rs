//! The command line: verbs on nouns.

mod init;
mod migrate;
mod plugin;
mod run;
mod snapshot;

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use clap::{Args, Parser, Subcommand, ValueEnum};
use drydock_node::{COMPILE_VERB, Deps};
use drydock_sandbox::CONTRACT;
use drydock_scratch::children::GUARDED_VERB;
use drydock_snapshot::Prefix;
use drydock_terminal::{print::Output, telemetry::LogFormat};

pub use init::{DIR, InitArgs, TargetArgs, TargetKind};
pub use migrate::{CronJobArgs, MigrateVerb};
pub use plugin::{Language, NewArgs, RunPluginArgs, TestPluginArgs};
pub use run::{DecideArgs, RetryArgs, RunArgs, RunListArgs, RunVerb, SteerArgs};
pub use snapshot::{
    BumpRevision, By, DiffArgs, GetArgs, HistoryArgs, Inside, LiveAccess, LsArgs, ObjectForm,
    RestoreArgs, SnapshotVerb,
};

/// What `--version` says.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    format!(
        "{} (wasmtime {}, contract {CONTRACT})",
        drydock_core::VERSION,
        drydock_sandbox::WASMTIME
    )
});

/// Back up, verify and restore Kubernetes control planes.
///
/// Data goes to stdout, everything else to stderr. Exit codes: 0 done, 1 failed,
/// 2 done but degraded, 64 wrong usage or configuration, 75 try again later.
#[derive(Debug, Parser)]
#[command(name = "drydock", version = VERSION.as_str(), propagate_version = true)]
pub struct Cli {
    #[command(flatten)]
    pub global: GlobalArgs,
    #[command(subcommand)]
    pub command: Command,
}

/// Where the node's configuration is looked for.
const CONFIG: &str = "/etc/drydock/drydock.yaml";

/// The words that begin a command line for the node of this configuration.
pub fn program(config: &Path) -> String {
    if config == Path::new(CONFIG) {
        return "drydock".to_owned();
    }
    format!("drydock --config {}", config.display())
}

/// What every verb is given: what the command line says for all of them, and what the
/// process hands down.
#[derive(Clone)]
pub struct Global {
    pub config: PathBuf,
    pub output: Output,
    pub log_format: Option<LogFormat>,
    pub log_level: Option<String>,
    pub deps: Deps,
}

#[derive(Debug, Args)]
pub struct GlobalArgs {
    /// Read the node's configuration from this file.
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "DRYDOCK_CONFIG",
        default_value = CONFIG
    )]
    pub config: PathBuf,
    /// Print lists and details in this form.
    #[arg(long, global = true, value_name = "FORM", default_value = "table")]
    pub output: Output,
    /// Write logs in this form; the configuration's `log.format` otherwise.
    #[arg(long, global = true, value_name = "FORM")]
    pub log_format: Option<LogFormat>,
    /// Write logs from this level on: error, warn, info, debug or trace; the
    /// configuration's `log.level` otherwise.
    #[arg(long, global = true, value_name = "LEVEL")]
    pub log_level: Option<String>,
}

impl GlobalArgs {
    pub fn with(self, deps: Deps) -> Global {
        Global {
            config: self.config,
            output: self.output,
            log_format: self.log_format,
            log_level: self.log_level,
            deps,
        }
    }
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make keys, configuration and a first schedule for this node.
    ///
    /// Asks for what no flag says when it is started on a terminal, and offers what it
    /// finds on a node of kubeadm, RKE2, k3s, OpenShift or Talos. Nothing that exists is
    /// overwritten.
    Init(Box<crate::args::InitArgs>),
    /// Turn what backs a cluster up today into documents.
    #[command(subcommand)]
    Migrate(MigrateVerb),
    /// Run this node's schedules until told to stop.
    ///
    /// Starts what is due, takes up runs that were left unfinished, and takes in documents
    /// that change. Health and metrics are answered over HTTP at the configuration's
    /// `spec.daemon.listen`: /healthz, /readyz and /metrics. These have no authentication,
    /// which is why the default is 127.0.0.1:9464; `none` turns them off.
    ///
    /// SIGTERM or SIGINT lets runs end within `spec.daemon.drainSeconds` and leaves the
    /// rest for the next start, a second one leaves them at once; SIGHUP reads the
    /// documents again. Exit codes: 0 stopped as told, 64 wrong configuration, 75 somebody
    /// else holds the state folder.
    Daemon(DaemonArgs),
    /// Run a schedule once, now; or look at runs, and steer those that are open.
    ///
    /// Follows the run to its end, or to its next question. Exit codes: 0 done, 1 failed,
    /// 2 done but degraded, 75 it waits for an answer, which `drydock run decide` gives; or
    /// somebody else holds the state folder.
    #[command(args_conflicts_with_subcommands = true, arg_required_else_help = true)]
    Run(RunArgs),
    /// Look at schedules and check the files they stand in.
    #[command(subcommand)]
    Schedule(ScheduleVerb),
    /// List, show, verify and fetch recovery points.
    #[command(subcommand, name = "recovery-point")]
    RecoveryPoint(RecoveryPointVerb),
    /// Prove a recovery point: bring it back to life in scratch, and compare.
    ///
    /// Fetches it from its target, checks signature and digests, unseals it, restores all
    /// members of a cluster into a scratch folder without a revision bump, boots real etcd
    /// on loopback, and compares hash, revision and counts with the manifest. Writes a
    /// report (JSON, and one page of HTML) and a signed mark beside the recovery point.
    /// Everything else goes, however it ends. Exit codes: 0 passed, 1 failed, 2 passed but
    /// report or mark could not be written, 64 no identity or no etcd is named.
    Drill(Box<DrillArgs>),
    /// Look into a recovery point with kubectl.
    ///
    /// Restores it into a scratch folder, boots one etcd and a read-only kube-apiserver on
    /// loopback, and runs the command after `--` with KUBECONFIG set. Without a command it
    /// prints the line to export and waits for Ctrl-C. Nothing is left afterwards; the
    /// exit code is the command's. Phases and their times go to stderr.
    Open(Box<OpenArgs>),
    /// Look into etcd snapshots, files or recovery points, and restore them, without any
    /// server.
    #[command(subcommand)]
    Snapshot(SnapshotVerb),
    /// Look at the places where recovery points are kept.
    #[command(subcommand)]
    Target(TargetVerb),
    /// Look at plugins, what they ask for and what they are granted.
    #[command(subcommand)]
    Plugin(PluginVerb),
    /// Make keys.
    #[command(subcommand)]
    Key(KeyVerb),
    /// Compile the component on stdin for another process of this program.
    #[command(hide = true, name = COMPILE_VERB)]
    CompilePlugin,
    /// Become a program that is killed when the process of this id is gone.
    #[command(hide = true, name = GUARDED_VERB)]
    RunGuarded {
        parent: u32,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        words: Vec<std::ffi::OsString>,
    },
}

impl Command {
    /// Whether all that the verb does is to tell something.
    pub fn only_tells(&self) -> bool {
        match self {
            Self::Schedule(_) | Self::Target(_) => true,
            Self::Run(args) => args.verb.as_ref().is_some_and(RunVerb::only_tells),
            Self::Snapshot(verb) => !matches!(verb, SnapshotVerb::Restore(_)),
            Self::RecoveryPoint(verb) => !matches!(verb, RecoveryPointVerb::Fetch(_)),
            Self::Plugin(verb) => !matches!(
                verb,
                PluginVerb::Embed { .. }
                    | PluginVerb::New(_)
                    | PluginVerb::Run(_)
                    | PluginVerb::Test(_)
            ),
            _ => false,
        }
    }
}

#[derive(Debug, Args)]
pub struct DaemonArgs {
    /// Take the clock for right although the journal holds later instants: the clock was
    /// ahead when they were written.
    #[arg(long)]
    pub accept_clock: bool,
}

#[derive(Debug, Subcommand)]
pub enum ScheduleVerb {
    /// List the node's schedules, when each is due next, and how its last occurrence ended.
    List,
    /// Check without running anything: the given files by themselves, e.g. before they
    /// are merged; or the node's own with the plugins, keys and certificates they name.
    Check {
        /// Files or folders; the configured ones when none is given.
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,
    },
}

/// Where recovery points are looked for, and whose are believed.
#[derive(Debug, Clone, Default, Args)]
pub struct At {
    /// Look at this target; at all, or the first that has it, otherwise.
    #[arg(long, value_name = "TARGET", conflicts_with = "target_folder")]
    pub target: Option<String>,
    /// Look at this cluster; the only one otherwise.
    #[arg(long, value_name = "CLUSTER")]
    pub cluster: Option<String>,
    /// Look into this folder of a target, or a copy of it, in place of the targets of the
    /// node's configuration, which is then not read. Nothing is written there.
    #[arg(long, value_name = "DIR")]
    pub target_folder: Option<PathBuf>,
    /// Believe also what this key signed: a .pub file, or the line in it that begins with
    /// RW. May be given more than once. `any` believes whoever signed.
    #[arg(long = "signer", value_name = "FILE|KEY|any")]
    pub signers: Vec<String>,
}

/// How a recovery point is found and opened where one is named in place of a file.
#[derive(Debug, Clone, Default, Args)]
pub struct Opening {
    #[command(flatten)]
    pub at: At,
    /// age identity file, or unencrypted SSH Ed25519 private key, for a sealed recovery
    /// point; the configuration's `spec.drill.identity` otherwise.
    #[arg(long, value_name = "FILE")]
    pub identity: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct DrillArgs {
    /// The recovery point; `latest` otherwise.
    #[arg(value_name = "RECOVERY-POINT")]
    pub recovery_point: Option<String>,
    #[command(flatten)]
    pub at: At,
    /// age identity file, or unencrypted SSH Ed25519 private key; the configuration's
    /// `spec.drill.identity` otherwise.
    #[arg(long, value_name = "FILE")]
    pub identity: Option<PathBuf>,
    /// Also start a kube-apiserver on it and list objects.
    #[arg(long)]
    pub api_server: bool,
    /// Read encrypted objects by this EncryptionConfiguration; by the one in the recovery
    /// point's own archive of files otherwise.
    #[arg(long, value_name = "FILE", requires = "api_server")]
    pub encryption_config: Option<PathBuf>,
    /// The API server's --etcd-prefix, where it is neither /registry nor found by the
    /// objects under it.
    #[arg(long, value_name = "PREFIX")]
    pub etcd_prefix: Option<Prefix>,
    /// Boot this etcd; the one of the configuration's `spec.drill`, or of PATH, otherwise.
    #[arg(long, value_name = "FILE")]
    pub etcd: Option<PathBuf>,
    /// Boot this kube-apiserver; the one of the configuration's `spec.drill`, or of PATH,
    /// otherwise.
    #[arg(long, value_name = "FILE")]
    pub kube_apiserver: Option<PathBuf>,
    /// Write the report into this folder; the configuration's `spec.drill.reports`
    /// otherwise, and nowhere with --target-folder.
    #[arg(long, value_name = "FOLDER")]
    pub report: Option<PathBuf>,
    /// Put no mark beside the recovery point.
    #[arg(long)]
    pub no_mark: bool,
}

#[derive(Debug, Args)]
pub struct OpenArgs {
    /// The recovery point; `latest` otherwise.
    #[arg(value_name = "RECOVERY-POINT")]
    pub recovery_point: Option<String>,
    #[command(flatten)]
    pub at: At,
    /// age identity file, or unencrypted SSH Ed25519 private key; the configuration's
    /// `spec.drill.identity` otherwise.
    #[arg(long, value_name = "FILE")]
    pub identity: Option<PathBuf>,
    /// Read encrypted objects by this EncryptionConfiguration; by the one in the recovery
    /// point's own archive of files otherwise.
    #[arg(long, value_name = "FILE")]
    pub encryption_config: Option<PathBuf>,
    /// The API server's --etcd-prefix, where it is neither /registry nor found by the
    /// objects under it.
    #[arg(long, value_name = "PREFIX")]
    pub etcd_prefix: Option<Prefix>,
    /// Boot this etcd; the one of the configuration's `spec.drill`, or of PATH, otherwise.
    #[arg(long, value_name = "FILE")]
    pub etcd: Option<PathBuf>,
    /// Boot this kube-apiserver; the one of the configuration's `spec.drill`, or of PATH,
    /// otherwise.
    #[arg(long, value_name = "FILE")]
    pub kube_apiserver: Option<PathBuf>,
    /// What to run, e.g. `kubectl get pods -A`.
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<std::ffi::OsString>,
}

#[derive(Debug, Subcommand)]
pub enum RecoveryPointVerb {
    /// List recovery points, newest first.
    List {
        #[command(flatten)]
        at: At,
    },
    /// Show a recovery point's manifest, after checking its signature.
    Show {
        /// The recovery point, or `latest`.
        #[arg(value_name = "NAME")]
        name: String,
        #[command(flatten)]
        at: At,
    },
    /// Read a recovery point back whole and check signature and digests.
    ///
    /// With an identity it is unsealed, and the digest of what is inside checked as well.
    /// A signed mark beside it then says `verified`, or `damaged`, where this node has a
    /// signing key. Exit codes: 0 sound, 1 not, 2 sound but the mark could not be written.
    Verify(Box<VerifyArgs>),
    /// Fetch a recovery point's artifacts, checked and unsealed; or unpack one.
    ///
    /// With --extract, an archive of files is fetched, proven and unpacked with modes,
    /// owners, links, times and extended attributes into a folder that does not exist yet.
    /// Nothing is written anywhere else. Exit code 2 when some owners or attributes could
    /// not be put back.
    Fetch(Box<FetchArgs>),
}

#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The recovery point, or `latest`.
    #[arg(value_name = "NAME")]
    pub name: String,
    #[command(flatten)]
    pub opening: Opening,
    /// Put no mark beside the recovery point.
    #[arg(long)]
    pub no_mark: bool,
}

#[derive(Debug, Args)]
pub struct FetchArgs {
    /// The recovery point, or `latest`.
    #[arg(value_name = "NAME")]
    pub name: String,
    #[command(flatten)]
    pub at: At,
    /// Where to put them: a folder, or a file when there is one artifact. Nothing that
    /// exists is overwritten.
    #[arg(
        long,
        value_name = "PATH",
        required_unless_present = "extract",
        conflicts_with = "extract"
    )]
    pub to: Option<PathBuf>,
    /// Only this artifact, by its name with or without the extension: `pki` is `pki.tar`.
    #[arg(long, value_name = "ARTIFACT")]
    pub artifact: Option<String>,
    /// Unpack an archive of files into this folder, which must not exist or be empty.
    #[arg(long, value_name = "DIR", conflicts_with = "sealed")]
    pub extract: Option<PathBuf>,
    /// Leave the files to whoever unpacks them; setuid and setgid bits are then left out.
    #[arg(long, requires = "extract")]
    pub no_owners: bool,
    /// age identity file, or unencrypted SSH Ed25519 private key; the configuration's
    /// `spec.drill.identity` otherwise.
    #[arg(long, value_name = "FILE", conflicts_with = "sealed")]
    pub identity: Option<PathBuf>,
    /// Leave the artifacts sealed, as they are stored.
    #[arg(long)]
    pub sealed: bool,
}

#[derive(Debug, Subcommand)]
pub enum PluginVerb {
    /// List built-in and configured plugins with digest, requests and grants.
    List,
    /// Write the folder of a new plugin: source, manifest, the contract, and a README with
    /// the commands that build, check and try it.
    New(NewArgs),
    /// Judge a component without running it: whether this host would take it, or everything
    /// that speaks against it. Ends with 1 where something does.
    Check {
        /// The component, e.g. `store_x.wasm`.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Make one call of a component, in the sandbox and with its limits, without a node or a
    /// schedule: print its log, and what came of it. Ends with 1 when it fails, and with 2
    /// after a warning.
    Run(Box<RunPluginArgs>),
    /// Hold a store plugin to the contract that every store keeps, in the sandbox and with its
    /// limits, without a node: print each expectation, and how it was met. Works below a folder
    /// of its own in the target, which it empties; tells what it has to leave. Ends with 1 when
    /// one is not met.
    Test(TestPluginArgs),
    /// Show what a component is and asks for.
    Inspect {
        /// The component, e.g. `store_x.wasm`.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Print a PluginGrant for a component, with its lists left empty to be filled in.
    Grant {
        /// The component.
        #[arg(value_name = "FILE", required_unless_present = "dev")]
        file: Option<PathBuf>,
        /// Grant whatever the node's plugins in this folder are at any time, instead of one
        /// component: for a node on which plugins are developed, and whose configuration says
        /// so with `development: {pluginFolders: true}`.
        #[arg(long, value_name = "DIR", conflicts_with = "file")]
        dev: Option<PathBuf>,
    },
    /// Add the manifest to a component whose language cannot, and print its new digest.
    Embed {
        /// The manifest: JSON with name, version, world, contract and requests.
        #[arg(long, value_name = "FILE")]
        manifest: PathBuf,
        /// The component without a manifest.
        #[arg(long = "in", value_name = "FILE")]
        component: PathBuf,
        /// Where the component with its manifest goes; an older one is replaced.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub enum TargetVerb {
    /// Let a target's store plugin look at the target, and say what it found. Ends with
    /// 1 after a failure and with 2 after a warning. Makes the folder or bucket itself where the
    /// document says `create: true` and this node never stored there.
    Check {
        /// The target's name.
        #[arg(value_name = "NAME")]
        name: String,
        /// Also create an object in one request and another in parts, read, list and delete
        /// them, in a folder `drydock-probe`. Where the target can only be read from here, say
        /// so, and end with 2.
        #[arg(long)]
        probe: bool,
    },
    /// Take what is at a target now for the one to store at, in place of the one where
    /// recovery points were stored before. Nothing there is changed; a new target gets its
    /// `drydock-target.json`.
    Accept {
        /// The target's name.
        #[arg(value_name = "NAME")]
        name: String,
    },
}

#[derive(Debug, Subcommand)]
pub enum KeyVerb {
    /// Make a key pair: FILE (0600) and FILE.pub. The public part is printed.
    New {
        /// `signing` signs manifests; `sealing` opens what its public part sealed and
        /// belongs on no node that backs up.
        #[arg(long, value_name = "KIND")]
        kind: KeyKind,
        /// Where the private key goes; nothing that exists is overwritten.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum KeyKind {
    Signing,
    Sealing,
}

//! The flags of `drydock init`.

use std::path::PathBuf;

use clap::Args;

/// Where everything goes when nobody says otherwise: where the other verbs look.
pub const DIR: &str = "/etc/drydock";

#[derive(Debug, Clone, Args)]
pub struct InitArgs {
    /// Write keys and documents into this folder, which must not exist or be empty.
    #[arg(long, value_name = "DIR", default_value = DIR)]
    pub dir: PathBuf,
    /// Name of this node; its host name otherwise.
    #[arg(long, value_name = "NAME")]
    pub node: Option<String>,
    /// Keep journal, spool and caches here; made if it is missing.
    #[arg(long, value_name = "DIR", default_value = "/var/lib/drydock")]
    pub state: PathBuf,
    /// Name of the cluster: the folder under which its recovery points lie.
    #[arg(long, value_name = "NAME")]
    pub cluster: Option<String>,
    /// Client address of a member of etcd. Give it once for every member.
    #[arg(long = "endpoint", value_name = "URL", value_delimiter = ',')]
    pub endpoints: Vec<String>,
    /// Authority that signed the members' certificates, PEM.
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// Client certificate for etcd, PEM.
    #[arg(long, value_name = "FILE", requires = "key")]
    pub cert: Option<PathBuf>,
    /// Private key of the client certificate, PEM.
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub key: Option<PathBuf>,
    /// User name, where etcd asks for one.
    #[arg(long, value_name = "USER", requires = "password_file")]
    pub username: Option<String>,
    /// File with that user's password.
    #[arg(long, value_name = "FILE", requires = "username")]
    pub password_file: Option<PathBuf>,
    /// Back up this folder too: certificates, keys, encryption configuration. May be given
    /// more than once.
    #[arg(long = "files", value_name = "DIR", value_delimiter = ',')]
    pub files: Vec<PathBuf>,
    /// Back up etcd alone, whatever folders were found.
    #[arg(long, conflicts_with = "files")]
    pub no_files: bool,
    /// Store recovery points in this folder, better on another machine's disk; made if it
    /// is missing.
    #[arg(long, value_name = "DIR")]
    pub target_folder: Option<PathBuf>,
    /// When to back up: minute, hour, day of month, month, day of week.
    #[arg(long, value_name = "CRON")]
    pub schedule: Option<String>,
    /// Time zone of the schedule; Etc/UTC otherwise.
    #[arg(long, value_name = "ZONE")]
    pub time_zone: Option<String>,
    /// Seal recovery points for this public key (age1... or ssh-ed25519 ...). May be
    /// given more than once. Then no sealing key is made.
    #[arg(
        long = "recipient",
        value_name = "AGE",
        conflicts_with = "sealing_key_out"
    )]
    pub recipients: Vec<String>,
    /// Make a sealing key and put its private part here, to be taken off this node.
    #[arg(long, value_name = "FILE")]
    pub sealing_key_out: Option<PathBuf>,
    /// Make a configuration to restore with, and nothing else: no key, no schedule; etcd is
    /// not asked. Recovery points are read from --target-folder, which has to be there.
    #[arg(
        long,
        requires = "target_folder",
        conflicts_with_all = [
            "cluster", "endpoints", "ca", "cert", "key", "username", "password_file", "files",
            "no_files", "schedule", "time_zone", "recipients", "sealing_key_out",
        ]
    )]
    pub restore_only: bool,
    /// Trust what this key signed: a .pub file, or the line in it that begins with RW. May
    /// be given more than once.
    #[arg(long = "signer", value_name = "FILE|KEY", requires = "restore_only")]
    pub signers: Vec<String>,
    /// Open recovery points with this age identity file, or unencrypted SSH Ed25519 private
    /// key, where no other is given.
    #[arg(long, value_name = "FILE", requires = "restore_only")]
    pub identity: Option<PathBuf>,
    /// Ask nothing: take what was found on this node for what no flag says.
    #[arg(long)]
    pub yes: bool,
    /// Print what would be written; write nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Do not try the cluster and the target afterwards.
    #[arg(long)]
    pub offline: bool,
    /// Look for a Kubernetes node's files under this folder.
    #[arg(long, value_name = "DIR", default_value = "/", hide = true)]
    pub root: PathBuf,
}

//! The flags of `drydock init`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

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
    #[command(flatten)]
    pub target: TargetArgs,
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
            "target_kind", "target_identity", "target_ca",
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

/// What keeps recovery points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TargetKind {
    /// A folder of this node.
    Folder,
    /// A bucket of S3, or of whoever speaks it.
    S3,
    /// A container of Azure Blob Storage.
    Azure,
    /// A bucket of Google Cloud Storage.
    Gcs,
}

/// Where recovery points go that are not kept in a folder, and who this node is there. What
/// no flag says is offered from the variables that the vendors' own tools read. A secret is
/// named by its place alone.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Buckets and containers")]
pub struct TargetArgs {
    /// Keep recovery points in a folder, in a bucket of S3 or of Google, or in a container of
    /// Azure; a folder otherwise.
    #[arg(
        long = "target",
        id = "target_kind",
        value_name = "KIND",
        conflicts_with = "target_folder"
    )]
    pub kind: Option<TargetKind>,
    /// Name of the bucket.
    #[arg(long, value_name = "NAME", requires = "target_kind")]
    pub bucket: Option<String>,
    /// Name of Azure's storage account.
    #[arg(long, value_name = "NAME", requires = "target_kind")]
    pub account: Option<String>,
    /// Name of Azure's container.
    #[arg(long, value_name = "NAME", requires = "target_kind")]
    pub container: Option<String>,
    /// Region of AWS; us-east-1 for servers that have none.
    #[arg(long, value_name = "REGION", requires = "target_kind")]
    pub region: Option<String>,
    /// Address of the service, where it is not the vendor's own.
    #[arg(long, value_name = "URL", requires = "target_kind")]
    pub target_endpoint: Option<String>,
    /// Where names begin in the bucket or container.
    #[arg(long, value_name = "PREFIX", requires = "target_kind")]
    pub prefix: Option<String>,
    /// Authority of the service's certificate beside those of the system, PEM.
    #[arg(long, value_name = "FILE", requires = "target_kind")]
    pub target_ca: Option<PathBuf>,
    /// Let Drydock make the bucket or container, where it is missing and nothing was ever
    /// stored there.
    #[arg(long, requires = "target_kind")]
    pub create: bool,
    /// Who this node is at the service: accountKey, sas, servicePrincipal or managedIdentity at
    /// Azure; accessKey, webIdentity, instanceRole or containerCredentials at AWS;
    /// serviceAccountKey or workloadIdentity at Google; none.
    #[arg(long, value_name = "IDENTITY", requires = "target_kind")]
    pub target_identity: Option<String>,
    /// Environment variable with the identity's secret: account key, shared access signature,
    /// secret of the principal, secret access key, service account key.
    #[arg(
        long,
        value_name = "VARIABLE",
        requires = "target_kind",
        conflicts_with = "secret_file"
    )]
    pub secret_env: Option<String>,
    /// File with the same.
    #[arg(long, value_name = "FILE", requires = "target_kind")]
    pub secret_file: Option<PathBuf>,
    /// Directory of Entra ID, for servicePrincipal.
    #[arg(long, value_name = "ID", requires = "target_kind")]
    pub tenant: Option<String>,
    /// Application's id, for servicePrincipal; or which of several identities of the machine,
    /// for managedIdentity.
    #[arg(long, value_name = "ID", requires = "target_kind")]
    pub client_id: Option<String>,
    /// Where tokens of Entra ID come from, where that is not the public cloud.
    #[arg(long, value_name = "URL", requires = "target_kind")]
    pub authority: Option<String>,
    /// Certificate and private key of the principal in PEM, in the place of a secret.
    #[arg(long, value_name = "FILE", requires = "target_kind")]
    pub certificate_file: Option<PathBuf>,
    /// Token of an issuer that the cloud trusts, for servicePrincipal, webIdentity and
    /// workloadIdentity.
    #[arg(long, value_name = "FILE", requires = "target_kind")]
    pub token_file: Option<PathBuf>,
    /// Id of the access key, for accessKey.
    #[arg(long, value_name = "ID", requires = "target_kind")]
    pub access_key_id: Option<String>,
    /// Environment variable with the session's token, for an accessKey that has one.
    #[arg(long, value_name = "VARIABLE", requires = "target_kind")]
    pub session_token_env: Option<String>,
    /// Role of AWS, for webIdentity.
    #[arg(long, value_name = "ARN", requires = "target_kind")]
    pub role: Option<String>,
    /// Where the container's credentials come from, for containerCredentials.
    #[arg(long, value_name = "URL", requires = "target_kind")]
    pub credentials_url: Option<String>,
    /// Provider of the workload identity pool, for workloadIdentity with a token.
    #[arg(long, value_name = "NAME", requires = "target_kind")]
    pub audience: Option<String>,
    /// Service account of Google to act as, for workloadIdentity with a token.
    #[arg(long, value_name = "ADDRESS", requires = "target_kind")]
    pub service_account: Option<String>,
}

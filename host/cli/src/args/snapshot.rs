//! `drydock snapshot`: what its verbs take.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use drydock_snapshot::Prefix;

use super::Opening;

#[derive(Debug, Subcommand)]
pub enum SnapshotVerb {
    /// Print hash, revision, keys and size as `etcdutl snapshot status` does.
    Status {
        /// A snapshot file, or the name of a recovery point or `latest`.
        #[arg(value_name = "FILE|RECOVERY-POINT")]
        source: PathBuf,
        #[command(flatten)]
        opening: Opening,
    },
    /// Check the trailing SHA-256, every page and the tree.
    Verify {
        /// A snapshot file, or the name of a recovery point or `latest`.
        #[arg(value_name = "FILE|RECOVERY-POINT")]
        source: PathBuf,
        #[command(flatten)]
        opening: Opening,
    },
    /// Print the hash that live members answer for the same revision.
    Hashkv {
        /// A snapshot file, or the name of a recovery point or `latest`.
        #[arg(value_name = "FILE|RECOVERY-POINT")]
        source: PathBuf,
        #[command(flatten)]
        opening: Opening,
        /// Hash up to this revision; the newest otherwise.
        #[arg(long, value_name = "REVISION")]
        revision: Option<i64>,
    },
    /// List the objects in a snapshot, or what takes its space.
    Ls(Box<LsArgs>),
    /// Print one object as `kubectl get` does. A Secret is printed because it is asked for,
    /// and written nowhere else.
    Get(Box<GetArgs>),
    /// List every revision of one object that the snapshot still holds.
    History(Box<HistoryArgs>),
    /// Compare two snapshots by object, or one object of both by field.
    ///
    /// Exit codes as diff(1): 0 the same, 1 different, 64 and more trouble. The bookkeeping
    /// of `metadata.managedFields` is left out of a comparison by field.
    Diff(Box<DiffArgs>),
    /// Write data folders that etcd can be started on: of all members, or of one.
    ///
    /// Without --name, all members of --initial-cluster are written to DIR/NAME, and come
    /// to their places together. With --name, only that member is, to DIR itself. Nothing
    /// that exists is overwritten, and a restore that was cut off leaves nothing that the
    /// next one does not clear away. The flags mean what they mean to `etcdutl snapshot
    /// restore`; alarms are cleared, and the revision is bumped beyond all that is known
    /// of the cluster. Exit code 2 says that not all could be asked, or that it could not be
    /// remembered what was bumped to.
    Restore(Box<RestoreArgs>),
}

#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// A snapshot file, or the name of a recovery point or `latest`.
    #[arg(value_name = "FILE|RECOVERY-POINT")]
    pub source: PathBuf,
    #[command(flatten)]
    pub opening: Opening,
    /// The members of the new cluster; a member with several URLs occurs several times.
    #[arg(long, value_name = "NAME=URL,...")]
    pub initial_cluster: Option<String>,
    /// What tells this cluster from others; the members' ids depend on it. One that no
    /// cluster ever had is drawn otherwise. With --name it must be given, the same on
    /// every machine.
    #[arg(long, value_name = "TOKEN")]
    pub initial_cluster_token: Option<String>,
    /// The peer URLs of the member that --name names; they must be those that
    /// --initial-cluster gives it.
    #[arg(long, value_name = "URL,...")]
    pub initial_advertise_peer_urls: Option<String>,
    /// Restore this member only.
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Where the data folders go; it must not exist or be empty. NAME.etcd otherwise,
    /// where --name is given.
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Where the write-ahead logs go, if not into the data folders; it must not exist.
    #[arg(long, value_name = "DIR")]
    pub wal_dir: Option<PathBuf>,
    /// Go on so many revisions behind the snapshot's (needs --mark-compacted). `auto` is
    /// 1000000000, counted from the newest revision that is known of the cluster; `0` is
    /// none. With --name a number must be given, the same on every machine.
    #[arg(long, value_name = "REVISIONS", default_value = "auto")]
    pub bump_revision: BumpRevision,
    /// Answer `compacted` to whoever asks for a revision before the bump. `auto` does.
    #[arg(long)]
    pub mark_compacted: bool,
    /// A revision that the cluster is known to have had, e.g. the one that an earlier
    /// restore went on from and told. Recovery points, marks and journal tell of others.
    #[arg(long, value_name = "REVISION")]
    pub known_revision: Option<i64>,
    /// Do not compare the trailing SHA-256, e.g. of a file copied out of a data folder.
    #[arg(long)]
    pub skip_hash_check: bool,
    /// Leave the alarms of the old cluster in force. NOSPACE makes the new one read-only.
    #[arg(long)]
    pub keep_alarms: bool,
}

/// How far a restore moves the revision on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BumpRevision {
    Auto,
    By(u64),
}

impl std::str::FromStr for BumpRevision {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            _ if text == "auto" => Ok(Self::Auto),
            Ok(revisions) => Ok(Self::By(revisions)),
            Err(_) => Err("give a number of revisions, or `auto`".to_owned()),
        }
    }
}

/// How the live cluster is reached where `live` is looked into.
#[derive(Debug, Clone, Default, Args)]
pub struct LiveAccess {
    /// Client URLs of the live cluster; one member is asked. Without them the Cluster
    /// document of --cluster says how, or the only one there is.
    #[arg(long, value_name = "URL", value_delimiter = ',')]
    pub endpoints: Vec<String>,
    /// PEM file of the authority that signed the members' certificates.
    #[arg(long, value_name = "FILE", requires = "endpoints")]
    pub cacert: Option<PathBuf>,
    /// PEM file of a client certificate.
    #[arg(long, value_name = "FILE", requires = "endpoints")]
    pub cert: Option<PathBuf>,
    /// PEM file of the client certificate's private key.
    #[arg(long, value_name = "FILE", requires = "endpoints")]
    pub key: Option<PathBuf>,
}

/// What several verbs that look inside need to open it.
#[derive(Debug, Clone, Default, Args)]
pub struct Inside {
    #[command(flatten)]
    pub opening: Opening,
    #[command(flatten)]
    pub live: LiveAccess,
    /// The API server's --etcd-prefix, where it is neither /registry nor found by the
    /// objects under it.
    #[arg(long, value_name = "PREFIX")]
    pub etcd_prefix: Option<Prefix>,
}

#[derive(Debug, Args)]
pub struct LsArgs {
    /// A snapshot file, the name of a recovery point or `latest`, or `live`.
    #[arg(value_name = "SOURCE")]
    pub source: PathBuf,
    /// Sum up by resource or by namespace, or list keys; the largest come first.
    #[arg(long, value_name = "WHAT")]
    pub by: Option<By>,
    /// Only this resource, in any word that kubectl takes.
    #[arg(long, value_name = "RESOURCE")]
    pub resource: Option<String>,
    /// Only this namespace.
    #[arg(long, value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    #[command(flatten)]
    pub inside: Inside,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum By {
    Resource,
    Namespace,
    Key,
}

#[derive(Debug, Args)]
pub struct GetArgs {
    /// A snapshot file, the name of a recovery point or `latest`, or `live`.
    #[arg(value_name = "SOURCE")]
    pub source: PathBuf,
    /// The resource, in any word that kubectl takes.
    #[arg(value_name = "RESOURCE")]
    pub resource: String,
    /// The object; in the namespace `default` where none is given.
    #[arg(value_name = "[NAMESPACE/]NAME")]
    pub name: String,
    /// Print the object in this form; `raw` is the stored value, byte for byte.
    #[arg(short = 'o', value_name = "FORM", default_value = "yaml")]
    pub form: ObjectForm,
    /// As it was at this revision; the newest otherwise.
    #[arg(long, value_name = "REVISION")]
    pub revision: Option<i64>,
    /// The cluster's EncryptionConfiguration, for values that were encrypted at rest.
    #[arg(long, value_name = "FILE")]
    pub encryption_config: Option<PathBuf>,
    #[command(flatten)]
    pub inside: Inside,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ObjectForm {
    Yaml,
    Json,
    Raw,
}

#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// A snapshot file, the name of a recovery point or `latest`, or `live`.
    #[arg(value_name = "SOURCE")]
    pub source: PathBuf,
    /// The resource, in any word that kubectl takes.
    #[arg(value_name = "RESOURCE")]
    pub resource: String,
    /// The object; in the namespace `default` where none is given.
    #[arg(value_name = "[NAMESPACE/]NAME")]
    pub name: String,
    #[command(flatten)]
    pub inside: Inside,
}

#[derive(Debug, Args)]
pub struct DiffArgs {
    /// What was before: a snapshot file, the name of a recovery point or `latest`, or `live`.
    #[arg(value_name = "A")]
    pub before: PathBuf,
    /// What came after, in the same words.
    #[arg(value_name = "B")]
    pub after: PathBuf,
    /// Show which fields of one object of this resource differ.
    #[arg(value_name = "RESOURCE", requires = "name")]
    pub resource: Option<String>,
    /// The object; in the namespace `default` where none is given.
    #[arg(value_name = "[NAMESPACE/]NAME")]
    pub name: Option<String>,
    /// The cluster's EncryptionConfiguration, for values that were encrypted at rest.
    #[arg(long, value_name = "FILE")]
    pub encryption_config: Option<PathBuf>,
    #[command(flatten)]
    pub inside: Inside,
}

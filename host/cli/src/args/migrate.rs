//! The verbs of `drydock migrate`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub enum MigrateVerb {
    /// Write documents for a CronJob of Kubernetes that backs up etcd.
    ///
    /// Reads the job's policies, its variables with the ConfigMaps and Secrets beside it, the
    /// flags of etcdctl, and what `az`, `aws`, `gsutil` or a copy into a folder does with the
    /// snapshot. Runs nothing. Says what it did not carry over, with line and reason; what the
    /// manifest does not tell becomes a question in the place of the value, which `schedule
    /// check` refuses. Values of Secrets are neither written nor shown. Exit codes: 0 all is
    /// told, 2 questions are open, 64 it is no CronJob.
    Cronjob(CronJobArgs),
}

#[derive(Debug, Args)]
pub struct CronJobArgs {
    /// The manifest, with the ConfigMaps and Secrets that it names if possible; - for stdin.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Name of the cluster: the folder under which its recovery points lie. What kubeadm calls
    /// each cluster, where nothing is said.
    #[arg(long, value_name = "NAME", default_value = "kubernetes")]
    pub cluster: String,
    /// Write the documents into this folder, which must not exist or be empty; to stdout
    /// otherwise.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

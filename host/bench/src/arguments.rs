//! What is to be measured, and on what.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Parser;

/// Measure Drydock beside etcdctl, etcdutl, zstd and age.
#[derive(Parser)]
pub struct Arguments {
    /// The program `drydock`, as it is installed.
    #[arg(long, value_name = "FILE")]
    pub drydock: PathBuf,
    /// Where the data sets are kept from one run to the next.
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// The size of what a data set holds.
    #[arg(long, value_name = "NUMBER", default_value_t = 500)]
    pub mebibytes: u64,
    /// How often each side is measured.
    #[arg(long, value_name = "NUMBER", default_value_t = 5)]
    pub runs: usize,
    /// The members of the etcd that is backed up.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub members: usize,
    /// Keep the figures in this file as well.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Only make this data set: its kind and its file. The program calls itself so, since
    /// a child's peak of memory begins with that of the process that starts it.
    #[arg(long, hide = true, num_args = 2, value_names = ["KIND", "FILE"])]
    pub make: Option<Vec<String>>,
    /// The program that moves bytes natively, beside the store plugins.
    #[arg(long, value_name = "FILE", default_value = "drydock-bench-native")]
    pub native: PathBuf,
    /// Only move bytes through a store plugin: act, configuration, target, object, and what
    /// the act needs.
    #[arg(long, hide = true, num_args = 4..)]
    pub carry: Option<Vec<String>>,
    /// Only these comparisons.
    pub names: Vec<String>,
}

/// The comparisons by name, in the order in which they run.
const NAMES: [&str; 10] = [
    "backup", "fetch", "drill", "stores", "status", "hashkv", "restore", "ls", "diff", "memory",
];

impl Arguments {
    /// Whether a comparison is among those that are to run.
    pub fn wants(&self, name: &str) -> bool {
        self.names.is_empty() || self.names.iter().any(|wanted| wanted == name)
    }

    /// Refuses what would only fail after minutes.
    pub fn check(&self) -> Result<()> {
        for name in &self.names {
            if !NAMES.contains(&name.as_str()) {
                bail!(
                    "there is no comparison `{name}`; choose from {}",
                    NAMES.join(", ")
                );
            }
        }
        if self.runs == 0 || self.mebibytes == 0 || self.members == 0 {
            bail!("--runs, --mebibytes and --members are at least 1");
        }
        Ok(())
    }
}

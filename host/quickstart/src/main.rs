//! The scenario of `cargo xtask quickstart`, from an empty folder to a restored etcd.
//!
//! What it touches, in order: a scratch folder; a three-member etcd with mutual TLS on
//! loopback, loaded with Kubernetes objects; keys and documents written beside it; one run
//! of the checkout's `schedules/quickstart.yaml` through the `drydock` program itself; the
//! recovery point under `backups` in the scratch folder, or in a bucket of an S3 server that
//! is started for it; the fetched snapshot; and a
//! second etcd that is restored from it by etcd's own `etcdutl`. Every key of the second is
//! compared with the first, and every certificate in the archive with the one on disk. At
//! the end `drydock drill` does all of it again by itself, and prints its report.
//!
//! What it undoes: it stops the servers and removes the scratch folder, unless the
//! caller named one. If it dies halfway, the testkit's guard does the same.
//!
//! **Invariant:** nothing that it prints is made up: figures come from `drydock`, from
//! `etcdutl` or from etcd, and a difference between them is an error.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a scenario to watch, not the product: its steps are its output"
)]

mod compare;
mod drydock;
mod steps;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::{Parser, ValueEnum};
use drydock_quickstart::documents::{self, Documents, Store};
use drydock_testkit::Scratch;
use drydock_testkit::etcd::{Cluster, EtcdOptions};
use drydock_testkit::kube_objects::{self, LoadOptions};
use drydock_testkit::versitygw::{BUCKET, ROOT, Versitygw};

use drydock::Drydock;
use steps::Steps;

/// The folder of certificates that the checkout's schedule names, as kubeadm has it. The
/// scratch cluster has its own elsewhere.
const SCHEDULED_PKI: &str = "/etc/kubernetes/pki";

/// Back up a scratch etcd with Drydock, fetch the backup, restore it and compare.
#[derive(Parser)]
struct Arguments {
    /// The program `drydock`.
    #[arg(long, value_name = "FILE")]
    drydock: PathBuf,
    /// The checkout, for `schedules/quickstart.yaml`.
    #[arg(long, value_name = "DIR")]
    checkout: PathBuf,
    /// Work in this empty or new folder and leave it in place.
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
    /// Keep recovery points in a folder, or in a bucket of an S3 server of its own.
    #[arg(long, value_name = "KIND", default_value = "folder")]
    target: Target,
    /// Leave everything running until Ctrl-C.
    #[arg(long)]
    keep: bool,
    /// Load that many Kubernetes objects.
    #[arg(long, value_name = "NUMBER", default_value_t = 5_000)]
    objects: usize,
}

/// What keeps the recovery points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Target {
    Folder,
    S3,
}

#[tokio::main]
async fn main() -> ExitCode {
    match Box::pin(scenario(Arguments::parse())).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn scenario(arguments: Arguments) -> Result<()> {
    let scratch = match &arguments.scratch {
        Some(folder) => Scratch::at(folder)?,
        None => Scratch::new()?,
    };
    let steps = Steps::begin();
    let source = start_source(&steps, &scratch, arguments.objects).await?;
    let server = start_server(&steps, arguments.target).await?;
    let drydock = set_up(&steps, &arguments, &scratch, &source, server.as_ref())?;
    let kept = kept(&scratch, server.as_ref());
    let snapshot = back_up(&steps, &drydock, &scratch, &kept)?;
    let restored = restore(&steps, &scratch, &snapshot).await?;
    compare_all(&steps, &source, &restored, &snapshot).await?;
    steps.done(&format!(
        "every key of {} came back as it was",
        snapshot.file.display()
    ));
    compare_archive(&steps, &drydock, &scratch, &source, &snapshot)?;
    drill(&steps, &drydock, &scratch, &snapshot)?;
    if arguments.keep {
        wait_for_interrupt(&scratch, &source, &restored).await?;
    }
    // The clusters stop before their folders go.
    drop((source, restored, server));
    steps.done("everything that was started is stopped");
    Ok(())
}

async fn start_source(steps: &Steps, scratch: &Scratch, objects: usize) -> Result<Cluster> {
    let options = EtcdOptions {
        members: 3,
        tls: true,
        token: "drydock-quickstart".to_owned(),
        folder: Some(scratch.join("etcd")),
        ..EtcdOptions::default()
    };
    let cluster = Cluster::start(options).await?;
    steps.done(&format!(
        "etcd {} runs with three members and TLS at {}",
        drydock_testkit::tools::ETCD_VERSION,
        cluster.endpoints().join(", ")
    ));
    let mut client = cluster.client().await?;
    let load = LoadOptions { objects, seed: 1 };
    let loaded = kube_objects::load(&mut client, load).await?;
    steps.done(&format!(
        "{} Kubernetes objects are loaded ({} were updated, {} deleted; revision {})",
        loaded.live_keys, loaded.updated, loaded.deleted, loaded.revision
    ));
    Ok(cluster)
}

/// The server of the target, where it is none of this machine's folders.
async fn start_server(steps: &Steps, target: Target) -> Result<Option<Versitygw>> {
    if target == Target::Folder {
        return Ok(None);
    }
    let server = Versitygw::https().await?;
    steps.done(&format!(
        "an S3 server (versitygw) with the bucket {BUCKET} runs at {}",
        server.url("")
    ));
    Ok(Some(server))
}

/// Where backups lie, for people.
fn kept(scratch: &Scratch, server: Option<&Versitygw>) -> String {
    match server {
        None => scratch.join(documents::BACKUPS).display().to_string(),
        Some(server) => server.url(&format!("/{BUCKET}")),
    }
}

/// Keys and documents.
fn set_up(
    steps: &Steps,
    arguments: &Arguments,
    scratch: &Scratch,
    source: &Cluster,
    server: Option<&Versitygw>,
) -> Result<Drydock> {
    let schedule = arguments.checkout.join("schedules/quickstart.yaml");
    let schedule = std::fs::canonicalize(&schedule).with_context(|| {
        format!(
            "{} is missing: is this a whole checkout?",
            schedule.display()
        )
    })?;
    let drydock = Drydock::new(&arguments.drydock, scratch.path());
    drydock.new_key("signing", &scratch.join("signing.key"))?;
    let recipient = drydock.new_key("sealing", &scratch.join("sealing.key"))?;
    steps.done(&format!(
        "a signing and a sealing key are made; backups are sealed for {recipient}"
    ));
    let text = std::fs::read_to_string(&schedule)
        .with_context(|| format!("cannot read {}", schedule.display()))?;
    ensure!(
        text.contains(SCHEDULED_PKI),
        "{} names no {SCHEDULED_PKI}",
        schedule.display()
    );
    let pki = documents::quoted(&source.folder().join("pki"));
    let documents = Documents {
        scratch: scratch.path(),
        schedule: &text.replace(SCHEDULED_PKI, &pki),
        source,
        recipient: &recipient,
        etcd: &source.programs().join("etcd"),
        store: server.map_or(Store::Folder, |server| Store::Bucket(server, ROOT)),
    };
    documents.write()?;
    steps.done(&format!(
        "configuration, cluster, target and grants are written: {}",
        drydock.configuration().display()
    ));
    Ok(drydock)
}

/// A fetched snapshot and what its maker said of it.
struct Snapshot {
    recovery_point: String,
    file: PathBuf,
    revision: i64,
}

fn back_up(steps: &Steps, drydock: &Drydock, scratch: &Scratch, kept: &str) -> Result<Snapshot> {
    let run = drydock.run("quickstart")?;
    println!("\n{}\n", run.status.table());
    steps.done(&format!(
        "`drydock run quickstart` {}",
        run.outcome.to_lowercase()
    ));
    steps.done(&format!(
        "recovery point {} is committed under {kept}",
        run.recovery_point
    ));
    let identity = scratch.join("sealing.key");
    let file = drydock.fetch(&run.recovery_point, &identity, &scratch.join("fetched"))?;
    steps.done(&format!(
        "`drydock recovery-point fetch` wrote {}",
        file.display()
    ));
    let theirs = drydock::etcdutl_status(&file)?;
    ensure!(
        theirs == run.status,
        "etcdutl says otherwise of {}: {theirs:?} instead of {:?}",
        file.display(),
        run.status
    );
    println!("\n{}\n", drydock::etcdutl_table(&file)?);
    steps.done("`etcdutl snapshot status` says the same of it");
    Ok(Snapshot {
        recovery_point: run.recovery_point,
        file,
        revision: run.status.revision,
    })
}

async fn restore(steps: &Steps, scratch: &Scratch, snapshot: &Snapshot) -> Result<Cluster> {
    let options = EtcdOptions {
        members: 1,
        token: "drydock-quickstart-restored".to_owned(),
        folder: Some(scratch.join("restored")),
        ..EtcdOptions::default()
    };
    let cluster = Cluster::start_restored(options, &snapshot.file, &[]).await?;
    steps.done(&format!(
        "`etcdutl snapshot restore` made an etcd of it that runs at {}",
        cluster.endpoints().join(", ")
    ));
    Ok(cluster)
}

async fn compare_all(
    steps: &Steps,
    source: &Cluster,
    restored: &Cluster,
    snapshot: &Snapshot,
) -> Result<()> {
    let mut before = source.client().await?;
    let mut after = restored.client().await?;
    let compared = compare::compare(&mut before, &mut after, snapshot.revision).await?;
    steps.done(&format!(
        "{compared} keys, values, revisions and leases are equal at revision {}",
        snapshot.revision
    ));
    Ok(())
}

/// The certificates that lie beside the snapshot in the same recovery point.
fn compare_archive(
    steps: &Steps,
    drydock: &Drydock,
    scratch: &Scratch,
    source: &Cluster,
    snapshot: &Snapshot,
) -> Result<()> {
    let into = scratch.join("unpacked");
    let identity = scratch.join("sealing.key");
    drydock.extract(&snapshot.recovery_point, &identity, &into)?;
    let pki = source.folder().join("pki");
    let inside = pki.strip_prefix("/").unwrap_or(&pki);
    let mut diff = std::process::Command::new("diff");
    diff.arg("-r").arg(&pki).arg(into.join(inside));
    drydock_testkit::program::run(&mut diff)?;
    steps.done(&format!(
        "the archive pki.tar of the same recovery point holds the certificates: {} is equal",
        pki.display()
    ));
    Ok(())
}

fn drill(steps: &Steps, drydock: &Drydock, scratch: &Scratch, snapshot: &Snapshot) -> Result<()> {
    let identity = scratch.join("sealing.key");
    let tables = drydock.drill(&snapshot.recovery_point, &identity)?;
    println!("\n{}\n", tables.trim_end());
    steps.done("`drydock drill` brought it back to life with three members, and marked it");
    Ok(())
}

async fn wait_for_interrupt(scratch: &Scratch, source: &Cluster, restored: &Cluster) -> Result<()> {
    let folder = |cluster: &Cluster| cluster.folder().display().to_string();
    println!("\nStill running, until Ctrl-C:");
    println!("  source    {}", source.endpoints().join(","));
    println!("            certificates in {}/pki", folder(source));
    println!("  restored  {}", restored.endpoints().join(","));
    println!(
        "  drydock   --config {}",
        configuration(scratch.path()).display()
    );
    tokio::signal::ctrl_c()
        .await
        .context("cannot wait for Ctrl-C")?;
    println!();
    Ok(())
}

fn configuration(scratch: &Path) -> PathBuf {
    scratch.join(documents::CONFIGURATION)
}

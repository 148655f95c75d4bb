//! `drydock drill`: proves a recovery point by bringing it back to life in scratch.

use std::path::Path;
use std::sync::Arc;

use drydock_core::ClusterName;
use drydock_repository::recovery_point::RecoveryPoint;
use drydock_repository::{Identities, Repository};
use drydock_sandbox::StoreTarget;

use super::args::{DrillArgs, Global, Output};
use super::recovery_point::{Found, Shelf, identities};
use super::{block_on, print};
use crate::drill::report::Report;
use crate::drill::station::{self, Done, Means, Wanted, drill, newest};
use crate::drill::steps::NO_IDENTITY;
use crate::exit::{Exit, Failure, Outcome, chain};
use crate::node::Node;

pub fn dispatch(global: &Global, args: DrillArgs) -> Outcome {
    let node = Node::load(global)?;
    block_on(Box::pin(run(global.output, node, args)))
}

async fn run(output: Output, node: Node, args: DrillArgs) -> Outcome {
    let identities = opened(&node, args.identity.as_deref())?;
    let api_server = args.api_server;
    let shelf = Shelf::open(node, args.at)?;
    let found = find(&shelf, args.recovery_point.as_deref()).await?;
    print::note(&format!(
        "drilling {} of {}",
        found.point.manifest.recovery_point, found.target_name
    ));
    let wanted = Wanted {
        repository: Repository::new(&found.target, &shelf.signers),
        point: &found.point,
        target: &found.target_name,
        identities,
        api_server,
        encryption: args.encryption_config,
        reports: args.report,
    };
    let key = match args.no_mark {
        true => None,
        false => Some(Arc::new(shelf.workshop.signing_key()?)),
    };
    let means = Means::of(&shelf.workshop, key)?;
    let done = interruptible(drill(&means, wanted)).await??;
    tell(output, &done)
}

/// The identity of the command line, or of the node.
pub fn opened(node: &Node, file: Option<&Path>) -> Result<Arc<Identities>, Failure> {
    match file {
        Some(file) => identities(file),
        None => station::identities(&node.config)?
            .ok_or_else(|| Failure::usage(anyhow::anyhow!(NO_IDENTITY))),
    }
}

/// The recovery point of that name, or the newest of the only cluster and target.
pub async fn find(shelf: &Shelf, name: Option<&str>) -> Result<Found, Failure> {
    if let Some(name) = name {
        return shelf.find(name).await;
    }
    let (target_name, target) = the_only_target(shelf)?;
    let cluster = the_only_cluster(shelf)?;
    let repository = Repository::new(&target, &shelf.signers);
    let point: RecoveryPoint = newest(&repository, &cluster, &target_name)
        .await
        .map_err(Failure::failed)?;
    Ok(Found {
        target,
        target_name,
        point,
    })
}

fn the_only_target(shelf: &Shelf) -> Result<(String, StoreTarget), Failure> {
    let documents: Vec<_> = shelf.documents().collect();
    match documents.as_slice() {
        [document] => Ok((document.value.name.to_string(), shelf.target(document)?)),
        several => Err(which(
            "--target",
            several.iter().map(|d| d.value.name.as_str()),
        )),
    }
}

fn the_only_cluster(shelf: &Shelf) -> Result<ClusterName, Failure> {
    let clusters = shelf.clusters();
    match clusters.as_slice() {
        [cluster] => Ok(cluster.clone()),
        several => Err(which("--cluster", several.iter().map(ClusterName::as_str))),
    }
}

fn which<'a>(flag: &str, known: impl Iterator<Item = &'a str>) -> Failure {
    let known: Vec<&str> = known.collect();
    let kind = flag.trim_start_matches('-');
    Failure::usage(match known.is_empty() {
        true => anyhow::anyhow!("the documents define no {kind}, so there is nothing to drill"),
        false => anyhow::anyhow!(
            "whose newest recovery point is meant? Name it, or say {flag}: there are {}",
            known.join(", ")
        ),
    })
}

/// Ends the work at an interrupt: dropping it stops its servers and removes its folder.
pub async fn interruptible<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupts = signal(SignalKind::interrupt())?;
    let mut terminations = signal(SignalKind::terminate())?;
    let stopped = || Failure::failed(anyhow::anyhow!("interrupted; nothing is left behind"));
    tokio::select! {
        done = work => Ok(done),
        _ = interrupts.recv() => Err(stopped()),
        _ = terminations.recv() => Err(stopped()),
    }
}

/// What came of it: the report on stdout, the rest on stderr.
fn tell(output: Output, done: &Done) -> Outcome {
    match output {
        Output::Json => print::line(&serde_json::to_string_pretty(&done.report)?),
        Output::Table => print::line(&tables(&done.report)),
    }
    let mut exit = Exit::Done;
    match &done.written {
        Ok(written) => print::note(&format!("report: {}", written.html.display())),
        Err(error) => {
            print::note(&error.to_string());
            exit = Exit::Degraded;
        }
    }
    match &done.mark {
        None => {}
        Some(Ok(name)) => print::note(&format!("mark: {}", name.content_file())),
        Some(Err(error)) => {
            print::note(&format!(
                "the mark cannot be put beside the recovery point: {}; let this node's store plugin write there, or drill with --no-mark",
                chain(error)
            ));
            exit = Exit::Degraded;
        }
    }
    match &done.report.reason {
        None => Ok(exit),
        Some(reason) => {
            print::note(&format!("the recovery point failed: {reason}"));
            Ok(Exit::Failed)
        }
    }
}

/// The report as people read it on a terminal.
pub fn tables(report: &Report) -> String {
    let checks = report.checks.iter().map(|check| {
        vec![
            check.name.clone(),
            check.expected.clone(),
            check.found.clone(),
            check.verdict.word().to_owned(),
        ]
    });
    let header = ["CHECK", "EXPECTED", "FOUND", "VERDICT"];
    let mut text = print::table(&header, checks);
    let seconds = crate::drill::seconds;
    let phases = report
        .phases
        .iter()
        .map(|timed| vec![timed.phase.title().to_owned(), seconds(timed.milliseconds)]);
    text.push_str("\n\n");
    text.push_str(&print::table(&["PHASE", "TIME"], phases));
    let recovery = report
        .recovery_milliseconds
        .map_or_else(|| "-".to_owned(), seconds);
    let summary = vec![
        report.recovery_point.clone(),
        match report.passed() {
            true => "passed".to_owned(),
            false => "failed".to_owned(),
        },
        recovery,
        crate::clock::span(report.data_age_seconds),
    ];
    let header = [
        "RECOVERY POINT",
        "DRILL",
        "TIME TO RECOVER",
        "AGE OF THE DATA",
    ];
    text.push_str("\n\n");
    text.push_str(&print::table(&header, [summary]));
    text
}

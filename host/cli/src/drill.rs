//! `drydock drill`: proves a recovery point by bringing it back to life in scratch.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use drydock_api_types::drill::{DrillReport, Verdict};
use drydock_core::chain;
use drydock_documents::{Lookup, drill::Program};
use drydock_drill::{
    perform::{self, Done, Means, Wanted, drill},
    report::title,
};
use drydock_node::{Configuration, Need};
use drydock_repository::{Identities, Repository};
use drydock_runs::PrepareError;
use drydock_terminal::print::{self, Output};

use super::args::{DrillArgs, Global};
use super::catalog::{self, Catalog, LATEST, Purpose, identities};
use crate::runtime::block_on;
use crate::{Exit, Failure, Outcome};

pub fn dispatch(global: &Global, args: DrillArgs) -> Outcome {
    block_on(Box::pin(run(global, args)))
}

async fn run(global: &Global, args: DrillArgs) -> Outcome {
    let need = Need::drill(args.at.target.as_deref());
    let mut node = catalog::node(global, &args.at, &need)?;
    let identities = opened(&node, args.identity.as_deref())?;
    name_programs(&mut node, args.etcd, args.kube_apiserver);
    let signs = node.config.value.spec.signing_key.is_some();
    if !signs && !args.no_mark {
        print::note("No mark is put beside the recovery point: there is no signing key here.");
    }
    let marks = signs && !args.no_mark;
    let reports = match args.report {
        None if node.is_made_up() => None,
        None => Some(perform::places(&node.config).reports),
        given => given,
    };
    let catalog = Catalog::over(node, &args.at, marks)?;
    let name = args.recovery_point.as_deref().unwrap_or(LATEST);
    let found = catalog.find(name, Purpose::Look).await?;
    print::note(&format!(
        "drilling {} of {}",
        found.point.manifest.recovery_point, found.target_name
    ));
    let wanted = Wanted {
        repository: Repository::new(&found.target, &catalog.signers),
        point: &found.point,
        target: &found.target_name,
        identities,
        api_server: args.api_server,
        encryption: args.encryption_config,
        etcd_prefix: args.etcd_prefix,
        reports,
    };
    let key = if marks {
        Some(Arc::new(catalog.registry.signing_key()?))
    } else {
        None
    };
    let means = Means::of(&catalog.registry, key)?;
    let done = Box::pin(drill(&means, wanted)).await?;
    tell(global.output, &done)
}

/// The identity of the command line, or of the node.
pub fn opened(node: &Configuration, file: Option<&Path>) -> Result<Arc<Identities>, Failure> {
    match file {
        Some(file) => identities(file),
        None => Ok(perform::identities(node)?.ok_or(PrepareError::NoIdentity)?),
    }
}

/// The programs of the command line, of the node, or of PATH.
pub fn name_programs(
    node: &mut Configuration,
    etcd: Option<PathBuf>,
    kube_apiserver: Option<PathBuf>,
) {
    let env = &*node.deps.env;
    let drill = &mut node.config.value.spec.drill;
    for (program, given, name) in [
        (&mut drill.etcd, etcd, "etcd"),
        (&mut drill.api_server, kube_apiserver, "kube-apiserver"),
    ] {
        let at = |path| Program {
            path: Some(path),
            url: None,
            sha256: None,
            member: None,
        };
        *program = given
            .map(at)
            .or_else(|| program.take())
            .or_else(|| on_path(name, env).map(at));
    }
}

/// The first file of this name in the folders of PATH.
fn on_path(name: &str, env: &dyn Lookup) -> Option<PathBuf> {
    let folders = env.env("PATH")?;
    let mut files = folders
        .split(':')
        .map(|folder| Path::new(folder).join(name));
    files.find(|file| file.is_absolute() && file.is_file())
}

/// What came of it: the report on stdout, the rest on stderr.
fn tell(output: Output, done: &Done) -> Outcome {
    match output {
        Output::Json => print::line(&serde_json::to_string_pretty(&done.report)?),
        Output::Table => print::line(&tables(&done.report)),
    }
    let mut exit = Exit::Done;
    match &done.written {
        None => {}
        Some(Ok(written)) => print::note(&format!("report: {}", written.html.display())),
        Some(Err(error)) => {
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
    let reason = done.report.reason.as_deref().unwrap_or_default();
    match done.report.verdict {
        Verdict::Pass => Ok(exit),
        Verdict::Skipped => {
            print::note(&format!("skipped: {reason}; no mark was put"));
            Ok(Exit::Degraded)
        }
        Verdict::Fail => {
            print::note(&format!("the recovery point failed: {reason}"));
            Ok(Exit::Failed)
        }
    }
}

/// The report as people read it on a terminal.
pub fn tables(report: &DrillReport) -> String {
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
    let seconds = drydock_drill::seconds;
    let phases = report
        .phases
        .iter()
        .map(|timed| vec![title(timed.phase).to_owned(), seconds(timed.milliseconds)]);
    text.push_str("\n\n");
    text.push_str(&print::table(&["PHASE", "TIME"], phases));
    let recovery = report
        .recovery_milliseconds
        .map_or_else(|| "-".to_owned(), seconds);
    let summary = vec![
        report.recovery_point.to_string(),
        match report.verdict {
            Verdict::Pass => "passed",
            Verdict::Fail => "failed",
            Verdict::Skipped => "skipped",
        }
        .to_owned(),
        recovery,
        drydock_core::span(report.data_age_seconds),
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

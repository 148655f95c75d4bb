//! `drydock target`: looks at the places where recovery points are kept.

use drydock_core::{ClusterName, Finding, Level};
use drydock_repository::Target as _;
use drydock_repository::probe::probe;

use super::args::{Global, Output, TargetVerb};
use super::{block_on, print};
use crate::exit::{Exit, Outcome};
use crate::node::{Need, Node, Workshop, accept_config};

/// Where the probe works, beside the folders of clusters. Each probe has a folder of its
/// own in it, so that two at once do not meet.
const PROBE_FOLDER: &str = "drydock-probe";

pub fn dispatch(global: &Global, verb: &TargetVerb) -> Outcome {
    let TargetVerb::Check { name, probe } = verb;
    let node = Node::load(global, &Need::target(Some(name)))?;
    let output = global.output;
    block_on(async move { check(output, node, name, *probe).await })
}

async fn check(output: Output, node: Node, name: &str, probed: bool) -> Outcome {
    let workshop = Workshop::open_to_read(node)?;
    let document = workshop.node.target(name)?;
    let target = workshop.idle_target(document, &ClusterName::new(""))?;
    accept_config(&format!("target {name}"), target.check_config().await)?;
    let mut findings = match target.check().await {
        Ok(findings) => findings,
        Err(fault) => vec![Finding::new(Level::Failure, &fault.code, fault.message)],
    };
    // What cannot even be looked at need not be written to.
    if probed && exit_of(&findings) != Exit::Failed {
        let id = crate::steps::random_hex::<8>()?;
        findings.extend(probe(&target, &format!("{PROBE_FOLDER}/{id}/")).await);
    }
    let rows = findings.iter().map(|finding| {
        vec![
            level(finding.level).to_owned(),
            finding.code.clone(),
            finding.message.clone(),
        ]
    });
    print::rows(output, &findings, &["LEVEL", "CODE", "MESSAGE"], rows)?;
    Ok(exit_of(&findings))
}

fn exit_of(findings: &[Finding]) -> Exit {
    match findings.iter().map(|finding| finding.level).max() {
        None | Some(Level::Note) => Exit::Done,
        Some(Level::Warning) => Exit::Degraded,
        Some(Level::Failure) => Exit::Failed,
    }
}

fn level(level: Level) -> &'static str {
    match level {
        Level::Note => "note",
        Level::Warning => "warning",
        Level::Failure => "failure",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_finding_decides_the_exit_code() {
        let of = |levels: &[Level]| {
            let findings: Vec<_> = levels
                .iter()
                .map(|level| Finding::new(*level, "c", "m"))
                .collect();
            exit_of(&findings)
        };
        assert_eq!(of(&[]), Exit::Done);
        assert_eq!(of(&[Level::Note]), Exit::Done);
        assert_eq!(of(&[Level::Warning, Level::Note]), Exit::Degraded);
        assert_eq!(of(&[Level::Note, Level::Failure]), Exit::Failed);
    }
}

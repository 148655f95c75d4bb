//! From a report to the mark that stands beside the recovery point.

use drydock_repository::mark::{MARK_FORMAT_VERSION, Mark, MarkCheck, MarkKind, MarkTool};
use drydock_repository::recovery_point::RecoveryPoint;

use super::report::Report;
use crate::version::VERSION;

/// Characters of one side of a check in a mark: some hundred checks fit into it.
const SIDE_CHARS_MAX: usize = 256;

/// The mark that a drill of this recovery point earned.
pub fn of(report: &Report, point: &RecoveryPoint) -> Mark {
    let passed = report.passed();
    let short = |text: &str| text.chars().take(SIDE_CHARS_MAX).collect::<String>();
    let checks = report.checks.iter().map(|check| MarkCheck {
        name: short(&check.name),
        expected: short(&check.expected),
        found: short(&check.found),
        verdict: check.verdict.word().to_owned(),
    });
    Mark {
        format_version: MARK_FORMAT_VERSION,
        mark: match passed {
            true => MarkKind::Drilled,
            false => MarkKind::Failed,
        },
        cluster: point.manifest.cluster.clone(),
        recovery_point: point.manifest.recovery_point.clone(),
        manifest_sha256: point.manifest_sha256,
        at: report.started,
        node: report.node.clone(),
        reason: report.reason.clone(),
        checks: checks.collect(),
        recovery_milliseconds: report.recovery_milliseconds,
        restored: None,
        tool: MarkTool {
            name: "drydock".to_owned(),
            version: VERSION.to_owned(),
        },
    }
}

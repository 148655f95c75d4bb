//! From a report to the mark that stands beside the recovery point.

use drydock_api_types::drill::{DrillReport, Verdict};
use drydock_core::VERSION;
use drydock_repository::{
    mark::{MARK_FORMAT_VERSION, Mark, MarkCheck, MarkKind, MarkTool},
    recovery_point::RecoveryPoint,
};

/// Characters of one side of a check in a mark: some hundred checks fit into it.
const SIDE_CHARS_MAX: usize = 256;

/// The mark that a drill of this recovery point earned; none when it proved nothing.
pub fn of(report: &DrillReport, point: &RecoveryPoint) -> Option<Mark> {
    let kind = match report.verdict {
        Verdict::Pass => MarkKind::Drilled,
        Verdict::Fail => MarkKind::Failed,
        Verdict::Skipped => return None,
    };
    let short = |text: &str| text.chars().take(SIDE_CHARS_MAX).collect::<String>();
    let checks = report.checks.iter().map(|check| MarkCheck {
        name: short(&check.name),
        expected: short(&check.expected),
        found: short(&check.found),
        verdict: check.verdict.word().to_owned(),
    });
    Some(Mark {
        format_version: MARK_FORMAT_VERSION,
        mark: kind,
        cluster: point.manifest.cluster.clone(),
        recovery_point: point.manifest.recovery_point.clone(),
        manifest_sha256: point.manifest_sha256,
        at: report.started.0,
        node: report.node.clone(),
        reason: report.reason.clone(),
        checks: checks.collect(),
        recovery_milliseconds: report.recovery_milliseconds,
        restored: None,
        tool: MarkTool {
            name: "drydock".to_owned(),
            version: VERSION.to_owned(),
        },
    })
}

//! Findings as what a verb answers: printed, and the worst of them as its exit code.

use drydock_core::{Finding, Level};
use drydock_terminal::print::{self, Output};

use crate::{Exit, Outcome};

/// Prints findings that are the whole answer, and ends as the worst of them says.
pub fn told(output: Output, findings: &[Finding]) -> Outcome {
    print::rows(
        output,
        &findings,
        &["LEVEL", "CODE", "MESSAGE"],
        findings.iter().map(cells),
    )?;
    Ok(exit_of(findings))
}

/// One as a row.
pub fn cells(finding: &Finding) -> Vec<String> {
    vec![
        level(finding.level).to_owned(),
        finding.code.clone(),
        finding.message.clone(),
    ]
}

/// The worst finding decides.
pub fn exit_of(findings: &[Finding]) -> Exit {
    match findings.iter().map(|finding| finding.level).max() {
        None | Some(Level::Note) => Exit::Done,
        Some(Level::Warning) => Exit::Degraded,
        Some(Level::Failure) => Exit::Failed,
    }
}

/// As a word.
pub fn level(level: Level) -> &'static str {
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

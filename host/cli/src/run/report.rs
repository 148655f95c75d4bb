//! What came of runs that this process carried out: data on stdout, reasons and what to do
//! next on stderr.

use drydock_api_types::run::{Run, RunReport};
use drydock_node::Configuration;
use drydock_terminal::print::{self, Output};

use super::{questions, show};
use crate::args::{self, Global};
use crate::snapshot::STATUS_HEADER;
use crate::{Failure, made};

/// Tells of these runs. Of a run that failed the last line is its cause, of one that waits
/// the command lines that answer it.
pub fn report(global: &Global, node: &Configuration, runs: Vec<Run>) -> Result<(), Failure> {
    let reports = runs.into_iter().map(|run| RunReport {
        places: made::places(node, &run),
        snapshots: show::snapshots(&run),
        run,
    });
    let reports: Vec<_> = reports.collect();
    if global.output == Output::Json {
        print::line(&serde_json::to_string_pretty(&reports)?);
    }
    let program = args::program(&global.config);
    for report in &reports {
        let run = &report.run;
        if global.output == Output::Table {
            tables(report);
            let next = made::next(&global.config, node, run);
            next.iter().for_each(|line| print::note(line));
        }
        let asked = run.open_questions();
        let asked = asked.flat_map(|open| questions::open(&program, &run.run, open));
        let reasons = run.end.reasons.iter().cloned();
        reasons.chain(asked).for_each(|line| print::note(&line));
    }
    Ok(())
}

/// What the run did at its targets, where its recovery point is, and what that holds.
fn tables(report: &RunReport) {
    let RunReport { run, places, .. } = report;
    print::line(&show::targets(run));
    let artifacts = if places.is_empty() {
        Vec::new()
    } else {
        show::artifact_rows(run)
    };
    let more: [(&[&str], Vec<_>); 4] = [
        (&show::STEP_HEADER, show::step_rows(run)),
        (&made::PLACE_HEADER, places.iter().map(made::row).collect()),
        (&show::ARTIFACT_HEADER, artifacts),
        (&STATUS_HEADER, show::snapshot_rows(run)),
    ];
    for (header, rows) in more.into_iter().filter(|(_, rows)| !rows.is_empty()) {
        print::line("");
        print::line(&print::table(header, rows));
    }
}

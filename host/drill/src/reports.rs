//! Reports as files: JSON for programs and a page for people, beside each other, each
//! there whole or not at all.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use drydock_api_types::drill::DrillReport;
use drydock_core::reason;
use drydock_scratch::scratch::private;
use tempfile::NamedTempFile;

use super::page;

/// Where a report was put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    pub json: PathBuf,
    pub html: PathBuf,
}

/// A report could not be put there. The drill itself was carried out.
#[derive(Debug, thiserror::Error)]
#[error(
    "the report cannot be written into {}: {why}; name another folder with --report, or as spec.drill.reports of the node's configuration",
    folder.display()
)]
pub struct ReportError {
    folder: PathBuf,
    why: String,
}

/// Writes a report into a folder, which is made if absent.
///
/// # Errors
/// [`ReportError`].
pub fn write(report: &DrillReport, folder: &Path) -> Result<Written, ReportError> {
    let failed = |error: io::Error| ReportError {
        folder: folder.to_owned(),
        why: reason(&error),
    };
    private(folder, true).map_err(failed)?;
    let stem = stem(report);
    let written = Written {
        json: folder.join(format!("{stem}.json")),
        html: folder.join(format!("{stem}.html")),
    };
    let json = serde_json::to_string_pretty(report).map_err(|error| failed(error.into()))?;
    put(folder, &written.json, &format!("{json}\n")).map_err(failed)?;
    put(folder, &written.html, &page::html(report)).map_err(failed)?;
    let synced = fs::File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(failed)?;
    Ok(written)
}

/// Names of recovery points are safe as names of files.
fn stem(report: &DrillReport) -> String {
    let at = report.started.to_string();
    let stamp: String = at.chars().filter(|c| !matches!(c, '-' | ':')).collect();
    format!("{}.drill-{stamp}", report.recovery_point)
}

fn put(folder: &Path, path: &Path, text: &str) -> io::Result<()> {
    let mut file = NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

//! All cells of a service.

use super::cell::{Cell, End};
use super::service::Service;
use super::table::ROWS;

/// Cells of a grid, and what became of them.
#[derive(Debug, Default)]
pub struct Summary {
    pub passed: usize,
    pub mended: usize,
    /// Each broken law.
    pub broken: Vec<String>,
}

/// The cells of a service in the order in which they are played.
pub fn cells(service: &Service) -> Vec<Cell<'static>> {
    let calls = service.calls.iter();
    calls
        .flat_map(|call| {
            let rows = ROWS.iter().filter(move |row| row.is_for(call));
            rows.flat_map(move |row| {
                let moments = row.stages.iter();
                moments.map(move |moment| Cell {
                    call,
                    row,
                    moment: *moment,
                })
            })
        })
        .collect()
}

/// The cell of that fault at that call.
#[must_use]
pub fn cell(service: &Service, wanted: &str) -> Option<Cell<'static>> {
    let mut cells = cells(service).into_iter();
    cells.find(|cell| cell.to_string() == wanted)
}

/// Plays every cell whose name has this in it; a broken law does not end the grid.
pub async fn run(service: &Service, filter: &str, tell: impl Fn(&str)) -> Summary {
    let mut summary = Summary::default();
    for (number, cell) in cells(service).iter().enumerate() {
        let name = format!("{}: {cell}", service.name);
        if !name.contains(filter) {
            continue;
        }
        match cell.play(service, &format!("cell-{number}")).await {
            Ok(End::Passed) => {
                summary.passed += 1;
                tell(&format!("{name}: passed"));
            }
            Ok(End::Mended(why)) => {
                summary.mended += 1;
                tell(&format!(
                    "{name}: failed, and went well the next time: {why}"
                ));
            }
            Err(error) => {
                tell(&format!("{name}: BROKEN: {error:#}"));
                summary.broken.push(format!("{error:#}"));
            }
        }
    }
    summary
}

//! Stores over HTTP, on loopback: the plugins beside the same done natively and beside the
//! programs that people use, a whole backup beside the script, and what a second target costs.

mod chain;
pub mod ours;
mod servers;
mod transfer;

use std::path::Path;

use anyhow::Result;

use crate::arguments::Arguments;
use crate::data::DataSet;
use crate::report::Report;
use crate::stage::Stage;
use servers::Servers;

/// Everything on one data set, which is also the file that is moved.
pub async fn compare(arguments: &Arguments, data: &DataSet, report: &mut Report) -> Result<()> {
    let stage = Box::pin(Stage::set(arguments, data)).await?;
    let servers = Box::pin(Servers::start(&stage)).await?;
    for compared in transfer::compare(arguments, data, &stage, &servers)? {
        report.add(compared);
    }
    report.add(chain::beside_the_script(arguments, &stage, &servers)?);
    report.add(chain::second_target(arguments, &stage, &servers)?);
    Ok(())
}

/// Removes a folder of objects, where there is one.
fn clear(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

//! Looking inside a snapshot: listing its keys, and comparing two of them.
//!
//! No peer does either on a file, so each stands beside the plain reading of it, the limit.

use std::process::Command;

use anyhow::Result;

use crate::Arguments;
use crate::data::DataSet;
use crate::measure::{self, Side};
use crate::report::{Compared, Ratio};
use crate::stage::Place;

const LS_COUNTED: &str = "Ours checks the whole structure of the file (out of the page cache), \
    indexes its keys, sorts them and prints a line for each. `cat` only reads the file.";

const DIFF_COUNTED: &str = "Ours checks both files (twice the same one, out of the page cache), \
    sorts the keys of both and compares their values. `cat` only reads both.";

pub fn ls(arguments: &Arguments, data: &DataSet) -> Result<Compared> {
    compare(arguments, data, "ls", LS_COUNTED, 1)
}

pub fn diff(arguments: &Arguments, data: &DataSet) -> Result<Compared> {
    compare(arguments, data, "diff", DIFF_COUNTED, 2)
}

/// The verb on the file, given so many times, beside a plain reading of it.
fn compare(
    arguments: &Arguments,
    data: &DataSet,
    verb: &'static str,
    counted: &'static str,
    times: usize,
) -> Result<Compared> {
    let place = Place::new(&arguments.data)?;
    let ours = || {
        let mut command = Command::new(&arguments.drydock);
        command.args(["snapshot", verb]);
        command.args(vec![&data.file; times]);
        command
    };
    let reading = || {
        let mut command = Command::new("sh");
        command.args(["-c", "cat \"$@\" > /dev/null", "sh"]);
        command.args(vec![&data.file; times]);
        command
    };
    let sides = vec![
        Side {
            name: format!("drydock snapshot {verb}"),
            command: Box::new(ours),
            after: Box::new(|_, _, _| Ok(())),
        },
        Side {
            name: "cat".to_owned(),
            command: Box::new(reading),
            after: Box::new(|_, _, _| Ok(())),
        },
    ];
    let sides = measure::in_turn(sides, arguments.runs, &[], place.path())?;
    Ok(Compared {
        name: verb,
        data: data.name.clone(),
        data_bytes: data.bytes,
        counted,
        ratios: Ratio::of_first(&sides),
        sides,
        aim: "none: no peer does it on a file; reading is the limit",
        apart: &[],
    })
}

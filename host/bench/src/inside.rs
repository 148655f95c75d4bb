//! Looking inside a snapshot: listing its keys, and comparing two of them.
//!
//! No peer does either on a file, so each stands beside the plain reading of it, the limit.
//! Listing also stands beside etcdctl, which asks a running server that has the keys in
//! memory.

use std::process::Command;

use anyhow::Result;

use crate::arguments::Arguments;
use crate::data::DataSet;
use crate::measure::{self, Side};
use crate::report::{Compared, Ratio};
use crate::stage::{Place, Stage, command_of, shell};

const LS_COUNTED: &str = "Ours checks the whole structure of the file (out of the page cache), \
    indexes its keys, sorts them and prints a line for each. etcdctl asks a running etcd for its keys alone and prints them; \
    starting that etcd from the file is not counted. `cat` only reads the file.";

const DIFF_COUNTED: &str = "Ours checks both files (twice the same one, out of the page cache), \
    sorts the keys of both and compares their values. `cat` only reads both.";

pub fn ls(arguments: &Arguments, data: &DataSet, stage: &Stage) -> Result<Compared> {
    let words = stage.etcdctl_words(&[
        "get",
        "",
        "--prefix",
        "--keys-only",
        "--command-timeout",
        "120s",
    ])?;
    let asking = side("etcdctl get --keys-only", move || command_of(&words));
    compare(arguments, data, ("ls", LS_COUNTED), 1, vec![asking])
}

pub fn diff(arguments: &Arguments, data: &DataSet) -> Result<Compared> {
    compare(arguments, data, ("diff", DIFF_COUNTED), 2, Vec::new())
}

/// The verb on the file, given so many times, beside peers and a plain reading of it.
fn compare(
    arguments: &Arguments,
    data: &DataSet,
    (verb, counted): (&'static str, &'static str),
    times: usize,
    peers: Vec<Side<'_>>,
) -> Result<Compared> {
    let place = Place::new(&arguments.data)?;
    let files = || vec![data.file.as_path(); times];
    let mut sides = vec![side(&format!("drydock snapshot {verb}"), || {
        let mut command = Command::new(&arguments.drydock);
        command.args(["snapshot", verb]).args(files());
        command
    })];
    sides.extend(peers);
    sides.push(side("cat", || shell("cat \"$@\" > /dev/null", &files())));
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

fn side<'a>(name: &str, command: impl Fn() -> Command + 'a) -> Side<'a> {
    Side {
        name: name.to_owned(),
        command: Box::new(command),
        after: Box::new(|_, _, _| Ok(())),
    }
}

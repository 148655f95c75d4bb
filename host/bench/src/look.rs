//! Looking into a snapshot file: status and HashKV.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use drydock_testkit::tools;
use serde_json::Value;

use crate::arguments::Arguments;
use crate::data::DataSet;
use crate::measure::{self, Side};
use crate::report::{Compared, Ratio};
use crate::stage::{Place, etcdutl};

/// etcdutl 3.6 panics at the first key with a lease.
const HASHING_ETCD_VERSION: &str = "3.7.3";

const STATUS_COUNTED: &str = "Both walk and check the whole file (out of the page cache) and print \
    hash, revision, keys and size; the figures are compared and have to be equal.";

const HASH_KV_COUNTED: &str = "Both hash every row up to the newest revision (out of the page \
    cache); ours checks the whole structure on the way. The hashes are compared and have to be \
    equal. etcdutl is of version 3.7.3, since 3.6 panics at the first key with a lease, and works \
    on a copy, since it changes the file.";

pub fn status(arguments: &Arguments, data: &DataSet) -> Result<Compared> {
    let theirs = etcdutl()?;
    let command = |program: &Path, form: &[&str]| {
        let mut command = Command::new(program);
        command
            .args(form)
            .args(["snapshot", "status"])
            .arg(&data.file);
        command
    };
    let sides = vec![
        side("drydock snapshot status", || {
            command(&arguments.drydock, &["--output", "json"])
        }),
        side("etcdutl snapshot status", || {
            command(&theirs, &["-w", "json"])
        }),
    ];
    let equal = ["hash", "revision", "totalKey"];
    compare(arguments, data, "status", STATUS_COUNTED, sides, &equal)
}

pub fn hash_kv(arguments: &Arguments, data: &DataSet) -> Result<Compared> {
    let theirs = tools::etcd(HASHING_ETCD_VERSION)?.join("etcdutl");
    let place = Place::new(&arguments.data)?;
    let copy = place.join("copy.db");
    let sides = vec![
        side("drydock snapshot hashkv", || {
            let mut command = Command::new(&arguments.drydock);
            command
                .args(["--output", "json", "snapshot", "hashkv"])
                .arg(&data.file);
            command
        }),
        side("etcdutl hashkv", || {
            // It opens the file for writing and changes it, so that the trailer does not
            // fit any more.
            let copied = std::fs::copy(&data.file, &copy);
            copied.expect("the scratch folder is ours");
            let mut command = Command::new(&theirs);
            command.args(["-w", "json", "hashkv"]).arg(&copy);
            command
        }),
    ];
    compare(arguments, data, "hashkv", HASH_KV_COUNTED, sides, &["hash"])
}

type Looking<'a> = (&'static str, Box<dyn Fn() -> Command + 'a>);

fn side<'a>(name: &'static str, command: impl Fn() -> Command + 'a) -> Looking<'a> {
    (name, Box::new(command))
}

fn compare(
    arguments: &Arguments,
    data: &DataSet,
    name: &'static str,
    counted: &'static str,
    looking: Vec<Looking<'_>>,
    equal: &[&str],
) -> Result<Compared> {
    let place = Place::new(&arguments.data)?;
    let answers = std::cell::RefCell::new(None);
    let sides = looking.into_iter().map(|(name, command)| Side {
        name: name.to_owned(),
        command,
        after: Box::new(|_, stdout, _| agree(&mut answers.borrow_mut(), stdout, equal)),
    });
    let sides = measure::in_turn(sides.collect(), arguments.runs, &[], place.path())?;
    Ok(Compared {
        name,
        data: data.name.clone(),
        data_bytes: data.bytes,
        counted,
        ratios: Ratio::of_first(&sides),
        sides,
        aim: "at most 0.33 for status, no slower for hashkv",
        apart: &[],
    })
}

/// A figure that differs between the sides makes their times worthless.
fn agree(before: &mut Option<Vec<Value>>, stdout: &str, equal: &[&str]) -> Result<()> {
    let answer: Value =
        serde_json::from_str(stdout).with_context(|| format!("it printed no JSON: {stdout}"))?;
    let figures: Vec<Value> = equal.iter().map(|name| answer[name].clone()).collect();
    ensure!(
        !figures.contains(&Value::Null),
        "it left out a figure: {stdout}"
    );
    let first = before.get_or_insert_with(|| figures.clone());
    ensure!(*first == figures, "the sides say {first:?} and {figures:?}");
    Ok(())
}

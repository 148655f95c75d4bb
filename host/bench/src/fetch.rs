//! Bringing a backup back into a plain file.

use std::fs;

use anyhow::{Context, Result};
use drydock_testkit::tools;

use crate::measure::{self, Side};
use crate::report::{Compared, Ratio};
use crate::stage::{Stage, shell};

const COUNTED: &str = "drydock recovery-point fetch: signature, digest of the sealed bytes, age, \
    zstd, digest of the plain bytes, synced file. age -d | zstd -d, sha256sum: the same file, its \
    digest printed, synced; no signature and no digest of the sealed bytes.";

pub fn compare(stage: &Stage, point: &str, runs: usize) -> Result<Compared> {
    let scratch = stage.place.path();
    let sides = vec![ours(stage, point), theirs(stage, point)?];
    let sides = measure::in_turn(sides, runs, &[], scratch)?;
    Ok(Compared {
        name: "fetch",
        data: stage.data.clone(),
        data_bytes: stage.data_bytes,
        counted: COUNTED,
        ratios: Ratio::of_first(&sides),
        sides,
        aim: "no slower",
        apart: &[],
    })
}

fn ours<'a>(stage: &'a Stage, point: &'a str) -> Side<'a> {
    let file = stage.place.join("fetched.db");
    let to = file.clone();
    Side {
        name: "drydock recovery-point fetch".to_owned(),
        command: Box::new(move || {
            let mut command = stage.drydock();
            command
                .args(["recovery-point", "fetch", point, "--identity"])
                .arg(stage.place.join("sealing.key"))
                .arg("--to")
                .arg(&to);
            command
        }),
        after: Box::new(move |_, _, _| fs::remove_file(&file).context("nothing was fetched")),
    }
}

fn theirs<'a>(stage: &'a Stage, point: &str) -> Result<Side<'a>> {
    let sealed = stage.sealed_artifact(point)?;
    let identity = stage.place.join("sealing.key");
    let file = stage.place.join("opened.db");
    let (age, zstd) = (tools::age()?, tools::zstd()?);
    let script = r#""$3" -d -i "$2" "$1" | "$4" -q -d -o "$5"; sha256sum "$5"; sync "$5""#;
    let opened = file.clone();
    Ok(Side {
        name: "age -d | zstd -d, sha256sum".to_owned(),
        command: Box::new(move || shell(script, &[&sealed, &identity, &age, &zstd, &opened])),
        after: Box::new(move |_, _, _| fs::remove_file(&file).context("nothing was opened")),
    })
}

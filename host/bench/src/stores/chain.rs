//! A whole backup to S3 beside the script that people run, and beside one to two targets.

use std::path::Path;

use anyhow::Result;
use drydock_testkit::tools;
use drydock_testkit::versitygw::BUCKET;

use super::clear;
use super::servers::{S3, SECOND, Servers, TWO};
use crate::arguments::Arguments;
use crate::measure::{self, Side};
use crate::phases;
use crate::report::{Compared, Ratio};
use crate::stage::{Stage, etcdutl, shell};

const COUNTED: &str = "drydock run: as in `backup`, to a bucket: parts leave while the snapshot streams in, each \
    compared by the server. The script: etcdctl snapshot save, etcdutl snapshot status, zstd -c | \
    age into a file, aws s3 cp of that; nothing is compared.";

const SECOND_COUNTED: &str = "The same run with one target and with two, both buckets of one server on this machine, \
    whose own work is not counted and takes its share of the cores.";

/// The object of the script.
const OBJECT: &str = "script/snapshot.zst.age";

pub fn beside_the_script(
    arguments: &Arguments,
    stage: &Stage,
    servers: &Servers,
) -> Result<Compared> {
    let sides = vec![
        ours(stage, servers, "drydock run", S3),
        script(stage, servers)?,
    ];
    let aim = "ahead of the script";
    compared("backup to S3", COUNTED, aim, (arguments, stage, sides))
}

pub fn second_target(arguments: &Arguments, stage: &Stage, servers: &Servers) -> Result<Compared> {
    let sides = vec![
        ours(stage, servers, "drydock run, two targets", TWO),
        ours(stage, servers, "drydock run, one target", S3),
    ];
    let aim = "far below 2: one stream is read, checked and sealed";
    compared(
        "second target",
        SECOND_COUNTED,
        aim,
        (arguments, stage, sides),
    )
}

fn compared(
    name: &'static str,
    counted: &'static str,
    aim: &'static str,
    (arguments, stage, sides): (&Arguments, &Stage, Vec<Side<'_>>),
) -> Result<Compared> {
    let place = stage.place.path();
    let sides = measure::in_turn(sides, arguments.runs, &stage.servers(), place)?;
    Ok(Compared {
        name,
        data: stage.data.clone(),
        data_bytes: stage.data_bytes,
        counted,
        ratios: Ratio::of_first(&sides),
        sides,
        aim,
        apart: &[],
    })
}

fn ours<'a>(stage: &'a Stage, servers: &'a Servers, name: &str, schedule: &'a str) -> Side<'a> {
    Side {
        name: name.to_owned(),
        command: Box::new(move || stage.run_of(schedule)),
        after: Box::new(move |measured, stdout, stderr| {
            stage.recovery_point(stdout)?;
            measured.phases = phases::read(stderr);
            // What tells a target from any other stays.
            for target in [S3, SECOND] {
                clear(&servers.folder(&format!("{target}/quickstart")))?;
            }
            Ok(())
        }),
    }
}

fn script<'a>(stage: &'a Stage, servers: &'a Servers) -> Result<Side<'a>> {
    let plain = stage.place.join("script.db");
    let sealed = stage.place.join("script.db.zst.age");
    let words = stage.save_words(&plain)?;
    let programs = [etcdutl()?, tools::zstd()?, tools::age()?, tools::aws()?];
    let recipient = stage.recipient.clone();
    let to = format!("s3://{BUCKET}/{OBJECT}");
    let endpoint = servers.s3.url("");
    let script = r#"plain=$1 sealed=$2 etcdutl=$3 zstd=$4 age=$5 aws=$6 recipient=$7 endpoint=$8 to=$9; shift 9
        "$@"; "$etcdutl" snapshot status "$plain"
        "$zstd" -q -c "$plain" | "$age" -r "$recipient" -o "$sealed"
        "$aws" --endpoint-url "$endpoint" s3 cp --quiet "$sealed" "$to"
        rm "$plain" "$sealed""#;
    Ok(Side {
        name: "save+status+zstd|age+aws".to_owned(),
        command: Box::new(move || {
            let [etcdutl, zstd, age, aws] = &programs;
            let words_of_script: [&Path; 9] = [
                &plain,
                &sealed,
                etcdutl,
                zstd,
                age,
                aws,
                Path::new(&recipient),
                Path::new(&endpoint),
                Path::new(&to),
            ];
            let mut command = shell(script, &words_of_script);
            command.args(&words);
            Servers::identified(&mut command);
            command
        }),
        after: Box::new(move |_, _, _| clear(&servers.folder("script"))),
    })
}

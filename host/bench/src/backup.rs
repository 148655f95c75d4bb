//! A backup: a whole run of Drydock beside the bare stream, and beside what a CronJob
//! does that saves, looks, compresses and encrypts.

use std::cell::RefCell;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use drydock_testkit::tools;

use crate::measure::{self, Side};
use crate::phases;
use crate::report::{Compared, Ratio};
use crate::stage::{Stage, command_of, etcdutl, shell};

const COUNTED: &str = "drydock run: start, snapshot over TLS, check of every page and of the \
    trailer, figures, HashKV asked of every member and compared, zstd and age, spool and parts \
    synced, read-back from the disk, signed manifest. etcdctl snapshot save: the stream and its \
    own sync, nothing else. save+status+zstd|age: the same stream, etcdutl snapshot status, \
    zstd -c | age into a file that is synced; nothing is compared or read back.";

/// Compares and returns the last recovery point with it.
pub fn compare(stage: &Stage, runs: usize) -> Result<(Compared, String)> {
    let point = RefCell::new(String::new());
    let scratch = stage.place.path();
    let sides = vec![
        ours(stage, &point),
        save(stage, &scratch.join("save.db"))?,
        cron_job(stage, scratch)?,
    ];
    let sides = measure::in_turn(sides, runs, &stage.servers(), scratch)?;
    let compared = Compared {
        name: "backup",
        data: stage.data.clone(),
        data_bytes: stage.data_bytes,
        counted: COUNTED,
        ratios: Ratio::of_first(&sides),
        sides,
        aim: "at most 1.15 of etcdctl snapshot save where cores are free",
        apart: &phases::APART,
    };
    Ok((compared, point.into_inner()))
}

fn ours<'a>(stage: &'a Stage, point: &'a RefCell<String>) -> Side<'a> {
    Side {
        name: "drydock run".to_owned(),
        command: Box::new(|| {
            // The one before is of no more use, except the last, which is fetched.
            let cleared = stage.clear_backups();
            cleared.expect("the scratch folder is ours");
            stage.drydock_run()
        }),
        after: Box::new(|measured, stdout, stderr| {
            *point.borrow_mut() = stage.recovery_point(stdout)?;
            measured.phases = phases::read(stderr);
            Ok(())
        }),
    }
}

fn save<'a>(stage: &'a Stage, file: &Path) -> Result<Side<'a>> {
    let words = stage.save_words(file)?;
    let file = file.to_owned();
    Ok(Side {
        name: "etcdctl snapshot save".to_owned(),
        command: Box::new(move || command_of(&words)),
        after: Box::new(move |_, _, _| remove(&file)),
    })
}

fn cron_job<'a>(stage: &'a Stage, scratch: &Path) -> Result<Side<'a>> {
    let plain = scratch.join("cron.db");
    let sealed = scratch.join("cron.db.zst.age");
    let words = stage.save_words(&plain)?;
    let (etcdutl, zstd, age) = (etcdutl()?, tools::zstd()?, tools::age()?);
    let recipient = stage.recipient.clone();
    let script = r#"plain=$1 sealed=$2 etcdutl=$3 zstd=$4 age=$5 recipient=$6; shift 6
        "$@"; "$etcdutl" snapshot status "$plain"
        "$zstd" -q -c "$plain" | "$age" -r "$recipient" -o "$sealed"
        sync "$sealed"; rm "$plain""#;
    let removed = sealed.clone();
    Ok(Side {
        name: "save+status+zstd|age".to_owned(),
        command: Box::new(move || {
            let recipient = Path::new(&recipient);
            let mut command = shell(script, &[&plain, &sealed, &etcdutl, &zstd, &age, recipient]);
            command.args(&words);
            command
        }),
        after: Box::new(move |_, _, _| remove(&removed)),
    })
}

fn remove(file: &Path) -> Result<()> {
    fs::remove_file(file).with_context(|| format!("cannot remove {}", file.display()))
}

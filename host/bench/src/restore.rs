//! Restoring a snapshot file into data folders: of one member and of three.
//!
//! Beside the tools stands the least that any of them can do: a copy of the file for each
//! member that is safe on the disk.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::arguments::Arguments;
use crate::data::DataSet;
use crate::measure::{self, Side};
use crate::report::{Compared, Ratio};
use crate::stage::{Place, etcdutl};

const MEMBERS: [&str; 3] = ["m1", "m2", "m3"];

const COUNTED: &str = "Each side makes data folders of a file that is in the page cache, checks \
    its SHA-256 and syncs what it writes; ours checks every page as well. Neither bumps the \
    revision. A copy is `cp` and fdatasync of the file, the least that a restore can take where \
    the file system shares no blocks. What a side left is removed before the next one runs.";

/// One member.
pub fn one(arguments: &Arguments, data: &DataSet) -> Result<Compared> {
    let aim = "at most 0.40 of etcdutl; the copy is the limit";
    compare(arguments, data, "restore", &MEMBERS[..1], aim)
}

/// Three members: etcdutl has to be run once for each.
pub fn three(arguments: &Arguments, data: &DataSet) -> Result<Compared> {
    let aim = "at most 0.33 of etcdutl three times; the copies are the limit";
    compare(arguments, data, "restore of three members", &MEMBERS, aim)
}

fn compare(
    arguments: &Arguments,
    data: &DataSet,
    name: &'static str,
    members: &[&str],
    aim: &'static str,
) -> Result<Compared> {
    let place = Place::new(&arguments.data)?;
    let to = place.join("restored");
    let etcdutl = etcdutl()?;
    let sides = vec![
        side("drydock snapshot restore", &to, || {
            ours(arguments, data, members, &to)
        }),
        side("etcdutl snapshot restore", &to, || {
            theirs(&etcdutl, data, members, &to)
        }),
        side("cp and fdatasync", &to, || copies(data, members, &to)),
    ];
    let sides = measure::in_turn(sides, arguments.runs, &[], place.path())?;
    Ok(Compared {
        name,
        data: data.name.clone(),
        data_bytes: data.bytes,
        counted: COUNTED,
        ratios: Ratio::of_first(&sides),
        sides,
        aim,
        apart: &[],
    })
}

fn side<'a>(name: &str, to: &'a Path, command: impl Fn() -> Command + 'a) -> Side<'a> {
    Side {
        name: name.to_owned(),
        command: Box::new(command),
        after: Box::new(move |_, _, _| {
            std::fs::remove_dir_all(to).context("what was restored cannot be removed")
        }),
    }
}

fn ours(arguments: &Arguments, data: &DataSet, members: &[&str], to: &Path) -> Command {
    let mut command = Command::new(&arguments.drydock);
    command
        .args(["snapshot", "restore", "--bump-revision", "0"])
        .arg(&data.file)
        .args(["--initial-cluster", &cluster(members)])
        .arg("--data-dir")
        .arg(to);
    command
}

fn theirs(etcdutl: &Path, data: &DataSet, members: &[&str], to: &Path) -> Command {
    let runs = members.iter().enumerate().map(|(index, member)| {
        format!(
            "'{}' snapshot restore '{}' --data-dir '{}' --name {member} --initial-cluster {} \
             --initial-advertise-peer-urls {}",
            etcdutl.display(),
            data.file.display(),
            to.join(member).display(),
            cluster(members),
            url(index),
        )
    });
    shell(&runs.collect::<Vec<_>>())
}

fn copies(data: &DataSet, members: &[&str], to: &Path) -> Command {
    let copy = |member: &&str| {
        let copy = to.join(member);
        format!(
            "cp '{}' '{1}' && sync --data '{1}'",
            data.file.display(),
            copy.display()
        )
    };
    let folder = format!("mkdir '{}'", to.display());
    let commands: Vec<String> = std::iter::once(folder)
        .chain(members.iter().map(copy))
        .collect();
    shell(&commands)
}

fn shell(commands: &[String]) -> Command {
    let mut command = Command::new("sh");
    command.args(["-e", "-c", &commands.join("\n")]);
    command
}

fn cluster(members: &[&str]) -> String {
    let entry = |(index, member)| format!("{member}={}", url(index));
    let entries: Vec<String> = members.iter().enumerate().map(entry).collect();
    entries.join(",")
}

fn url(index: usize) -> String {
    format!("http://127.0.0.1:{}", 1001 + index)
}

//! Bringing a backup back to life: from what is stored to three healthy members.

use std::path::PathBuf;

use anyhow::{Context, Result};
use drydock_testkit::{free_port, tools};
use serde::Deserialize;

use crate::measure::{self, Side};
use crate::report::{Compared, Ratio};
use crate::stage::{Stage, shell};

/// Members on both sides.
const MEMBERS: usize = 3;

const COUNTED: &str = "drydock drill: signature, digests, unsealing, every page and figure against \
    the manifest, three members restored and booted over TLS, HashKV and key counts by resource \
    compared, report, everything removed. The script: age -d | zstd -d, etcdutl snapshot status, \
    etcdutl snapshot restore three times, three members booted without TLS, etcdctl endpoint health \
    until all answer, endpoint hashkv, everything removed; it checks no signature, no digest of the \
    sealed bytes and no counts.";

/// What the peers have nothing like.
const APART: [&str; 2] = ["check", "compare"];

/// Parameters: the sealed artifact, the identity, age, zstd, the folder of etcd's programs,
/// a folder that is not there yet, and a file with the ports of clients and peers.
const SCRIPT: &str = r#"
mkdir "$6"; cd "$6"
. "$7"
trap 'kill -9 $members 2>/dev/null; wait 2>/dev/null; cd /; rm -rf "$6"' EXIT
members=
"$3" -d -i "$2" "$1" | "$4" -q -d -o snapshot.db
"$5/etcdutl" snapshot status snapshot.db >/dev/null
all="m1=http://127.0.0.1:$p1,m2=http://127.0.0.1:$p2,m3=http://127.0.0.1:$p3"
for n in 1 2 3; do
    eval peer=\$p$n
    "$5/etcdutl" snapshot restore snapshot.db --name m$n --data-dir m$n --initial-cluster "$all" \
        --initial-cluster-token bench --initial-advertise-peer-urls http://127.0.0.1:$peer 2>/dev/null
done
for n in 1 2 3; do
    eval peer=\$p$n client=\$c$n
    "$5/etcd" --name m$n --data-dir m$n --initial-cluster "$all" --initial-cluster-token bench \
        --listen-peer-urls http://127.0.0.1:$peer --initial-advertise-peer-urls http://127.0.0.1:$peer \
        --listen-client-urls http://127.0.0.1:$client --advertise-client-urls http://127.0.0.1:$client \
        --quota-backend-bytes 8589934592 >log$n 2>&1 &
    members="$members $!"
done
ends="http://127.0.0.1:$c1,http://127.0.0.1:$c2,http://127.0.0.1:$c3"
until "$5/etcdctl" --endpoints "$ends" endpoint health >/dev/null 2>&1; do sleep 0.05; done
"$5/etcdctl" --endpoints "$ends" --command-timeout 300s endpoint hashkv >/dev/null
"#;

/// What a drill says of itself.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Drilled {
    verdict: String,
    phases: Vec<Timed>,
}

#[derive(Deserialize)]
struct Timed {
    phase: String,
    milliseconds: f64,
}

pub fn compare(stage: &Stage, point: &str, runs: usize) -> Result<Compared> {
    let scratch = stage.place.path();
    let sides = vec![ours(stage, point), theirs(stage, point)?];
    let sides = measure::in_turn(sides, runs, &[], scratch)?;
    Ok(Compared {
        name: "drill",
        data: stage.data.clone(),
        data_bytes: stage.data_bytes,
        counted: COUNTED,
        ratios: Ratio::of_first(&sides),
        sides,
        aim: "no slower, with everything compared",
        apart: &APART,
    })
}

fn ours<'a>(stage: &'a Stage, point: &'a str) -> Side<'a> {
    Side {
        name: "drydock drill".to_owned(),
        command: Box::new(move || {
            let mut command = stage.drydock();
            command
                .args([
                    "--output",
                    "json",
                    "drill",
                    point,
                    "--no-mark",
                    "--identity",
                ])
                .arg(stage.place.join("sealing.key"));
            command
        }),
        after: Box::new(|measured, stdout, _| {
            let drilled: Drilled =
                serde_json::from_str(stdout).context("`drydock drill` printed no report")?;
            anyhow::ensure!(drilled.verdict == "pass", "the drill did not pass");
            let phases = drilled.phases.into_iter();
            measured.phases = phases
                .map(|timed| (timed.phase, timed.milliseconds / 1000.0))
                .collect();
            Ok(())
        }),
    }
}

fn theirs<'a>(stage: &'a Stage, point: &str) -> Result<Side<'a>> {
    let sealed = stage.sealed_artifact(point)?;
    let identity = stage.place.join("sealing.key");
    let (age, zstd) = (tools::age()?, tools::zstd()?);
    let programs = tools::etcd(tools::ETCD_VERSION)?;
    let folder = stage.place.join("by-hand");
    let ports = stage.place.join("ports");
    Ok(Side {
        name: "age, zstd, etcdutl, etcd".to_owned(),
        command: Box::new(move || {
            // Written anew each time; where it cannot be, the script says so.
            let _written = std::fs::write(&ports, new_ports());
            let words: [&PathBuf; 7] =
                [&sealed, &identity, &age, &zstd, &programs, &folder, &ports];
            shell(SCRIPT, &words.map(PathBuf::as_path))
        }),
        after: Box::new(|_, _, _| Ok(())),
    })
}

/// Ports that are free now, as lines of a shell.
fn new_ports() -> String {
    let lines = (1..=MEMBERS).map(|n| format!("c{n}={}\np{n}={}\n", free_port(), free_port()));
    lines.collect()
}

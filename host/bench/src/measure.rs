//! Measuring a program, and several in turn.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use drydock_testkit::guard;
use serde::Serialize;
use wait4::Wait4 as _;

/// How much of a failed program's output an error repeats.
const OUTPUT_REPEATED_BYTES_MAX: usize = 4096;

/// The clock in which the kernel counts a process' CPU time, in parts of a second. It is
/// 100 on every architecture that etcd is built for.
const TICKS_PER_SECOND: f64 = 100.0;

/// What one run of a side took.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Measured {
    pub wall_seconds: f64,
    /// User and system time of the program and of all its children.
    pub cpu_seconds: f64,
    /// The largest resident memory of one process.
    pub peak_bytes: u64,
    /// What etcd's members spent meanwhile.
    pub server_cpu_seconds: f64,
    /// The phases that the program itself told of, in seconds.
    pub phases: Vec<(String, f64)>,
}

/// One program, or one script, that does the job.
pub struct Side<'a> {
    pub name: String,
    pub command: Box<dyn Fn() -> Command + 'a>,
    /// Looks at what the program printed (stdout, stderr) and at what it left; not timed.
    #[expect(clippy::type_complexity, reason = "it is named right here")]
    pub after: Box<dyn FnMut(&mut Measured, &str, &str) -> Result<()> + 'a>,
}

/// All that was measured of one side.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SideRuns {
    pub name: String,
    pub runs: Vec<Measured>,
}

/// Runs each side once to warm up and then `runs` times in turn. `servers` are the
/// processes whose CPU time counts as the server's; `scratch` takes what programs print.
pub fn in_turn(
    mut sides: Vec<Side<'_>>,
    runs: usize,
    servers: &[u32],
    scratch: &Path,
) -> Result<Vec<SideRuns>> {
    let mut measured: Vec<SideRuns> = sides
        .iter()
        .map(|side| SideRuns {
            name: side.name.clone(),
            runs: Vec::new(),
        })
        .collect();
    for round in 0..=runs {
        for (side, results) in sides.iter_mut().zip(&mut measured) {
            let result = once(side, servers, scratch)
                .with_context(|| format!("`{}` cannot be measured", side.name))?;
            eprintln!(
                "    {} {}: {:.2} s wall, {:.2} s CPU",
                if round == 0 { "warm-up" } else { "run" },
                side.name,
                result.wall_seconds,
                result.cpu_seconds
            );
            if round > 0 {
                results.runs.push(result);
            }
        }
    }
    Ok(measured)
}

fn once(side: &mut Side<'_>, servers: &[u32], scratch: &Path) -> Result<Measured> {
    let command = (side.command)();
    // What was written or removed before is not settled at the expense of this side.
    rustix::fs::sync();
    let before = cpu_of(servers)?;
    let (mut measured, stdout, stderr) = run(command, scratch)?;
    measured.server_cpu_seconds = cpu_of(servers)? - before;
    (side.after)(&mut measured, &stdout, &stderr)?;
    Ok(measured)
}

/// Runs a program to its end. What it prints goes to files, so that no pipe of ours can
/// hold it up.
fn run(mut command: Command, scratch: &Path) -> Result<(Measured, String, String)> {
    let (stdout, stderr) = (scratch.join("stdout"), scratch.join("stderr"));
    command
        .stdin(Stdio::null())
        .stdout(File::create(&stdout).context("cannot make a file in the scratch folder")?)
        .stderr(File::create(&stderr).context("cannot make a file in the scratch folder")?);
    let start = Instant::now();
    let child = command.spawn().context("cannot start it")?;
    let process = child.id();
    guard::kill_at_exit(process);
    let ended = child.wait4();
    let wall = start.elapsed();
    guard::ended(process);
    let ended = ended.context("cannot wait for it")?;
    let read = |file: &Path| std::fs::read_to_string(file).unwrap_or_default();
    let (stdout, stderr) = (read(&stdout), read(&stderr));
    if !ended.status.success() {
        bail!(
            "it ended with {}\n{}{}",
            ended.status,
            end(&stdout),
            end(&stderr)
        );
    }
    let measured = Measured {
        wall_seconds: wall.as_secs_f64(),
        cpu_seconds: (ended.rusage.utime + ended.rusage.stime).as_secs_f64(),
        peak_bytes: ended.rusage.maxrss,
        ..Measured::default()
    };
    Ok((measured, stdout, stderr))
}

/// CPU seconds that these processes have spent so far, all threads of each.
fn cpu_of(processes: &[u32]) -> Result<f64> {
    let ticks = processes.iter().map(|process| ticks_of(*process));
    Ok(ticks.sum::<Result<f64>>()? / TICKS_PER_SECOND)
}

/// Fields 14 and 15 of proc(5) `stat`. The second field may hold anything, but it ends
/// with the last parenthesis.
fn ticks_of(process: u32) -> Result<f64> {
    let path = format!("/proc/{process}/stat");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let fields = text.rsplit(')').next().unwrap_or_default();
    let times = fields.split_whitespace().skip(11).take(2);
    Ok(times.filter_map(|field| field.parse::<f64>().ok()).sum())
}

fn end(text: &str) -> String {
    let start = text.len().saturating_sub(OUTPUT_REPEATED_BYTES_MAX);
    String::from_utf8_lossy(&text.as_bytes()[start..]).into_owned()
}

impl SideRuns {
    pub fn minimum(&self, figure: impl Fn(&Measured) -> f64) -> f64 {
        self.sorted(figure).first().copied().unwrap_or(f64::NAN)
    }

    pub fn median(&self, figure: impl Fn(&Measured) -> f64) -> f64 {
        let sorted = self.sorted(figure);
        match sorted.len() {
            0 => f64::NAN,
            count => f64::midpoint(sorted[(count - 1) / 2], sorted[count / 2]),
        }
    }

    /// The largest of all runs.
    pub fn peak_bytes(&self) -> u64 {
        self.runs
            .iter()
            .map(|run| run.peak_bytes)
            .max()
            .unwrap_or(0)
    }

    fn sorted(&self, figure: impl Fn(&Measured) -> f64) -> Vec<f64> {
        let mut figures: Vec<f64> = self.runs.iter().map(figure).collect();
        figures.sort_by(f64::total_cmp);
        figures
    }
}

impl Measured {
    /// The seconds of a phase, 0 where the program told of none.
    pub fn phase(&self, name: &str) -> f64 {
        let found = self.phases.iter().find(|(phase, _)| phase == name);
        found.map_or(0.0, |(_, seconds)| *seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(name: &str, script: &'static str) -> Side<'static> {
        Side {
            name: name.to_owned(),
            command: Box::new(move || {
                let mut command = Command::new("sh");
                command.args(["-c", script]);
                command
            }),
            after: Box::new(|_, _, _| Ok(())),
        }
    }

    #[test]
    fn the_cpu_time_of_grandchildren_counts() {
        let folder = tempfile::tempdir().unwrap();
        let busy = "i=0; (while [ $i -lt 200000 ]; do i=$((i+1)); done) & wait";
        let runs = in_turn(vec![side("busy", busy)], 2, &[], folder.path()).unwrap();
        assert_eq!(runs[0].runs.len(), 2);
        assert!(runs[0].minimum(|run| run.cpu_seconds) > 0.02, "{runs:?}");
        assert!(runs[0].peak_bytes() > 100_000, "{runs:?}");
    }

    #[test]
    fn a_side_that_fails_is_named_with_what_it_said() {
        let folder = tempfile::tempdir().unwrap();
        let error = in_turn(
            vec![side("bad", "echo why >&2; exit 3")],
            1,
            &[],
            folder.path(),
        );
        let text = format!("{:#}", error.unwrap_err());
        assert!(text.contains("`bad` cannot be measured"), "{text}");
        assert!(text.contains("exit status: 3\nwhy"), "{text}");
    }

    #[test]
    fn the_median_of_an_even_number_lies_between() {
        let runs = [3.0, 1.0, 2.0, 10.0].map(|wall_seconds| Measured {
            wall_seconds,
            ..Measured::default()
        });
        let side = SideRuns {
            name: String::new(),
            runs: runs.to_vec(),
        };
        assert!((side.median(|run| run.wall_seconds) - 2.5).abs() < 1e-9);
        assert!((side.minimum(|run| run.wall_seconds) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn this_process_has_a_cpu_time() {
        assert!(cpu_of(&[std::process::id()]).unwrap() >= 0.0);
        assert!(cpu_of(&[u32::MAX]).is_err());
    }
}

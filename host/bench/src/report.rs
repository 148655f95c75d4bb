//! What is printed and kept: a table for each comparison, its ratios, and what was
//! counted.

use anyhow::{Context, Result};
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use crate::arguments::Arguments;
use crate::machine::Machine;
use crate::measure::{Measured, SideRuns};
use crate::memory::MemoryFigure;

const MEBIBYTE: f64 = 1024.0 * 1024.0;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    machine: Machine,
    mebibytes: u64,
    runs: usize,
    members: usize,
    comparisons: Vec<Compared>,
    memory: Vec<MemoryFigure>,
}

/// A comparison that was made; the first side is ours.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Compared {
    pub name: &'static str,
    pub data: String,
    pub data_bytes: u64,
    pub counted: &'static str,
    pub aim: &'static str,
    pub sides: Vec<SideRuns>,
    pub ratios: Vec<Ratio>,
    /// Phases of ours that the peers have nothing like.
    pub apart: &'static [&'static str],
}

/// Ours divided by a peer's wall time: below 1 is faster.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Ratio {
    peer: String,
    of_medians: f64,
    of_minima: f64,
}

impl Ratio {
    pub fn of_first(sides: &[SideRuns]) -> Vec<Self> {
        let Some((ours, peers)) = sides.split_first() else {
            return Vec::new();
        };
        let ratio = |peer: &SideRuns| Self {
            peer: peer.name.clone(),
            of_medians: ours.median(wall) / peer.median(wall),
            of_minima: ours.minimum(wall) / peer.minimum(wall),
        };
        peers.iter().map(ratio).collect()
    }
}

impl Report {
    /// Says where and what is measured.
    pub fn begin(machine: Machine, arguments: &Arguments) -> Self {
        println!(
            "{} cores of {} ({} SHA instructions), {:.1} GiB of memory, Linux {}, load {:.2}",
            machine.cores,
            machine.processor,
            if machine.sha_instructions {
                "with"
            } else {
                "without"
            },
            machine.memory_bytes as f64 / MEBIBYTE / 1024.0,
            machine.kernel,
            machine.load
        );
        for (name, version) in &machine.versions {
            println!("{name}: {version}");
        }
        println!(
            "{} MiB a data set, etcd with {} member(s) and TLS on loopback, {} runs of each side in turn after one to warm up",
            arguments.mebibytes, arguments.members, arguments.runs
        );
        Self {
            machine,
            mebibytes: arguments.mebibytes,
            runs: arguments.runs,
            members: arguments.members,
            comparisons: Vec::new(),
            memory: Vec::new(),
        }
    }

    /// Prints a comparison and keeps it.
    pub fn add(&mut self, compared: Compared) {
        println!(
            "\n{} of {} ({:.0} MiB)",
            compared.name,
            compared.data,
            compared.data_bytes as f64 / MEBIBYTE
        );
        println!("{}", table(&compared.sides));
        for ratio in &compared.ratios {
            println!(
                "ours / {}: {:.2} of medians, {:.2} of minima",
                ratio.peer, ratio.of_medians, ratio.of_minima
            );
        }
        println!("Aim: {}.", compared.aim);
        print_phases(&compared);
        if !compared.apart.is_empty() {
            self.print_apart(&compared);
        }
        println!("Counted: {}", compared.counted);
        self.comparisons.push(compared);
    }

    /// What the phases that nobody else has leave of our time, and the least time that the cores
    /// allow.
    fn print_apart(&self, compared: &Compared) {
        let Some((ours, peers)) = compared.sides.split_first() else {
            return;
        };
        let apart = |run: &Measured| {
            compared
                .apart
                .iter()
                .map(|name| run.phase(name))
                .sum::<f64>()
        };
        let rest = |run: &Measured| run.wall_seconds - apart(run);
        for peer in peers {
            println!(
                "Without {}: {:.2} s, {:.2} of {} (medians)",
                compared.apart.join(", "),
                ours.median(rest),
                ours.median(rest) / peer.median(wall),
                peer.name
            );
        }
        for side in &compared.sides {
            println!(
                "CPU limit of {} on {} cores: {:.2} s (its CPU and etcd's, divided by the cores)",
                side.name,
                self.machine.cores,
                side.median(|run| run.cpu_seconds + run.server_cpu_seconds)
                    / self.machine.cores as f64
            );
        }
    }

    pub fn add_memory(&mut self, figures: Vec<MemoryFigure>) {
        let mut table = Table::new();
        table
            .load_preset(presets::ASCII_BORDERS_ONLY_CONDENSED)
            .set_header(["MEMORY OF OURS", "RESIDENT", "AIM BELOW"]);
        for figure in &figures {
            table.add_row([
                figure.what.clone(),
                mebibytes(figure.bytes as f64),
                mebibytes(figure.aim_bytes as f64),
            ]);
        }
        println!("\n{table}");
        self.memory = figures;
    }

    pub fn json(&self) -> Result<String> {
        serde_json::to_string_pretty(self).context("the figures cannot be written as JSON")
    }
}

fn print_phases(compared: &Compared) {
    let Some(ours) = compared.sides.first() else {
        return;
    };
    let names = ours.runs.first().map_or(&[][..], |run| &run.phases);
    let phases: Vec<String> = names
        .iter()
        .map(|(name, _)| format!("{name} {:.2} s", ours.median(|run| run.phase(name))))
        .collect();
    if !phases.is_empty() {
        println!("Phases of ours (medians): {}.", phases.join(", "));
    }
}

fn table(sides: &[SideRuns]) -> Table {
    let mut table = Table::new();
    table
        .load_preset(presets::ASCII_BORDERS_ONLY_CONDENSED)
        .set_header([
            "SIDE",
            "WALL MIN",
            "WALL MEDIAN",
            "CPU MEDIAN",
            "ETCD'S CPU",
            "PEAK OF ONE PROCESS",
        ]);
    for side in sides {
        table.add_row([
            side.name.clone(),
            seconds(side.minimum(wall)),
            seconds(side.median(wall)),
            seconds(side.median(|run| run.cpu_seconds)),
            seconds(side.median(|run| run.server_cpu_seconds)),
            mebibytes(side.peak_bytes() as f64),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn wall(run: &Measured) -> f64 {
    run.wall_seconds
}

fn seconds(seconds: f64) -> String {
    format!("{seconds:.2} s")
}

fn mebibytes(bytes: f64) -> String {
    format!("{:.1} MiB", bytes / MEBIBYTE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(name: &str, walls: &[f64]) -> SideRuns {
        let run = |wall_seconds: &f64| Measured {
            wall_seconds: *wall_seconds,
            ..Measured::default()
        };
        SideRuns {
            name: name.to_owned(),
            runs: walls.iter().map(run).collect(),
        }
    }

    #[test]
    fn ratios_are_ours_over_each_peer() {
        let sides = [
            side("ours", &[1.0, 2.0, 3.0]),
            side("peer", &[4.0, 4.0, 5.0]),
        ];
        let ratios = Ratio::of_first(&sides);
        assert_eq!(ratios.len(), 1);
        assert!((ratios[0].of_medians - 0.5).abs() < 1e-9);
        assert!((ratios[0].of_minima - 0.25).abs() < 1e-9);
    }
}

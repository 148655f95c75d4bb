//! What this process holds, as the kernel counts it.

use std::fmt;
use std::fs;
use std::path::Path;

use super::scene::names;

/// Memory that may stay after some attempts. The allocator keeps what it freed for the
/// next one, and gives pages back when it likes; a linear memory that a hostile guest
/// filled ([`super::company::limits`]) would be 24 MiB each time, so that this bound is
/// passed by the second one that stays.
const RESIDENT_GROWTH_KIBIBYTES_MAX: u64 = 32 * 1024;

/// Addresses that may stay. Every linear memory reserves 4 GiB of them, touched or not, so
/// that a single store that stays is found. What may stay is an arena of the allocator for
/// each thread, 64 MiB of addresses each.
const ADDRESSES_GROWTH_MEBIBYTES_MAX: u64 = 2 * 1024;

/// Threads that may come after the first look: the guests' two for blocking work come and
/// go as they are needed, and so do those of the main runtime, which the caller limits.
const THREADS_GROWTH_MAX: u64 = 6;

/// What the process holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Footprint {
    pub resident_kibibytes: u64,
    pub addresses_mebibytes: u64,
    pub threads: u64,
    pub files: u64,
    /// Names in the spool folder.
    pub spool: usize,
}

impl Footprint {
    /// Counts now; `spool` is the folder that spools are made in.
    pub fn take(spool: &Path) -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        Self {
            resident_kibibytes: figure(&status, "VmRSS:"),
            addresses_mebibytes: figure(&status, "VmSize:") / 1024,
            threads: figure(&status, "Threads:"),
            files: names(Path::new("/proc/self/fd")).len() as u64,
            spool: names(spool).len(),
        }
    }

    /// What is more than before, by more than may be; nothing, when all is as before.
    pub fn grown_since(&self, before: &Self) -> Vec<String> {
        let figures = [
            (
                "KiB resident",
                self.resident_kibibytes,
                before.resident_kibibytes + RESIDENT_GROWTH_KIBIBYTES_MAX,
            ),
            (
                "MiB of addresses",
                self.addresses_mebibytes,
                before.addresses_mebibytes + ADDRESSES_GROWTH_MEBIBYTES_MAX,
            ),
            ("threads", self.threads, before.threads + THREADS_GROWTH_MAX),
            ("files", self.files, before.files),
            ("spools", self.spool as u64, before.spool as u64),
        ];
        let grown = figures.iter().filter(|(_, now, most)| now > most);
        grown
            .map(|(what, now, most)| format!("{now} {what}, at most {most} expected"))
            .collect()
    }
}

impl fmt::Display for Footprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} MiB resident, {} MiB of addresses, {} threads, {} files, {} spools",
            self.resident_kibibytes / 1024,
            self.addresses_mebibytes,
            self.threads,
            self.files,
            self.spool
        )
    }
}

/// The number behind a name in `/proc/self/status`.
fn figure(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|rest| rest.split_whitespace().next());
    number.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

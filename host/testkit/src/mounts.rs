//! Programs that see other file systems than the rest of the machine: a small one, a full
//! one, a read-only one. Tests may run as root, whom permissions do not stop.
//!
//! The program runs in a mount namespace of its own (`unshare --mount`), so that nothing
//! has to be unmounted whatever happens; what it leaves in a folder that only it can see
//! is copied out before the namespace ends.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Mounts for one program.
#[derive(Debug, Default, Clone)]
pub struct Mounts {
    before: Vec<String>,
    after: Vec<String>,
}

impl Mounts {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty file system of `bytes` over `folder`, which is made if absent.
    #[must_use]
    pub fn small(mut self, folder: &Path, bytes: u64) -> Self {
        let folder = quoted(folder);
        self.before.push(format!("mkdir -p {folder}"));
        self.before
            .push(format!("mount -t tmpfs -o size={bytes} tmpfs {folder}"));
        self
    }

    /// An empty file system over `folder` on which not one byte is free.
    #[must_use]
    pub fn full(mut self, folder: &Path) -> Self {
        // The smallest that there is: a page, which the filler takes.
        self = self.small(folder, 4096);
        let filler = quoted(&folder.join("filler"));
        self.before
            .push(format!("head -c 4096 /dev/zero > {filler}"));
        self
    }

    /// `folder` as it is, but read-only.
    #[must_use]
    pub fn read_only(mut self, folder: &Path) -> Self {
        let folder = quoted(folder);
        self.before.push(format!("mkdir -p {folder}"));
        self.before.push(format!("mount --bind {folder} {folder}"));
        self.before
            .push(format!("mount -o remount,ro,bind {folder}"));
        self
    }

    /// Copies what the program left in `folder` to `copy`, which must not exist yet.
    #[must_use]
    pub fn keep(mut self, folder: &Path, copy: &Path) -> Self {
        self.after
            .push(format!("cp -a {} {}", quoted(folder), quoted(copy)));
        self
    }

    /// The program behind these mounts, with its arguments and variables.
    #[must_use]
    pub fn around(&self, program: &Command) -> Command {
        let mut script = vec!["set -e".to_owned()];
        script.extend(self.before.iter().cloned());
        script.push("status=0; \"$@\" || status=$?".to_owned());
        script.extend(self.after.iter().cloned());
        script.push("exit $status".to_owned());
        let mut command = Command::new("unshare");
        // Whoever is not root becomes it in a user namespace.
        if !rustix::process::geteuid().is_root() {
            command.arg("--map-root-user");
        }
        command
            .args(["--mount", "sh", "-c", &script.join("\n"), "mounts"])
            .arg(program.get_program())
            .args(program.get_args());
        for (name, value) in program.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command
    }
}

/// A folder as the process `id` sees it, for a test that looks into its mounts while it
/// runs.
#[must_use]
pub fn seen_by(id: u32, folder: &Path) -> PathBuf {
    let inside = folder.strip_prefix("/").unwrap_or(folder);
    Path::new("/proc")
        .join(id.to_string())
        .join("root")
        .join(inside)
}

fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', "'\\''"))
}

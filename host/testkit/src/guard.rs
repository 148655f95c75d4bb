//! The guard: a small shell beside this process that cleans up when it is gone.
//!
//! Servers that a test starts must end with the test, also when it is killed or when the
//! server lives in a `static` that is never dropped. Asking the kernel for a signal at the
//! parent's death needs unsafe code and follows the thread that started the child, not
//! the process. So one shell reads names of processes and folders from a pipe; when the
//! pipe closes, however this process ended, it kills and removes what is still named.

use std::fmt::Display;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{LazyLock, Mutex, PoisonError};

/// What the shell does. It ignores the signals that a terminal sends to everybody, since
/// it has to be the last one standing.
const SCRIPT: &str = r#"
trap '' INT TERM HUP
processes=' '
folders=
while read -r verb value; do
    case $verb in
    process) processes="$processes$value " ;;
    ended) processes=$(printf '%s' "$processes" | sed "s/ $value / /") ;;
    folder) folders="$folders$value
" ;;
    kept) folders=$(printf '%s' "$folders" | grep -vxF "$value")
        folders="$folders
" ;;
    esac
done
for process in $processes; do kill -KILL "$process" 2>/dev/null; done
printf '%s' "$folders" | while read -r folder; do
    [ -n "$folder" ] && rm -rf -- "$folder"
done
"#;

/// The pipe to the shell, open as long as this process lives.
static GUARD: LazyLock<Mutex<Option<ChildStdin>>> = LazyLock::new(|| Mutex::new(start()));

/// Kills the process of this id when this process ends.
pub fn kill_at_exit(process: u32) {
    tell("process", process);
}

/// Forgets a process that has ended and was waited for.
pub fn ended(process: u32) {
    tell("ended", process);
}

/// Removes this folder when this process ends.
pub fn remove_at_exit(folder: &Path) {
    tell("folder", folder.display());
}

/// Forgets a folder.
pub fn keep_at_exit(folder: &Path) {
    tell("kept", folder.display());
}

/// A machine without a shell has no guard; cleaning up by `Drop` still works there.
fn start() -> Option<ChildStdin> {
    let mut command = Command::new("sh");
    command
        .args(["-c", SCRIPT])
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Its own group: Ctrl-C is for us.
        .process_group(0);
    // The shell is never waited for: it ends after this process.
    command.spawn().ok()?.stdin
}

fn tell(verb: &str, value: impl Display) {
    let mut guard = GUARD.lock().unwrap_or_else(PoisonError::into_inner);
    let told = guard
        .as_mut()
        .map(|pipe| pipe.write_all(format!("{verb} {value}\n").as_bytes()));
    // A guard that is gone cannot be told anything, and the servers still end by `Drop`.
    if let Some(Err(_)) = told {
        *guard = None;
    }
}

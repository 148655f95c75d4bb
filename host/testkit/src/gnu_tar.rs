//! GNU tar as the witness of what a folder holds.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::program;

/// The folder `name` in `at` as GNU tar archives it: names, modes, owners, times, links
/// and extended attributes, in a form that does not depend on when it is made. Two folders
/// with equal archives are equal. Of a file with several attributes the order counts, which
/// is the file system's.
///
/// # Errors
/// tar is missing or complains.
pub fn packed(at: &Path, name: &str) -> Result<Vec<u8>> {
    let mut command = Command::new("tar");
    command
        .args(["--format=posix", "--sort=name"])
        .args(["--xattrs", "--xattrs-include=*"])
        .args(["--pax-option=exthdr.name=%d/pax/%f,delete=atime,delete=ctime"])
        .args(["-cf", "-", "-C"])
        .arg(at)
        .arg(name);
    program::run_for_bytes(&mut command)
}

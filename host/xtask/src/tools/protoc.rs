//! The compiler of protocol buffers, which the etcd client's build script needs.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, anyhow};

use crate::cache::{make_executable, write_if_changed};

/// Copies `protoc` out of the crate that carries it for this machine.
pub fn copy(place: &Path) -> Result<()> {
    let carried = protoc_bin_vendored::protoc_bin_path().map_err(|error| {
        anyhow!("{error}: install protoc and set PROTOC to its path for this machine")
    })?;
    let bytes = fs::read(&carried).with_context(|| format!("cannot read {}", carried.display()))?;
    // The copy is made executable before it gets its name, since a build may start as
    // soon as the name is there.
    let scratch = place.with_file_name(".protoc");
    write_if_changed(&scratch, &bytes)?;
    make_executable(&scratch)?;
    fs::rename(&scratch, place).with_context(|| format!("cannot make {}", place.display()))
}

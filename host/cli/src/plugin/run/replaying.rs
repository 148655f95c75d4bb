//! `drydock plugin run --replay`: the call again, out of a record.

use std::fs;
use std::path::Path;

use drydock_core::{human_bytes, reason};
use drydock_sandbox::{RecordHead, Replay};
use drydock_terminal::print;

use super::surroundings::Surroundings;
use super::{calls, told};
use crate::args::{Global, RunPluginArgs};
use crate::{Failure, Outcome};

/// Largest file that is read: a record has bounds of its own, and what is beyond them is none.
const RECORD_FILE_BYTES_MAX: u64 = 256 << 20;

/// Makes the call again. What came of it is printed as at any other time, unless the plugin
/// asked for something else than was recorded.
pub async fn replay(global: &Global, args: &RunPluginArgs, file: &Path) -> Outcome {
    let replay = read(file)?;
    let around = Surroundings::replayed(global, args, &replay)?;
    let head = replay.head();
    if let Some(why) = another(&head, &around) {
        print::note(&why);
    }
    let args = RunPluginArgs {
        export: args.export.clone().or(Some(head.export)),
        ..args.clone()
    };
    let call = calls::make(&around, &args).await?;
    if let Some(difference) = replay.difference() {
        for line in &call.log {
            print::note(line);
        }
        return Err(Failure::failed(difference));
    }
    if let Some(left) = replay.left() {
        print::note(&format!("warning: {left}"));
    }
    told(global, &call)
}

fn read(file: &Path) -> Result<Replay, Failure> {
    let unread = |why: String| {
        Failure::usage(format!(
            "the record {} cannot be read: {why}",
            file.display()
        ))
    };
    let size = fs::metadata(file).map_err(|error| unread(reason(&error)))?;
    if size.len() > RECORD_FILE_BYTES_MAX {
        let (size, most) = (human_bytes(size.len()), human_bytes(RECORD_FILE_BYTES_MAX));
        return Err(unread(format!("it has {size}, and {most} is the most")));
    }
    let text = fs::read(file).map_err(|error| unread(reason(&error)))?;
    let text = String::from_utf8_lossy(&text);
    let name = file.display().to_string();
    Replay::read(&name, &text).map_err(Failure::usage)
}

/// Another build may do the same: that is what a replay is for.
fn another(head: &RecordHead, around: &Surroundings) -> Option<String> {
    let digest = around.plugin.digest();
    (head.digest != *digest).then(|| {
        format!(
            "warning: {} {} ({}) was recorded, and this is {digest}: where it does something else, its record has no answer",
            head.plugin, head.version, head.digest
        )
    })
}

//! What somebody does who needs a recovery point now: documents that are broken elsewhere do
//! not stop him, and a folder with two keys is enough.

mod documents;
mod folder;
mod latest;

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use drydock_testkit::{Scratch, wait_until};

use crate::daemon::kit::real_now;
use crate::world::{Answer, DRYDOCK, World, files_under, runtime};

const NEXT_SECOND_MAX: Duration = Duration::from_secs(10);

/// A world with one recovery point, and its name.
fn stored() -> (World, String) {
    let world = World::new();
    let point = back_up(&world);
    (world, point)
}

/// Names tell whole seconds, and two backups of one second have no order: the next one is
/// of a later second.
fn back_up(world: &World) -> String {
    let (answer, run) = world.run();
    answer.ok();
    let ended = real_now();
    let next = wait_until("the next second", NEXT_SECOND_MAX, async || {
        real_now() > ended
    });
    runtime().block_on(next).unwrap();
    run["recoveryPoint"].as_str().unwrap().to_owned()
}

/// A machine that has nothing but the binary, the folder and the keys.
struct Machine<'a> {
    world: &'a World,
    scratch: Scratch,
}

impl<'a> Machine<'a> {
    fn new(world: &'a World) -> Self {
        let scratch = Scratch::new().unwrap();
        for folder in ["tmp", "work"] {
            std::fs::create_dir(scratch.join(folder)).unwrap();
        }
        Self { world, scratch }
    }

    /// The binary, where nothing is configured.
    fn bare(&self, arguments: &[&str]) -> Answer {
        let mut command = Command::new(DRYDOCK);
        command
            .args(arguments)
            .env_clear()
            .env("DRYDOCK_CONFIG", self.scratch.join("none.yaml"))
            .env("TMPDIR", self.scratch.join("tmp"))
            .current_dir(self.scratch.join("work"))
            .stdin(Stdio::null());
        Answer::of(command.output().unwrap())
    }

    /// The same with the folder; nothing stays behind, and nothing is written there.
    fn run(&self, arguments: &[&str]) -> Answer {
        let folder = self.world.folder().display().to_string();
        let before = files_under(&self.world.folder());
        let answer = self.bare(&[arguments, &["--target-folder", &folder]].concat());
        assert_eq!(files_under(&self.world.folder()), before);
        let left: Vec<PathBuf> = files_under(&self.scratch.join("tmp"));
        assert_eq!(left, Vec::<PathBuf>::new());
        answer
    }

    /// The same with the signer's key.
    fn trusting(&self, arguments: &[&str]) -> Answer {
        let key = self.world.path("signing.key.pub");
        self.run(&[arguments, &["--signer", &key]].concat())
    }

    /// The same with the sealing key.
    fn opening(&self, arguments: &[&str]) -> Answer {
        let key = self.world.path("sealing.key");
        self.trusting(&[arguments, &["--identity", &key]].concat())
    }
}

/// Sentences with what differs from run to run replaced.
fn plain(world: &World, text: &str) -> String {
    let line = std::fs::read_to_string(world.path("signing.key.pub")).unwrap();
    let line = line.lines().last().unwrap().to_owned();
    let scratch = world.scratch.path().display().to_string();
    let text = text.replace(&line, "<key>").replace(&scratch, "<scratch>");
    crate::bad_input::with_placeholders(&text, false)
}

//! A node whose schedules do nothing but actions, the world that these change, and runs that
//! are killed and resumed.

use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use drydock_journal::{Journal, RunPage, RunRow};
use drydock_testkit::lock_server::LockServer;
use drydock_testkit::wait_until;
use serde_json::Value;

use crate::daemon::kit::{Daemon, put, set_clock};
use crate::faulty::KILL;
use crate::world::{Answer, World, runtime};

/// SIGKILL.
const KILLED: i32 = 9;

/// Longest wait for anything; what is waited for takes seconds on a busy machine.
const SOON: Duration = Duration::from_secs(60);

/// More records than any run here has.
const RECORDS_MAX: u64 = 60;

/// Failures of an undo after which it asks.
const UNDO_FAILURES: usize = 10;

/// Processes that one run may need to come to its end.
const RESUMED_MAX: usize = 4;

/// Both sides of a record.
pub const PLACES: [&str; 2] = ["before-record", "after-record"];

/// A node, and what its actions change.
pub struct Graph {
    pub world: World,
    pub locks: LockServer,
}

impl Graph {
    /// A node with the schedule `s1` of these steps, a line of YAML each. In them stand
    /// `$files`, `$holds`, `$cuts` for folders, `$log` for a file, `$server` for the locks
    /// and `$root` for a folder of the test's own.
    pub fn new(steps: &[&str]) -> Self {
        Self::on(World::alone(), steps)
    }

    /// The same on a node that is there.
    pub fn on(world: World, steps: &[&str]) -> Self {
        let graph = Self {
            world,
            locks: runtime().block_on(LockServer::start()).unwrap(),
        };
        for folder in ["files", "holds", "cuts", "root"] {
            std::fs::create_dir_all(graph.path(folder)).unwrap();
        }
        let usual = graph.path("schedules/schedule.yaml");
        std::fs::remove_file(usual).unwrap();
        graph.schedule("s1", "", steps);
        graph
    }

    /// Writes a schedule; `more` are lines of its spec.
    pub fn schedule(&self, name: &str, more: &str, steps: &[&str]) {
        let steps = steps
            .iter()
            .map(|step| format!("    - {}\n", self.filled(step)));
        let steps: String = steps.collect();
        let text = format!(
            "apiVersion: drydock.dev/v1\nkind: Schedule\nmetadata: {{name: {name}}}\nspec:\n  cluster: c1\n  schedule: \"0 0 1 1 *\"\n{more}  steps:\n{steps}"
        );
        std::fs::write(self.path(&format!("schedules/{name}.yaml")), text).unwrap();
    }

    fn filled(&self, step: &str) -> String {
        let address = self.locks.address();
        let mut step = step
            .replace("$server", &format!("\"{address}\""))
            .replace("$address", &address);
        for name in ["files", "holds", "cuts", "root", "log"] {
            let path = self.path(name).display().to_string();
            step = step.replace(&format!("${name}"), &path);
        }
        step
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.world.scratch.join(name)
    }

    /// The program that knows these actions.
    pub fn drydock(&self, arguments: &[&str]) -> Answer {
        Answer::of(self.world.faulty(arguments).output().unwrap())
    }

    /// A daemon that knows these actions.
    pub fn daemon(&self) -> Daemon<'_> {
        let text = std::fs::read_to_string(self.path("drydock.yaml")).unwrap();
        let listens = "  daemon: {listen: \"127.0.0.1:0\", drainSeconds: 5}\n";
        if !text.contains(listens) {
            put(&self.world, "drydock.yaml", &format!("{text}{listens}"));
        }
        // With a clock of its own it is the program with levers.
        set_clock(&self.world, 0);
        Daemon::start(&self.world)
    }

    /// Begins a run in a process of its own.
    pub fn start(&self) -> Child {
        let mut command = self.world.faulty(&["run", "s1"]);
        let piped = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        piped.spawn().unwrap()
    }

    /// Whether the process was killed; the answer of one that was not.
    pub fn killed_at(&self, place: &str, arguments: &[&str]) -> Result<(), Answer> {
        let mut command = self.world.faulty(arguments);
        died(command.env(KILL, place))
    }

    /// Runs the schedule, whose actions kill the process.
    pub fn dies(&self) -> String {
        let died = died(&mut self.world.faulty(&["run", "s1"]));
        died.expect("its action kills it");
        self.newest().run.to_string()
    }

    /// Cancels a run whose undo fails, until it asks. Each process tries it once, so that
    /// nobody waits for the time between two tries.
    pub fn get_stuck(&self, run: &str) {
        // The records of one: resumed, cancelled, what the undo said.
        let cancel = ["run", "cancel", run];
        self.killed_at("after-record:3", &cancel).unwrap();
        let resume = ["run", "resume", run];
        for _ in 1..UNDO_FAILURES {
            self.killed_at("after-record:2", &resume).unwrap();
        }
        let stuck = self.drydock(&resume).code(75);
        assert!(stuck.stderr.contains("mended-by-hand"), "{}", stuck.stderr);
    }

    pub fn rows(&self) -> Vec<RunRow> {
        let Ok(journal) = Journal::open_reader(&self.path("state")) else {
            return Vec::new();
        };
        let page = RunPage {
            schedule: None,
            before: None,
            count_max: 1000,
        };
        journal.runs(&page).unwrap()
    }

    pub fn newest(&self) -> RunRow {
        self.rows().remove(0)
    }

    pub fn shown(&self, run: &str) -> Value {
        let answer = self
            .world
            .drydock(&["run", "show", run, "--output", "json"]);
        let mut details: Value = serde_json::from_str(&answer.ok().stdout).unwrap();
        details["run"].take()
    }

    /// Goes on with a run until it has ended, and gives it.
    pub fn to_its_end(&self, run: &str) -> Value {
        for _ in 0..RESUMED_MAX {
            let shown = self.shown(run);
            if shown["outcome"] != Value::Null {
                return shown;
            }
            self.drydock(&["run", "resume", run]);
        }
        panic!("{run} does not end: {}", self.shown(run));
    }

    /// How many files are in a folder.
    pub fn count(&self, folder: &str) -> usize {
        std::fs::read_dir(self.path(folder)).unwrap().count()
    }

    /// What is in the files of a folder, in order.
    pub fn texts(&self, folder: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.path(folder)).unwrap();
        let texts = entries.map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap());
        let mut texts: Vec<_> = texts.collect();
        texts.sort();
        texts
    }

    /// The lines of the log that actions write.
    pub fn log(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.path("log")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    pub fn put(&self, name: &str) {
        std::fs::write(self.path(name), "").unwrap();
    }

    pub fn clear(&self, folder: &str) {
        for entry in std::fs::read_dir(self.path(folder)).unwrap() {
            std::fs::remove_file(entry.unwrap().path()).unwrap();
        }
    }

    /// After a run: no lock is held, no marker stands, no question is open.
    pub fn assert_nothing_held(&self, place: &str) {
        wait(&format!("{place}: no lock is held"), || {
            self.locks.held().is_empty()
        });
        assert_eq!(self.count("holds"), 0, "{place}: a hold stands");
        for row in self.rows() {
            assert!(row.progress.holds.is_empty(), "{place}: {row:?}");
            let is_over = row.progress.end.is_some();
            assert!(!is_over || row.progress.questions.is_empty(), "{row:?}");
        }
    }

    /// Kills a run of the schedule at each of its records, `step` apart, on both sides of
    /// them; each time goes on with it until it ends, and has `check` look at it.
    pub fn killed_everywhere(&self, step: usize, check: impl Fn(&Value, &str)) {
        for place in PLACES {
            let mut killed = 0;
            for record in (1..=RECORDS_MAX).step_by(step) {
                let place = format!("{place}:{record}");
                let before = self.rows().len();
                let lived = self.killed_at(&place, &["run", "s1"]).is_err();
                if self.rows().len() == before {
                    // It was not even begun.
                    self.drydock(&["run", "s1"]);
                }
                let run = self.newest().run.to_string();
                let shown = self.to_its_end(&run);
                self.assert_nothing_held(&place);
                check(&shown, &place);
                if lived {
                    break;
                }
                killed += 1;
            }
            assert!(killed > 1, "only {killed} kills were tried");
        }
    }
}

fn died(command: &mut Command) -> Result<(), Answer> {
    let output = command.output().unwrap();
    if output.status.signal() == Some(KILLED) {
        return Ok(());
    }
    Err(Answer::of(output))
}

/// What a process said that is to end by itself.
pub fn ended(child: Child) -> Answer {
    Answer::of(child.wait_with_output().unwrap())
}

/// Waits for a condition.
pub fn wait(what: &str, mut met: impl FnMut() -> bool) {
    let waited = wait_until(what, SOON, async || met());
    runtime().block_on(waited).unwrap();
}

//! One case: a world, a command, and what must hold afterwards.

use std::process::Command;
use std::sync::Arc;

use drydock::{BUILT_IN, Deps, NoActions, ProcessEnvironment, SystemClock};
use drydock_cli::{Exit, Failure};
use drydock_core::NoCrash;
use drydock_node::{Configuration, Need};

use super::aftermath::{self, Picture};
use super::golden;
use super::placeholders::{with_placeholders, without_log};
use super::secrets::Secrets;
use crate::world::{Answer, World};

/// A world with something wrong in it.
pub struct Case {
    /// Its heading in a golden file.
    name: &'static str,
    pub world: World,
    secrets: Secrets,
    environment: Vec<(String, String)>,
    /// Text that differs from run to run, and what stands for it in the golden file.
    placeholders: Vec<(String, String)>,
    /// Whether numbers of four digits and more differ from run to run.
    pub hides_numbers: bool,
    /// Set where the journal itself is spoilt: nothing can be read from it.
    pub journal_is_spoilt: bool,
    /// Set where a run is meant to be taken up again.
    pub leaves_unfinished: bool,
}

impl Case {
    pub fn new(name: &'static str, world: World) -> Self {
        let placeholders = vec![(
            world.scratch.path().display().to_string(),
            "<scratch>".into(),
        )];
        let mut case = Self {
            name,
            secrets: Secrets::default(),
            environment: Vec::new(),
            placeholders,
            hides_numbers: false,
            journal_is_spoilt: false,
            leaves_unfinished: false,
            world,
        };
        case.know_secrets();
        case
    }

    /// Every secret that a world has from its beginning.
    fn know_secrets(&mut self) {
        for file in ["signing.key", "sealing.key"] {
            let path = self.world.scratch.join(file);
            self.secrets.add_key_file(file, &path);
        }
        let Some(cluster) = &self.world.cluster else {
            return;
        };
        let folder = cluster.folder().display().to_string();
        if let Some(client) = cluster.client_certificate() {
            self.secrets.add_key_file("the client's key", &client.key);
        }
        self.hide(&folder, "<cluster>");
    }

    /// One more value that must stand nowhere, e.g. a password.
    pub fn secret(&mut self, what: &str, value: &str) {
        self.secrets.add(what, value.as_bytes());
    }

    /// The key in one more file.
    pub fn secret_file(&mut self, what: &str, path: &std::path::Path) {
        self.secrets.add_key_file(what, path);
    }

    /// An environment variable of the binary; its value counts as a secret.
    pub fn env(&mut self, name: &str, value: &str) {
        self.secret(name, value);
        self.environment(name, value);
    }

    /// An environment variable of the binary that is no secret.
    pub fn environment(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// `text` becomes `placeholder` in the golden file.
    pub fn hide(&mut self, text: &str, placeholder: &str) {
        self.placeholders
            .insert(0, (text.to_owned(), placeholder.to_owned()));
    }

    /// Exchanges text that stands exactly once in a file of the world.
    pub fn edit(&self, file: &str, from: &str, to: &str) {
        let path = self.world.scratch.join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.matches(from).count(), 1, "{from:?} in {text}");
        std::fs::write(path, text.replace(from, to)).unwrap();
    }

    /// Writes a file of the world, over the one that is there.
    pub fn put(&self, file: &str, bytes: impl AsRef<[u8]>) {
        let path = self.world.scratch.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    /// The binary with this node's configuration, this case's environment and every
    /// detail of its log.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.world.command(arguments);
        command.args(["--log-level", "debug"]);
        command.envs(self.environment.iter().cloned());
        command
    }

    /// The command must end with this code and the sentences of its section, and leave
    /// every file outside of the state folder as it was.
    pub fn refused(&self, code: i32, arguments: &[&str]) -> Answer {
        let before = self.picture();
        let answer = Answer::of(self.command(arguments).output().unwrap());
        let answer = self.judge(code, answer);
        before.assert_same(&self.picture());
        answer
    }

    /// As [`Case::refused`], for a command that may well store something.
    pub fn told(&self, code: i32, arguments: &[&str]) -> Answer {
        let answer = Answer::of(self.command(arguments).output().unwrap());
        self.judge(code, answer)
    }

    /// As [`Case::refused`] with 64, for what the documents alone give away before anything
    /// is done: it is told without a process, as `main` would print it.
    pub fn does_not_load(&self) {
        let before = self.picture();
        let deps = Deps {
            clock: Arc::new(SystemClock),
            crash: Arc::new(NoCrash),
            env: Arc::new(ProcessEnvironment),
            built_in: BUILT_IN,
            actions: Arc::new(NoActions),
        };
        let config = self.world.scratch.join("drydock.yaml");
        let Err(error) = Configuration::load(&config, &Need::ALL, deps) else {
            panic!("{}: the documents are sound", self.name)
        };
        let failure = Failure::from(error);
        assert_eq!(failure.exit, Exit::Usage, "{failure}");
        let said = format!("error: {failure}\n");
        golden::assert_said(self.name, &self.sentences(&said));
        let mut shown = self.secrets.found_in("the sentence", said.as_bytes());
        shown.extend(self.secrets.found_under(&self.world));
        assert!(shown.is_empty(), "secrets were shown: {shown:?}");
        before.assert_same(&self.picture());
    }

    /// Holds what a command said against the golden file, and looks at what it left.
    pub fn judge(&self, code: i32, answer: Answer) -> Answer {
        let answer = answer.code(code);
        golden::assert_said(self.name, &self.sentences(&answer.stderr));
        let shown = self.secrets_in(&answer);
        assert!(shown.is_empty(), "secrets were shown: {shown:?}");
        aftermath::assert_state(self);
        answer
    }

    /// What the operator reads: everything on stderr that is no log line.
    fn sentences(&self, stderr: &str) -> String {
        let mut text = without_log(stderr);
        for (from, to) in &self.placeholders {
            text = text.replace(from, to);
        }
        with_placeholders(&text, self.hides_numbers)
    }

    /// Every file of the world outside of the state folder.
    pub fn picture(&self) -> Picture {
        Picture::of(&self.world)
    }

    /// Where secrets of this case were shown.
    pub fn secrets_in(&self, answer: &Answer) -> Vec<String> {
        let mut found = self.secrets.found_in("stdout", answer.stdout.as_bytes());
        found.extend(self.secrets.found_in("stderr", answer.stderr.as_bytes()));
        found.extend(self.secrets.found_under(&self.world));
        found
    }
}

//! Somebody at a terminal: a real pseudo-terminal, made by `script` of util-linux, on
//! which a test reads questions and types answers.

use std::io::{Read as _, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// How long a question may take to come; on an idle machine it takes milliseconds.
const QUESTION_LIMIT: Duration = Duration::from_secs(60);

/// Between two times that a key is pressed, where the terminal shows nothing.
const KEY_PAUSE: Duration = Duration::from_secs(1);

/// How long the program may go on after its last answer.
const END_LIMIT: Duration = Duration::from_secs(120);

pub struct Terminal {
    child: Child,
    keys: Option<ChildStdin>,
    screen: Receiver<Vec<u8>>,
    seen: String,
    /// Up to where questions were found.
    read: usize,
}

impl Terminal {
    /// Starts the program on a terminal of its own.
    pub fn start(program: &Command) -> Self {
        let words = std::iter::once(program.get_program())
            .chain(program.get_args())
            .map(|word| format!("'{}'", word.to_str().unwrap().replace('\'', "'\\''")));
        let line = words.collect::<Vec<_>>().join(" ");
        let mut child = Command::new("script")
            .args([
                "--quiet",
                "--return",
                "--flush",
                "--command",
                &line,
                "/dev/null",
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("`script` of util-linux makes the terminal");
        drydock_testkit::guard::kill_at_exit(child.id());
        let mut output = child.stdout.take().unwrap();
        let (send, screen) = channel();
        // It ends when the terminal closes, which `end` waits for.
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(size @ 1..) = output.read(&mut buffer) {
                if send.send(buffer[..size].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self {
            keys: child.stdin.take(),
            child,
            screen,
            seen: String::new(),
            read: 0,
        }
    }

    /// Waits for a text that was not read before.
    pub fn expect(&mut self, text: &str) -> &mut Self {
        let start = Instant::now();
        loop {
            if let Some(at) = self.seen[self.read..].find(text) {
                self.read += at + text.len();
                return self;
            }
            let left = QUESTION_LIMIT.saturating_sub(start.elapsed());
            let Ok(bytes) = self.screen.recv_timeout(left) else {
                panic!("`{text}` did not come; the terminal shows:\n{}", self.seen);
            };
            self.seen.push_str(&String::from_utf8_lossy(&bytes));
        }
    }

    /// Types a line.
    pub fn answer(&mut self, line: &str) -> &mut Self {
        let keys = self.keys.as_mut().unwrap();
        keys.write_all(format!("{line}\r").as_bytes()).unwrap();
        keys.flush().unwrap();
        self
    }

    /// Waits for the program's end; gives its exit code and all that the terminal showed.
    pub fn end(self) -> (Option<i32>, String) {
        self.ended(None)
    }

    /// Presses a key until the program ends, as somebody does who wants to leave: a key that
    /// is pressed while the program sets its terminal is lost.
    pub fn end_with(self, key: &str) -> (Option<i32>, String) {
        self.ended(Some(key))
    }

    fn ended(mut self, key: Option<&str>) -> (Option<i32>, String) {
        let start = Instant::now();
        loop {
            if let (Some(key), Some(keys)) = (key, &mut self.keys) {
                // The terminal may be gone by now, which is what is wanted.
                let _ = keys.write_all(key.as_bytes()).and_then(|()| keys.flush());
            }
            match self.screen.recv_timeout(KEY_PAUSE) {
                Ok(bytes) => self.seen.push_str(&String::from_utf8_lossy(&bytes)),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {}
            }
            if start.elapsed() > END_LIMIT {
                let _ = self.child.kill();
                panic!("it does not end; the terminal shows:\n{}", self.seen);
            }
        }
        drop(self.keys.take());
        let code = self.child.wait().unwrap().code();
        drydock_testkit::guard::ended(self.child.id());
        (code, self.seen)
    }
}

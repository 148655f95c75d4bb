//! Secrets, and the search for them: as they are, in base64 at any alignment, in hex.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::world::{World, files_under};

/// Shorter lines of a key file are headings and too common to search for.
const KEY_LINE_CHARS_MIN: usize = 24;

/// Values that must stand nowhere.
#[derive(Default)]
pub struct Secrets(Vec<Secret>);

struct Secret {
    what: String,
    /// Each spelling of it.
    spellings: Vec<Vec<u8>>,
}

impl Secrets {
    pub fn add(&mut self, what: &str, value: &[u8]) {
        assert!(value.len() >= 6, "{what} is too short to be searched for");
        let mut spellings = vec![value.to_vec(), hex_of(value).into_bytes()];
        spellings.extend(base64_cores(value));
        self.0.push(Secret {
            what: what.to_owned(),
            spellings,
        });
    }

    /// Each line of a private key's file, and the bytes that its base64 stands for.
    pub fn add_key_file(&mut self, what: &str, path: &Path) {
        let text = std::fs::read_to_string(path).unwrap();
        let lines = text
            .lines()
            .map(str::trim)
            .filter(|line| line.len() >= KEY_LINE_CHARS_MIN)
            .filter(|line| !line.starts_with(['#', '-']) && !line.contains(' '));
        let before = self.0.len();
        for line in lines {
            self.add(what, line.as_bytes());
            if let Ok(bytes) = BASE64_STANDARD.decode(line) {
                self.add(what, &bytes);
            }
        }
        assert!(self.0.len() > before, "{what} holds no key");
    }

    /// A line for each secret that stands in `bytes`.
    pub fn found_in(&self, place: &str, bytes: &[u8]) -> Vec<String> {
        self.0
            .iter()
            .filter(|secret| secret.spellings.iter().any(|s| contains(bytes, s)))
            .map(|secret| format!("{} stands in {place}", secret.what))
            .collect()
    }

    /// The same for every file that the binary may have written: the state folder (the
    /// journal with all logs, the spool) and the target. The cache holds compiled code.
    pub fn found_under(&self, world: &World) -> Vec<String> {
        let state = world.scratch.join("state");
        let cache = state.join("cache");
        let folders: [PathBuf; 2] = [state, world.folder()];
        let files = folders.iter().flat_map(|folder| files_under(folder));
        let files = files.filter(|path| !path.starts_with(&cache));
        files
            .flat_map(|path| {
                let bytes = std::fs::read(&path).unwrap_or_default();
                self.found_in(&path.display().to_string(), &bytes)
            })
            .collect()
    }
}

/// What base64 of any text that contains `value` must contain: the value encoded at each
/// of the three alignments, without the characters that its neighbours share.
fn base64_cores(value: &[u8]) -> Vec<Vec<u8>> {
    (0..3)
        .map(|shift| {
            let mut padded = vec![0; shift];
            padded.extend_from_slice(value);
            let whole = padded.len() / 3 * 3;
            let text = BASE64_STANDARD.encode(&padded[..whole]);
            let shared = if shift == 0 { 0 } else { 4 };
            text.as_bytes()[shared..].to_vec()
        })
        .filter(|core| core.len() >= 4)
        .collect()
}

fn hex_of(value: &[u8]) -> String {
    value.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether `bytes` contains `wanted`: jumps from one first byte to the next.
fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    let Some((first, _)) = wanted.split_first() else {
        return false;
    };
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| byte == first) {
        rest = &rest[at..];
        if rest.starts_with(wanted) {
            return true;
        }
        rest = &rest[1..];
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bad_input::Case;
    use crate::world::Answer;

    const PASSWORD: &str = "correct horse battery";

    /// A planted secret is found at every place and in every spelling.
    #[test]
    fn a_planted_secret_is_found_wherever_it_stands() {
        let mut secrets = Secrets::default();
        secrets.add("the password", PASSWORD.as_bytes());
        let spellings = [
            PASSWORD.to_owned(),
            hex_of(PASSWORD.as_bytes()),
            BASE64_STANDARD.encode(PASSWORD),
            BASE64_STANDARD.encode(format!("x{PASSWORD}")),
            BASE64_STANDARD.encode(format!("user:{PASSWORD}\n")),
        ];
        let world = World::alone();
        for spelling in &spellings {
            let line = format!("DEBUG dialing with {spelling} now");
            assert_eq!(secrets.found_in("stderr", line.as_bytes()).len(), 1);
            for file in ["state/journal.db", "state/spool/x.age", "target/c1/m.json"] {
                let path = world.scratch.join(file);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(&path, &line).unwrap();
                let found = secrets.found_under(&world);
                assert_eq!(found.len(), 1, "{spelling} in {file}");
                assert!(found[0].contains(file), "{found:?}");
                std::fs::remove_file(path).unwrap();
            }
        }
        assert!(secrets.found_in("stderr", b"correct horse").is_empty());
        assert!(secrets.found_under(&world).is_empty());
    }

    /// A command that shows one of its world's own keys is caught.
    #[test]
    fn a_case_knows_its_worlds_keys() {
        for key in ["signing.key", "sealing.key"] {
            let case = Case::new("unclaimed", World::alone());
            let text = std::fs::read_to_string(case.world.scratch.join(key)).unwrap();
            let stdout = text.lines().last().unwrap().to_owned();
            let shown = Answer {
                code: Some(0),
                stdout,
                stderr: String::new(),
            };
            assert!(!case.secrets_in(&shown).is_empty(), "{key}");
        }
    }
}

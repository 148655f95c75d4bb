//! The EncryptionConfiguration by which the API server reads what is stored encrypted: a
//! file that the operator names, or the one in the recovery point's own archive of files.
//!
//! Archives of control planes hold it where the API server's static manifest says
//! (`--encryption-provider-config`); here it is known by its kind. Its keys are in memory
//! and, while the API server runs, in the scratch folder.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use drydock_archive::{Decoder, Event, Kind, shown};

/// Larger files are no EncryptionConfiguration.
const FILE_BYTES_MAX: u64 = 256 * 1024;

/// Bytes that are read from an archive at once.
const READ_BYTES: usize = 256 * 1024;

/// What such a document says of itself, in YAML and in JSON.
const KIND: [&str; 4] = [
    "kind: EncryptionConfiguration",
    "kind: \"EncryptionConfiguration\"",
    "\"kind\":\"EncryptionConfiguration\"",
    "\"kind\": \"EncryptionConfiguration\"",
];

/// Why there is none that can be used.
#[derive(Debug, thiserror::Error)]
pub enum EncryptionError {
    #[error(
        "the recovery point holds several EncryptionConfigurations ({names}): name the right one with --encryption-config FILE"
    )]
    Several { names: String },
    #[error("the EncryptionConfiguration {} cannot be read: {why}", path.display())]
    Unreadable { path: PathBuf, why: String },
    #[error("archive {name} cannot be read again in the scratch folder: {why}")]
    Archive { name: String, why: String },
    #[error(
        "the EncryptionConfiguration {name} names a KMS provider, whose keys are not on this machine: values that it encrypted cannot be read here; leave the API server out of this drill"
    )]
    Kms { name: String },
}

/// A configuration and where it was found.
pub struct Found {
    pub name: String,
    pub text: String,
}

/// The operator's own file.
///
/// # Errors
/// [`EncryptionError`].
pub fn of_file(path: &Path) -> Result<Found, EncryptionError> {
    let text = std::fs::read_to_string(path).map_err(|error| EncryptionError::Unreadable {
        path: path.to_owned(),
        why: drydock_core::reason(&error),
    })?;
    usable(Found {
        name: path.display().to_string(),
        text,
    })
}

/// The only one in these archives; none when there is none. Blocks.
///
/// # Errors
/// [`EncryptionError`].
pub fn of_archives(archives: &[(String, File)]) -> Result<Option<Found>, EncryptionError> {
    let mut found: Vec<Found> = Vec::new();
    for (name, file) in archives {
        let read = search(file).map_err(|why| EncryptionError::Archive {
            name: name.clone(),
            why,
        })?;
        // The same file may be kept twice, e.g. beside its own copy.
        found.extend(read);
        found.dedup_by(|a, b| a.text == b.text);
    }
    match found.len() {
        0 | 1 => found.pop().map(usable).transpose(),
        _ => {
            let names: Vec<String> = found.into_iter().map(|found| found.name).collect();
            Err(EncryptionError::Several {
                names: names.join(", "),
            })
        }
    }
}

fn usable(found: Found) -> Result<Found, EncryptionError> {
    let names_kms = |line: &str| {
        let line = line.trim_start_matches([' ', '-']);
        line.starts_with("kms:") || line.starts_with("\"kms\"")
    };
    if found.text.lines().any(names_kms) {
        Err(EncryptionError::Kms { name: found.name })
    } else {
        Ok(found)
    }
}

fn search(file: &File) -> Result<Vec<Found>, String> {
    let mut file = file;
    file.seek(SeekFrom::Start(0))
        .map_err(|error| error.to_string())?;
    let mut decoder = Decoder::new();
    let mut buffer = vec![0; READ_BYTES];
    let mut found = Vec::new();
    let mut open: Option<(String, Vec<u8>)> = None;
    loop {
        let count = file.read(&mut buffer).map_err(|error| error.to_string())?;
        if count == 0 {
            return Ok(found);
        }
        let mut bytes = &buffer[..count];
        while let Some(event) = decoder
            .next(&mut bytes)
            .map_err(|error| error.to_string())?
        {
            take(event, &mut open, &mut found);
        }
    }
}

fn take(event: Event<'_>, open: &mut Option<(String, Vec<u8>)>, found: &mut Vec<Found>) {
    match event {
        Event::Entry(entry) => {
            let small = entry.kind == Kind::File && entry.size <= FILE_BYTES_MAX;
            *open = small.then(|| (shown(&entry.path), Vec::new()));
        }
        Event::Data(bytes) => {
            if let Some((_, text)) = open {
                text.extend_from_slice(bytes);
            }
        }
        Event::EntryEnd => {
            let text = open.take().and_then(|(name, bytes)| {
                let text = String::from_utf8(bytes).ok()?;
                let is_one = KIND.iter().any(|kind| text.contains(kind));
                is_one.then_some(Found { name, text })
            });
            found.extend(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    const CONFIGURATION: &str =
        "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources: []\n";

    fn archive(files: &[(&str, &str)]) -> (String, File) {
        let mut builder = tar::Builder::new(tempfile::tempfile().unwrap());
        for (name, text) in files {
            let mut header = tar::Header::new_ustar();
            header.set_size(text.len() as u64);
            header.set_mode(0o600);
            builder
                .append_data(&mut header, name, text.as_bytes())
                .unwrap();
        }
        let mut file = builder.into_inner().unwrap();
        file.flush().unwrap();
        ("pki.tar".to_owned(), file)
    }

    #[test]
    fn the_only_one_is_found_by_its_kind() {
        let others = [("etc/a.yaml", "kind: Pod\n"), ("etc/ca.key", "secret")];
        assert!(of_archives(&[archive(&others)]).unwrap().is_none());
        let with = [others[0], ("etc/enc.yaml", CONFIGURATION)];
        let found = of_archives(&[archive(&others), archive(&with)])
            .unwrap()
            .unwrap();
        assert_eq!(
            (found.name.as_str(), found.text.as_str()),
            ("\"etc/enc.yaml\"", CONFIGURATION)
        );
    }

    #[test]
    fn several_and_kms_are_told_in_a_sentence() {
        let other = format!("{CONFIGURATION}# another\n");
        let two = [
            ("etc/a.yaml", CONFIGURATION),
            ("etc/b.yaml", other.as_str()),
        ];
        assert_eq!(
            of_archives(&[archive(&two)]).err().unwrap().to_string(),
            "the recovery point holds several EncryptionConfigurations (\"etc/a.yaml\", \"etc/b.yaml\"): name the right one with --encryption-config FILE"
        );
        let kms = format!("{CONFIGURATION}  - providers:\n    - kms:\n        name: x\n");
        assert_eq!(
            of_archives(&[archive(&[("etc/a.yaml", &kms)])])
                .err()
                .unwrap()
                .to_string(),
            "the EncryptionConfiguration \"etc/a.yaml\" names a KMS provider, whose keys are not on this machine: values that it encrypted cannot be read here; leave the API server out of this drill"
        );
    }
}

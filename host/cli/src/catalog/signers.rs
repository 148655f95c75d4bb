//! Whom a command line believes, and what is said of those that it does not.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use drydock_core::reason;
use drydock_repository::{
    RepositoryError, TrustedSigners,
    sign::{KeyId, VerifyError, trust_it},
};
use drydock_terminal::print;

use crate::Failure;

/// The word for whoever signed.
const ANY: &str = "any";

/// Largest file with a public key.
const KEY_BYTES_MAX: u64 = 4096;

/// What every line of a minisign public key begins with.
const LINE_PREFIX: &str = "RW";

/// The signers that `--signer` adds: a line, a file with one, or `any`.
pub fn trusted(mut signers: TrustedSigners, given: &[String]) -> Result<TrustedSigners, Failure> {
    for signer in given {
        if signer == ANY {
            print::note(
                "warning: with --signer any nobody asks who signed: whoever can write at the target may have made what is there",
            );
            signers = signers.or_any();
            continue;
        }
        signers.add(&line_of(signer)?)?;
    }
    Ok(signers)
}

/// The line of a public key that is given as such, or in a file.
pub fn line_of(signer: &str) -> Result<String, Failure> {
    let is_line = signer.starts_with(LINE_PREFIX) && !Path::new(signer).exists();
    let text = if is_line {
        signer.to_owned()
    } else {
        read(signer)?
    };
    TrustedSigners::parse([text.as_str()])
        .map_err(|error| Failure::usage(format!("--signer {signer} cannot be used: {error}")))?;
    let line = text.lines().map(str::trim).rfind(|line| !line.is_empty());
    Ok(line.unwrap_or_default().to_owned())
}

fn read(file: &str) -> Result<String, Failure> {
    let told = |why: &str| {
        Failure::usage(format!(
            "--signer {file} cannot be read: {why}; give a .pub file, the line in it that begins with {LINE_PREFIX}, or `{ANY}`"
        ))
    };
    let size = fs::metadata(file)
        .map_err(|error| told(&reason(&error)))?
        .len();
    if size > KEY_BYTES_MAX {
        return Err(told("it is too large to hold a public key"));
    }
    fs::read_to_string(file).map_err(|error| told(&reason(&error)))
}

/// Signers that are not trusted, and how many recovery points each signed.
#[derive(Default)]
pub struct Strangers(BTreeMap<KeyId, (usize, Option<String>)>);

impl Strangers {
    /// Counts a recovery point that was refused for its signer; any other reason is not
    /// one of these.
    pub fn count(&mut self, error: &RepositoryError) -> bool {
        let RepositoryError::Signature {
            source: VerifyError::UnknownSigner { signer, line },
            ..
        } = error
        else {
            return false;
        };
        let (count, known) = self.0.entry(*signer).or_default();
        *count += 1;
        *known = known.take().or_else(|| line.clone());
        true
    }

    /// One sentence a signer.
    pub fn sentences(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|(signer, (count, line))| {
            let points = match count {
                1 => "1 recovery point is".to_owned(),
                several => format!("{several} recovery points are"),
            };
            format!(
                "{points} signed by key {signer}, which is not trusted here: {}",
                trust_it(line.as_deref())
            )
        })
    }
}

//! What the configurations of stores have in common.

use drydock_plugin_sdk::{DigestAlgorithm, Error};
use serde::{Deserialize, Serialize};

pub const MEBIBYTE: u64 = 1024 * 1024;

/// A checksum under which a service takes bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Algorithm {
    Crc64Nvme,
    Crc32c,
    Sha256,
    Md5,
}

impl Algorithm {
    /// As the host computes it.
    #[must_use]
    pub fn digest(self) -> DigestAlgorithm {
        match self {
            Self::Crc64Nvme => DigestAlgorithm::Crc64Nvme,
            Self::Crc32c => DigestAlgorithm::Crc32c,
            Self::Sha256 => DigestAlgorithm::Sha256,
            Self::Md5 => DigestAlgorithm::Md5,
        }
    }
}

/// A mistake in a value of the target's config.
pub fn wrong(what: impl std::fmt::Display) -> Error {
    Error::bad_configuration(format!("the target's config {what}")).not_done()
}

/// Whether a number is from `min` to `max`.
///
/// # Errors
/// `bad-configuration` with what is allowed.
pub fn check_range(key: &str, value: u64, min: u64, max: u64) -> Result<(), Error> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(wrong(format!(
        "has `{key}: {value}`: give a number from {min} to {max}"
    )))
}

/// Whether a word can stand in a header: printable, without blanks.
///
/// # Errors
/// `bad-configuration`.
pub fn check_word(key: &str, value: &str) -> Result<(), Error> {
    let plain = |byte: u8| byte.is_ascii_graphic();
    if !value.is_empty() && value.len() <= 512 && value.bytes().all(plain) {
        return Ok(());
    }
    Err(wrong(format!(
        "has `{key}: {value:?}`: give one word of printable letters"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_and_words_are_judged() {
        check_range("parallel", 4, 1, 16).unwrap();
        assert_eq!(
            check_range("parallel", 17, 1, 16).unwrap_err().message,
            "the target's config has `parallel: 17`: give a number from 1 to 16"
        );
        check_word("storageClass", "STANDARD_IA").unwrap();
        for odd in ["", "a b", "a\nb", "\u{e4}"] {
            assert!(check_word("storageClass", odd).is_err(), "{odd:?}");
        }
    }
}

//! What the target can be told.

use drydock_plugin_sdk::{Error, SessionKeeping, StoreLayout};
use serde::Deserialize;

const MEBIBYTE: u64 = 1024 * 1024;

/// Parts below this size cost more in calls than in bytes.
const PART_BYTES_MIN: u64 = 64 * 1024;

/// A part is written in one call, which must stay interruptible.
const PART_BYTES_MAX: u64 = 1024 * MEBIBYTE;

/// An object in one piece is written, read back and compared in one call.
const OBJECT_BYTES_MAX: u64 = 64 * MEBIBYTE;

/// A file takes any number of parts; the host's record of them does not.
const PARTS_MAX: u32 = 1_000_000;

/// Writers that one disk is given at once. More of them only make it seek.
const PARALLEL_DEFAULT: u32 = 2;
const PARALLEL_MAX: u32 = 16;

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Config {
    /// Absolute path of the folder.
    pub folder: String,
    /// Size of a part, 1 to 1024 MiB. Without it the host chooses.
    pub part_mebibytes: Option<u64>,
    /// Parts of one object that are written at once, 1 to 16.
    #[serde(default = "parallel_default")]
    pub parallel: u32,
    /// Whether the folder has to lie on a mount of its own.
    #[serde(default)]
    pub require_mount: bool,
}

impl Config {
    /// A folder with everything else left to its default.
    #[must_use]
    pub fn of_folder(folder: &str) -> Self {
        Self {
            folder: folder.to_owned(),
            part_mebibytes: None,
            parallel: PARALLEL_DEFAULT,
            require_mount: false,
        }
    }

    pub fn check(&self) -> Result<(), Error> {
        if !self.folder.starts_with('/') {
            return Err(Error::bad_configuration(format!(
                "the target's config has `folder: {}`: give an absolute path",
                self.folder
            )));
        }
        let part_mebibytes = self.part_mebibytes.unwrap_or(1);
        check_range("partMebibytes", part_mebibytes, PART_BYTES_MAX / MEBIBYTE)?;
        check_range("parallel", self.parallel.into(), PARALLEL_MAX.into())
    }

    /// No part is compared by itself: the whole object is, before it gets its name.
    pub fn layout(&self) -> StoreLayout {
        let wanted = self.part_mebibytes.map(|size| size * MEBIBYTE);
        StoreLayout {
            part_min: wanted.unwrap_or(PART_BYTES_MIN),
            part_max: wanted.unwrap_or(PART_BYTES_MAX),
            parts_max: PARTS_MAX,
            parallel_max: self.parallel,
            equal_parts: false,
            object_max: OBJECT_BYTES_MAX,
            part_checksum: None,
            sessions: SessionKeeping::Listed,
            retain: false,
        }
    }
}

fn check_range(key: &str, value: u64, max: u64) -> Result<(), Error> {
    if (1..=max).contains(&value) {
        return Ok(());
    }
    Err(Error::bad_configuration(format!(
        "the target's config has `{key}: {value}`: give a number from 1 to {max}"
    )))
}

fn parallel_default() -> u32 {
    PARALLEL_DEFAULT
}

#[cfg(test)]
mod tests {
    use drydock_plugin_sdk::config::parse;

    use super::*;

    fn config(json: &str) -> Config {
        parse("the target's config", json).unwrap()
    }

    #[test]
    fn layout_follows_the_configuration() {
        let free = config(r#"{"folder":"/a"}"#).layout();
        assert_eq!((free.part_min, free.part_max), (65_536, 1 << 30));
        assert_eq!(free.parallel_max, 2);
        let fixed = config(r#"{"folder":"/a","partMebibytes":8,"parallel":1}"#).layout();
        assert_eq!((fixed.part_min, fixed.part_max), (8 << 20, 8 << 20));
        assert_eq!(fixed.parallel_max, 1);
    }

    #[test]
    fn each_mistake_is_named() {
        for (json, expected) in [
            (
                r#"{"folder":"a"}"#,
                "the target's config has `folder: a`: give an absolute path",
            ),
            (
                r#"{"folder":"/a","partMebibytes":0}"#,
                "the target's config has `partMebibytes: 0`: give a number from 1 to 1024",
            ),
            (
                r#"{"folder":"/a","parallel":17}"#,
                "the target's config has `parallel: 17`: give a number from 1 to 16",
            ),
        ] {
            assert_eq!(config(json).check().unwrap_err().message, expected);
        }
        config(r#"{"folder":"/a","partMebibytes":1024,"parallel":16}"#)
            .check()
            .unwrap();
        let misspelled = parse::<Config>("it", r#"{"folder":"/a","partmib":1}"#).unwrap_err();
        assert!(misspelled.message.contains("no key `partmib`"));
    }
}

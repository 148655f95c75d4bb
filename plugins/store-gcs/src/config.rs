//! What the target can be told.

use drydock_plugin_sdk::{Error, SessionKeeping, StoreLayout};
use drydock_store_kit::config::{MEBIBYTE, check_range, check_word, wrong};
use drydock_store_kit::{Endpoint, Keys};
use serde::Deserialize;

const ENDPOINT: &str = "https://storage.googleapis.com";

/// A part is a multiple of 256 KiB. The last one is held in the plugin's memory for a moment.
const PART_MEBIBYTES_DEFAULT: u64 = 16;
const PART_MEBIBYTES_MAX: u64 = 64;

/// An object has 5 TiB at most.
const PARTS_MAX: u32 = 80_000;

/// What goes in one request goes through the plugin's memory.
const OBJECT_BYTES_MAX: u64 = 8 * MEBIBYTE;

/// An upload is valid for a week.
const EXPIRE_SECONDS: u64 = 7 * 24 * 60 * 60;

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Config {
    pub bucket: String,
    /// Where names begin in the bucket.
    pub prefix: Option<String>,
    pub endpoint: Option<String>,
    /// In which the bucket is made, where it may be.
    pub project: Option<String>,
    /// Where it is made.
    pub location: Option<String>,
    pub storage_class: Option<String>,
    /// How objects are locked, in a bucket with object retention.
    pub object_retention: Option<Retention>,
    pub part_mebibytes: Option<u64>,
}

/// A lock is what nobody may lift.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Retention {
    Locked,
    Unlocked,
}

impl Config {
    /// Errors have the code `bad-configuration`.
    pub fn check(&self) -> Result<(), Error> {
        self.endpoint()?;
        Keys::below(self.prefix.as_deref())?;
        self.check_bucket()?;
        for (key, word) in [
            ("project", &self.project),
            ("location", &self.location),
            ("storageClass", &self.storage_class),
        ] {
            word.as_ref().map_or(Ok(()), |word| check_word(key, word))?;
        }
        if self.object_retention == Some(Retention::Unlocked) {
            return Err(wrong(
                "has `objectRetention: unlocked`, a lock that whoever has the right may lift, so that it counts as none: say `objectRetention: locked`, or leave it out",
            ));
        }
        check_range(
            "partMebibytes",
            self.part_mebibytes(),
            1,
            PART_MEBIBYTES_MAX,
        )
    }

    pub fn endpoint(&self) -> Result<Endpoint, Error> {
        let endpoint = Endpoint::parse(self.endpoint.as_deref().unwrap_or(ENDPOINT))?;
        if endpoint.has_path() {
            return Err(wrong(format!(
                "has `endpoint: {}`: it takes no path; the bucket stands under `bucket`",
                endpoint.url()
            )));
        }
        Ok(endpoint)
    }

    /// All parts but the last have one size, so that which is the last shows by its size.
    pub fn layout(&self) -> StoreLayout {
        let part = self.part_mebibytes() * MEBIBYTE;
        StoreLayout {
            part_min: part,
            part_max: part,
            parts_max: PARTS_MAX,
            parallel_max: 1,
            equal_parts: true,
            object_max: OBJECT_BYTES_MAX,
            part_checksum: None,
            sessions: SessionKeeping::Expire(EXPIRE_SECONDS),
            retain: self.object_retention.is_some(),
        }
    }

    fn part_mebibytes(&self) -> u64 {
        self.part_mebibytes.unwrap_or(PART_MEBIBYTES_DEFAULT)
    }

    fn check_bucket(&self) -> Result<(), Error> {
        let bucket = &self.bucket;
        let plain =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_".contains(&byte);
        if (3..=222).contains(&bucket.len()) && bucket.bytes().all(plain) {
            return Ok(());
        }
        Err(wrong(format!(
            "has `bucket: {bucket:?}`: a bucket's name has 3 to 222 small letters, digits, `.`, `-` and `_`"
        )))
    }
}

#[cfg(test)]
mod tests {
    use drydock_plugin_sdk::config::parse;

    use super::*;

    fn told(json: &str) -> String {
        let parsed = parse::<Config>("the target's config", json);
        let checked = parsed.and_then(|config| config.check());
        checked.err().map_or_else(String::new, |error| {
            assert_eq!(error.code, "bad-configuration", "{json}");
            error.message
        })
    }

    #[test]
    fn what_goes_together_is_taken_and_else_told() {
        for (json, why) in [
            (r#"{"bucket":"backups"}"#, ""),
            (
                r#"{"bucket":"a.b_c-d","endpoint":"https://localhost:4443","project":"p-1","location":"EU","storageClass":"NEARLINE","objectRetention":"locked","partMebibytes":64}"#,
                "",
            ),
            ("{}", "lacks the key `bucket`"),
            (r#"{"bucket":"B"}"#, "3 to 222 small letters"),
            (
                r#"{"bucket":"backups","endpoint":"https://h/p"}"#,
                "it takes no path",
            ),
            (r#"{"bucket":"backups","project":"a b"}"#, "give one word"),
            (
                r#"{"bucket":"backups","objectRetention":"unlocked"}"#,
                "counts as none",
            ),
            (r#"{"bucket":"backups","partMebibytes":65}"#, "from 1 to 64"),
            (
                r#"{"bucket":"backups","parallel":4}"#,
                "has no key `parallel`",
            ),
        ] {
            let message = told(json);
            assert!(message.contains(why), "{json}: {message}");
            assert_eq!(message.is_empty(), why.is_empty(), "{json}: {message}");
        }
    }

    #[test]
    fn parts_have_one_size_and_go_one_by_one() {
        let config: Config = parse("it", r#"{"bucket":"backups"}"#).unwrap();
        assert_eq!(config.endpoint().unwrap().url(), ENDPOINT);
        let layout = config.layout();
        assert_eq!((layout.part_min, layout.part_max), (16 << 20, 16 << 20));
        assert_eq!((layout.parallel_max, layout.equal_parts), (1, true));
        assert_eq!(layout.part_min % (256 * 1024), 0);
    }
}

//! What the target can be told.

use drydock_plugin_sdk::{Error, SessionKeeping, StoreLayout};
use drydock_store_kit::config::{Algorithm, MEBIBYTE, check_range, wrong};
use drydock_store_kit::{Endpoint, Keys};
use serde::Deserialize;

/// Of the service, for the version that is spoken: a block has 4000 MiB at most, and a blob
/// 50,000 of them.
const PART_BYTES_MIN: u64 = 64 * 1024;
const PART_BYTES_MAX: u64 = 4000 * MEBIBYTE;
const PARTS_MAX: u32 = 50_000;

/// The service takes 5000 MiB in one request; what is larger than this is better sent in blocks,
/// of which one can be repeated.
const OBJECT_BYTES_MAX: u64 = 32 * MEBIBYTE;

/// Blocks that no list names go a week after the last one came.
const EXPIRE_SECONDS: u64 = 7 * 24 * 60 * 60;

/// Blocks of one object in flight: each is a connection.
const PARALLEL_DEFAULT: u32 = 4;
const PARALLEL_MAX: u32 = 16;

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Config {
    /// The storage account, whose endpoint is that of the public cloud where nothing is said.
    pub account: Option<String>,
    pub endpoint: Option<String>,
    pub container: String,
    /// Where names begin in the container.
    pub prefix: Option<String>,
    /// Under which the service takes bytes.
    #[serde(default = "checksum_default")]
    pub checksum: Algorithm,
    pub tier: Option<Tier>,
    /// How blobs are locked, in a container with version-level immutability.
    pub immutability: Option<Immutability>,
    pub part_mebibytes: Option<u64>,
    #[serde(default = "parallel_default")]
    pub parallel: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    Hot,
    Cool,
    Cold,
    Archive,
}

/// A lock is what nobody may lift.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Immutability {
    Locked,
    Unlocked,
}

impl Config {
    /// Errors have the code `bad-configuration`.
    pub fn check(&self) -> Result<(), Error> {
        self.endpoint()?;
        Keys::below(self.prefix.as_deref())?;
        self.check_container()?;
        self.check_keeping()?;
        check_range("parallel", self.parallel.into(), 1, PARALLEL_MAX.into())?;
        let max = PART_BYTES_MAX / MEBIBYTE;
        check_range("partMebibytes", self.part_mebibytes.unwrap_or(1), 1, max)
    }

    /// Where the service is.
    pub fn endpoint(&self) -> Result<Endpoint, Error> {
        match (&self.endpoint, &self.account) {
            (Some(endpoint), None) => Endpoint::parse(endpoint),
            (None, Some(account)) => of_account(account),
            (Some(_), Some(_)) => Err(wrong("has both `account` and `endpoint`: remove one")),
            (None, None) => Err(wrong(
                "says neither `account` nor `endpoint`: add `account: NAME`, or for another cloud `endpoint: https://NAME.blob.SUFFIX`",
            )),
        }
    }

    pub fn layout(&self) -> StoreLayout {
        let wanted = self.part_mebibytes.map(|size| size * MEBIBYTE);
        StoreLayout {
            part_min: wanted.unwrap_or(PART_BYTES_MIN),
            part_max: wanted.unwrap_or(PART_BYTES_MAX),
            parts_max: PARTS_MAX,
            parallel_max: self.parallel,
            equal_parts: false,
            object_max: OBJECT_BYTES_MAX,
            part_checksum: Some(self.checksum.digest()),
            sessions: SessionKeeping::Expire(EXPIRE_SECONDS),
            retain: self.immutability.is_some(),
        }
    }

    fn check_container(&self) -> Result<(), Error> {
        let container = &self.container;
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let is_name = (3..=63).contains(&container.len())
            && container.bytes().all(plain)
            && !container.contains("--")
            && !container.starts_with('-')
            && !container.ends_with('-');
        if is_name {
            return Ok(());
        }
        Err(wrong(format!(
            "has `container: {container:?}`: a container's name has 3 to 63 small letters, digits and single `-` between them"
        )))
    }

    fn check_keeping(&self) -> Result<(), Error> {
        if !matches!(self.checksum, Algorithm::Md5 | Algorithm::Crc64Nvme) {
            return Err(wrong(
                "has a `checksum` that the service does not compare: say `md5` or `crc64-nvme`",
            ));
        }
        if self.tier == Some(Tier::Archive) {
            return Err(wrong(
                "has `tier: archive`, out of which nothing can be read back to prove it: leave it out, and move recovery points there by a lifecycle rule",
            ));
        }
        if self.immutability == Some(Immutability::Unlocked) {
            return Err(wrong(
                "has `immutability: unlocked`, a policy that whoever has the right may remove, so that it counts as no lock: say `immutability: locked`, or leave it out",
            ));
        }
        Ok(())
    }
}

impl Tier {
    /// As the header has it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Hot => "Hot",
            Self::Cool => "Cool",
            Self::Cold => "Cold",
            Self::Archive => "Archive",
        }
    }
}

fn of_account(account: &str) -> Result<Endpoint, Error> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    if !(3..=24).contains(&account.len()) || !account.bytes().all(plain) {
        return Err(wrong(format!(
            "has `account: {account:?}`: a storage account's name has 3 to 24 small letters and digits"
        )));
    }
    Endpoint::parse(&format!("https://{account}.blob.core.windows.net"))
}

/// Compared by everybody who speaks this interface; CRC-64 costs a tenth of it.
fn checksum_default() -> Algorithm {
    Algorithm::Md5
}

fn parallel_default() -> u32 {
    PARALLEL_DEFAULT
}

#[cfg(test)]
mod tests {
    use drydock_plugin_sdk::DigestAlgorithm;
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
    fn what_goes_together_is_taken() {
        for json in [
            r#"{"account":"acct01","container":"backups"}"#,
            r#"{"endpoint":"https://localhost:10000/acct01","container":"back-ups","prefix":"a/b","checksum":"crc64-nvme"}"#,
            r#"{"account":"acct01","container":"backups","tier":"cool","immutability":"locked","partMebibytes":4000,"parallel":1}"#,
        ] {
            assert_eq!(told(json), "", "{json}");
        }
    }

    #[test]
    fn what_does_not_go_together_is_told() {
        for (json, why) in [
            (r#"{"account":"acct01"}"#, "lacks the key `container`"),
            (
                r#"{"container":"backups"}"#,
                "neither `account` nor `endpoint`",
            ),
            (
                r#"{"account":"a01","endpoint":"https://a","container":"backups"}"#,
                "both `account` and `endpoint`",
            ),
            (
                r#"{"account":"Acct","container":"backups"}"#,
                "3 to 24 small letters",
            ),
            (
                r#"{"account":"acct01","container":"back--ups"}"#,
                "3 to 63 small letters",
            ),
            (
                r#"{"account":"acct01","container":"-backups"}"#,
                "3 to 63 small letters",
            ),
            (
                r#"{"account":"acct01","container":"backups","checksum":"sha256"}"#,
                "say `md5` or `crc64-nvme`",
            ),
            (
                r#"{"account":"acct01","container":"backups","tier":"archive"}"#,
                "nothing can be read back",
            ),
            (
                r#"{"account":"acct01","container":"backups","immutability":"unlocked"}"#,
                "counts as no lock",
            ),
            (
                r#"{"account":"acct01","container":"backups","partMebibytes":4001}"#,
                "from 1 to 4000",
            ),
            (
                r#"{"account":"acct01","container":"backups","acount":"x"}"#,
                "did you mean `account`?",
            ),
        ] {
            let message = told(json);
            assert!(message.contains(why), "{json}: {message}");
        }
    }

    #[test]
    fn layout_follows_the_configuration() {
        let config = |json| parse::<Config>("it", json).unwrap();
        let free = config(r#"{"account":"acct01","container":"backups"}"#);
        assert_eq!(
            free.endpoint().unwrap().url(),
            "https://acct01.blob.core.windows.net"
        );
        let layout = free.layout();
        assert_eq!((layout.part_min, layout.part_max), (65_536, 4000 << 20));
        assert_eq!(layout.part_checksum, Some(DigestAlgorithm::Md5));
        assert_eq!(layout.sessions, SessionKeeping::Expire(604_800));
        let fixed = r#"{"account":"acct01","container":"backups","partMebibytes":8,"immutability":"locked"}"#;
        let layout = config(fixed).layout();
        assert_eq!((layout.part_min, layout.part_max), (8 << 20, 8 << 20));
        assert!(layout.retain);
    }
}

//! What the target can be told.

use drydock_plugin_sdk::{Error, Finding, SessionKeeping, StoreLayout};
use drydock_store_kit::config::{Algorithm, MEBIBYTE, check_range, check_word, wrong};
use drydock_store_kit::{Endpoint, Keys};
use serde::Deserialize;

/// Of S3: parts but the last have 5 MiB to 5 GiB, and there are 10,000 at most.
const PART_BYTES_MIN: u64 = 5 * MEBIBYTE;
const PART_BYTES_MAX: u64 = 5 * 1024 * MEBIBYTE;
const PARTS_MAX: u32 = 10_000;

/// S3 takes 5 GiB in one request; what is larger than this is better sent in parts, of which
/// one can be repeated.
const OBJECT_BYTES_MAX: u64 = 32 * MEBIBYTE;

/// Parts of one object in flight: each is a connection.
const PARALLEL_DEFAULT: u32 = 4;
const PARALLEL_MAX: u32 = 16;

/// Classes whose objects cannot be read before somebody brings them back.
const ARCHIVES: [&str; 2] = ["GLACIER", "DEEP_ARCHIVE"];

/// The end of the names of directory buckets, whose listings have no order.
const DIRECTORY_BUCKET: &str = "--x-s3";

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Config {
    pub bucket: String,
    /// Where keys begin in the bucket.
    pub prefix: Option<String>,
    /// That of AWS for the region, where nothing is said.
    pub endpoint: Option<String>,
    pub region: Option<String>,
    /// How the bucket is named in a URL.
    pub style: Option<Style>,
    /// Under which the service takes bytes.
    #[serde(default = "checksum_default")]
    pub checksum: Algorithm,
    pub storage_class: Option<String>,
    pub sse: Option<Sse>,
    /// How objects are locked, in a bucket with object lock.
    pub object_lock: Option<Lock>,
    pub part_mebibytes: Option<u64>,
    #[serde(default = "parallel_default")]
    pub parallel: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Style {
    /// `https://host/bucket/key`.
    Path,
    /// `https://bucket.host/key`.
    VirtualHost,
}

/// How the service encrypts what it keeps; what it gets is sealed already.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sse {
    #[serde(rename = "type")]
    pub kind: SseKind,
    /// Of KMS; the bucket's own where nothing is said.
    pub key: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SseKind {
    Aes256,
    Kms,
    KmsDsse,
}

/// A lock is what nobody may lift.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lock {
    Compliance,
    Governance,
}

impl Config {
    /// What an operator should hear of a configuration that goes together. Errors have the code
    /// `bad-configuration`.
    pub fn check(&self) -> Result<Vec<Finding>, Error> {
        self.check_bucket()?;
        Keys::below(self.prefix.as_deref())?;
        self.check_place()?;
        self.check_class()?;
        self.check_keeping()?;
        check_range("parallel", self.parallel.into(), 1, PARALLEL_MAX.into())?;
        let (min, max) = (PART_BYTES_MIN / MEBIBYTE, PART_BYTES_MAX / MEBIBYTE);
        check_range(
            "partMebibytes",
            self.part_mebibytes.unwrap_or(min),
            min,
            max,
        )?;
        Ok(Vec::new())
    }

    /// Where the service is.
    pub fn endpoint(&self) -> Result<Endpoint, Error> {
        let aws = self
            .region
            .as_ref()
            .map(|region| format!("https://s3.{region}.amazonaws.com"));
        match self.endpoint.as_ref().or(aws.as_ref()) {
            Some(endpoint) => Endpoint::parse(endpoint),
            None => Err(wrong(
                "says neither `endpoint` nor `region`: add `endpoint: https://HOST`, or `region: NAME` for AWS",
            )),
        }
    }

    /// As is said, else as the service wants it: AWS takes names of buckets in the host.
    pub fn style(&self, endpoint: &Endpoint) -> Style {
        let of_aws = endpoint.host().ends_with(".amazonaws.com") && !self.bucket.contains('.');
        let usual = if of_aws {
            Style::VirtualHost
        } else {
            Style::Path
        };
        self.style.unwrap_or(usual)
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
            sessions: SessionKeeping::Listed,
            retain: self.object_lock.is_some(),
        }
    }

    fn check_bucket(&self) -> Result<(), Error> {
        let bucket = &self.bucket;
        let plain =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte);
        if !(3..=63).contains(&bucket.len()) || !bucket.bytes().all(plain) || bucket.contains("..")
        {
            return Err(wrong(format!(
                "has `bucket: {bucket:?}`: a bucket's name has 3 to 63 small letters, digits, `.` and `-`"
            )));
        }
        if bucket.ends_with(DIRECTORY_BUCKET) {
            return Err(wrong(format!(
                "has `bucket: {bucket}`, a directory bucket, whose objects are listed in no order: use a general purpose bucket"
            )));
        }
        Ok(())
    }

    fn check_place(&self) -> Result<(), Error> {
        let region = self.region.as_deref().unwrap_or("us-east-1");
        let of_region = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if region.is_empty() || region.len() > 64 || !region.bytes().all(of_region) {
            return Err(wrong(format!(
                "has `region: {region:?}`, which is no name of one"
            )));
        }
        let endpoint = self.endpoint()?;
        if endpoint.has_path() {
            return Err(wrong(format!(
                "has `endpoint: {}`: it takes no path; the bucket stands under `bucket`",
                endpoint.url()
            )));
        }
        if self.style(&endpoint) == Style::Path {
            return Ok(());
        }
        if endpoint.is_address() {
            return Err(wrong(
                "has `style: virtual-host`, and the endpoint is an address, before which no bucket's name can stand: say `style: path`",
            ));
        }
        if endpoint.is_https() && self.bucket.contains('.') {
            return Err(wrong(
                "has `style: virtual-host`, and a `.` in the bucket's name, for which no certificate holds: say `style: path`",
            ));
        }
        Ok(())
    }

    fn check_class(&self) -> Result<(), Error> {
        let Some(class) = &self.storage_class else {
            return Ok(());
        };
        check_word("storageClass", class)?;
        if ARCHIVES.contains(&class.as_str()) {
            return Err(wrong(format!(
                "has `storageClass: {class}`, out of which nothing can be read back to prove it: leave it out, and move recovery points there by a lifecycle rule"
            )));
        }
        Ok(())
    }

    fn check_keeping(&self) -> Result<(), Error> {
        if self.object_lock == Some(Lock::Governance) {
            return Err(wrong(
                "has `objectLock: governance`, a lock that whoever has the right may lift, so that it counts as none: say `objectLock: compliance`, or leave it out",
            ));
        }
        let Some(sse) = &self.sse else {
            return Ok(());
        };
        let Some(key) = &sse.key else {
            return Ok(());
        };
        check_word("sse.key", key)?;
        if sse.kind == SseKind::Aes256 {
            return Err(wrong(
                "has `sse.key` beside `type: aes256`, which takes none: remove it, or say `type: kms`",
            ));
        }
        Ok(())
    }
}

impl SseKind {
    /// As the header has it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Aes256 => "AES256",
            Self::Kms => "aws:kms",
            Self::KmsDsse => "aws:kms:dsse",
        }
    }
}

fn checksum_default() -> Algorithm {
    Algorithm::Crc64Nvme
}

fn parallel_default() -> u32 {
    PARALLEL_DEFAULT
}

#[cfg(test)]
mod tests;

//! Objects: made in one request, looked at, read, locked, removed.

use drydock_plugin_sdk::{DigestAlgorithm, Error, ObjectPage, ObjectStat, Slice, instant};
use drydock_store_kit::call::{Answer, Body, Call, Client, Failure};
use drydock_store_kit::read::{self, Range};
use drydock_store_kit::service::Objects;
use drydock_store_kit::wanted::Readable;
use drydock_store_kit::{Cause, encode, listing};

use crate::S3;
use crate::checksum;
use crate::page;

/// How a lock is named that nobody may lift.
pub const COMPLIANCE: &str = "COMPLIANCE";

/// Entries of a page: what S3 gives at most.
const PAGE_ENTRIES: &str = "1000";

/// Longest instant of a lock that S3 can be told: the last that has four digits.
const UNTIL_MAX: u64 = 253_402_300_799;

impl Objects for S3 {
    /// Puts an object, if there is none of its name.
    fn put(
        &self,
        object: &str,
        bytes: &Slice,
        retain_until: Option<u64>,
    ) -> Result<ObjectStat, Error> {
        let url = self.place.object(&self.keys.of(object)?, &[]);
        let sum = checksum::of_slice(self.config.checksum, bytes)?;
        let call = Call::new("PUT", url, format!("store {object}"))
            .header("if-none-match", "*")
            .header("content-type", "application/octet-stream");
        let call = self.kept_as(checksum::with(call, &sum));
        let call = match retain_until {
            Some(until) => locked(call, until),
            None => call,
        };
        let call = self.signed_slice(call, bytes)?;
        match self.send(&call) {
            // There are services that pass over a lock: what is told is what they show.
            Ok(_) if retain_until.is_some() => self.head(object),
            Ok(answer) => Ok(ObjectStat {
                object: object.to_owned(),
                size: bytes.size(),
                checksum: checksum::told(&answer),
                retained_until: None,
            }),
            Err(failure) => self.put_before(object, bytes, retain_until, failure.into()),
        }
    }

    fn page(&self, prefix: &str, cursor: Option<&str>) -> Result<ObjectPage, Error> {
        let below = self.keys.prefix(prefix);
        let mut query = vec![
            ("list-type", "2"),
            ("encoding-type", "url"),
            ("max-keys", PAGE_ENTRIES),
            ("prefix", below.as_str()),
        ];
        query.extend(cursor.map(|cursor| ("continuation-token", cursor)));
        let call = Call::new(
            "GET",
            self.place.bucket(&query),
            "list the bucket's objects",
        );
        let answer = self.send(&call)?;
        let (entries, next) = page::objects(answer.text())?;
        Ok(listing::page(&self.keys, entries, next))
    }

    fn send_lock(&self, object: &str, until: u64) -> Result<(), Error> {
        let until = instant::to_rfc3339(until.min(UNTIL_MAX));
        let body = format!(
            "<Retention xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Mode>{COMPLIANCE}</Mode><RetainUntilDate>{until}</RetainUntilDate></Retention>"
        );
        let url = self
            .place
            .object(&self.keys.of(object)?, &[("retention", "")]);
        let call = Call::new("PUT", url, format!("lock {object} until {until}"));
        self.send(&signed_bytes(call, body.as_bytes()))?;
        Ok(())
    }

    fn send_removal(&self, object: &str) -> Result<(), Error> {
        let url = self.place.object(&self.keys.of(object)?, &[]);
        self.send(&Call::new("DELETE", url, format!("remove {object}")))?;
        Ok(())
    }
}

impl S3 {
    /// What the service tells of an object. A 404 has no body that says whether the bucket is
    /// there at all.
    pub fn head(&self, object: &str) -> Result<ObjectStat, Error> {
        let url = self.place.object(&self.keys.of(object)?, &[]);
        let call = Call::new("HEAD", url, format!("tell of {object}"))
            .header("x-amz-checksum-mode", "ENABLED");
        match self.send(&call) {
            Ok(answer) => stat(object, &answer),
            Err(failure) if failure.is(Cause::NotFound) => {
                self.bucket_is_there()?;
                Err(not_found(object))
            }
            Err(failure) => Err(failure.into()),
        }
    }

    /// An error where the bucket is not there. Who may not ask does not know, and what was
    /// answered stands.
    fn bucket_is_there(&self) -> Result<(), Error> {
        match self.send(&self.head_bucket()) {
            Err(failure) if failure.is(Cause::PlaceMissing) || failure.is(Cause::NotFound) => {
                Err(self.no_bucket())
            }
            Err(failure @ Failure::Broken(_)) => Err(failure.into()),
            _ => Ok(()),
        }
    }

    /// How the service is to keep what is made by this call.
    pub fn kept_as<'a>(&self, call: Call<'a>) -> Call<'a> {
        let mut call = call;
        if let Some(class) = &self.config.storage_class {
            call = call.header("x-amz-storage-class", class);
        }
        if let Some(sse) = &self.config.sse {
            call = call.header("x-amz-server-side-encryption", sse.kind.word());
            if let Some(key) = &sse.key {
                call = call.header("x-amz-server-side-encryption-aws-kms-key-id", key);
            }
        }
        call
    }

    /// In the clear nothing but the signed SHA-256 keeps others from changing the body on its
    /// way.
    pub fn signed_slice<'a>(&self, call: Call<'a>, bytes: &'a Slice) -> Result<Call<'a>, Error> {
        let call = call.body(Body::Slice(bytes));
        if self.place.is_https() {
            return Ok(call);
        }
        let sha256 = bytes.digest(DigestAlgorithm::Sha256)?;
        Ok(call.header("x-amz-content-sha256", encode::hex(&sha256)))
    }
}

impl Readable for S3 {
    fn client(&self) -> &Client {
        &self.client
    }

    fn stat_of(&self, object: &str) -> Result<ObjectStat, Error> {
        self.head(object)
    }

    fn range_of(&self, object: &str) -> Result<impl Fn(Range) -> Call<'static>, Error> {
        let url = self.place.object(&self.keys.of(object)?, &[]);
        let what = format!("read {object}");
        Ok(move |range: Range| {
            Call::new("GET", url.clone(), what.clone()).header("range", range.header())
        })
    }
}

/// A small body of the plugin's own, with the SHA-256 that is signed and compared.
pub fn signed_bytes<'a>(call: Call<'a>, body: &'a [u8]) -> Call<'a> {
    let sha256 = read::sha256_of(body);
    call.header("content-type", "application/xml")
        .header("x-amz-content-sha256", encode::hex(&sha256))
        .header("x-amz-checksum-sha256", encode::base64(&sha256))
        .body(Body::Bytes(body))
}

fn locked(call: Call<'_>, until: u64) -> Call<'_> {
    call.header("x-amz-object-lock-mode", COMPLIANCE).header(
        "x-amz-object-lock-retain-until-date",
        instant::to_rfc3339(until.min(UNTIL_MAX)),
    )
}

fn stat(object: &str, answer: &Answer) -> Result<ObjectStat, Error> {
    let size = answer.header("content-length");
    let size = size.and_then(|text| text.trim().parse().ok());
    let size = size.ok_or_else(|| {
        let message = format!("the service tells of {object} without its size");
        Error::permanent("wrong-answer", message)
    })?;
    Ok(ObjectStat {
        object: object.to_owned(),
        size,
        checksum: checksum::told(answer),
        retained_until: retained_until(answer),
    })
}

/// A lock that whoever has the right may lift is none.
fn retained_until(answer: &Answer) -> Option<u64> {
    if answer.header("x-amz-object-lock-mode") != Some(COMPLIANCE) {
        return None;
    }
    instant::from_rfc3339(answer.header("x-amz-object-lock-retain-until-date")?)
}

fn not_found(object: &str) -> Error {
    Error::permanent("not-found", format!("there is no object {object}")).not_done()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(headers: &[(&str, &str)]) -> Answer {
        let headers = headers.iter();
        Answer {
            status: 200,
            headers: headers
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            body: Vec::new(),
        }
    }

    #[test]
    fn an_object_is_told_of_by_its_headers() {
        let found = stat(
            "c/a",
            &answer(&[
                ("content-length", "1024"),
                ("x-amz-checksum-crc64nvme", "rosUhgp5mIg="),
                ("x-amz-checksum-type", "FULL_OBJECT"),
                ("x-amz-object-lock-mode", "COMPLIANCE"),
                (
                    "x-amz-object-lock-retain-until-date",
                    "2026-01-02T03:04:05.000Z",
                ),
            ]),
        )
        .unwrap();
        assert_eq!(
            (found.size, found.retained_until),
            (1024, Some(1_767_323_045))
        );
        assert_eq!(
            found.checksum.unwrap().algorithm,
            DigestAlgorithm::Crc64Nvme
        );
        let liftable = answer(&[
            ("content-length", "1"),
            ("x-amz-object-lock-mode", "GOVERNANCE"),
            (
                "x-amz-object-lock-retain-until-date",
                "2026-01-02T03:04:05Z",
            ),
        ]);
        assert_eq!(stat("a", &liftable).unwrap().retained_until, None);
        assert_eq!(stat("a", &answer(&[])).unwrap_err().code, "wrong-answer");
    }

    #[test]
    fn a_lock_is_said_in_headers() {
        let call = locked(Call::new("PUT", String::new(), "x"), 4_102_444_800);
        assert_eq!(
            call.headers[1],
            (
                "x-amz-object-lock-retain-until-date",
                "2100-01-01T00:00:00Z".to_owned()
            )
        );
        let call = locked(Call::new("PUT", String::new(), "x"), u64::MAX);
        assert_eq!(call.headers[1].1, "9999-12-31T23:59:59Z");
    }
}

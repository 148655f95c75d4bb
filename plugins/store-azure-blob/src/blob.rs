//! Blobs: made in one request, looked at, read, locked, removed.

use drydock_plugin_sdk::{Checksum, Error, ObjectPage, ObjectStat, Slice, instant};
use drydock_store_kit::call::{Answer, Body, Call, Client};
use drydock_store_kit::config::Algorithm;
use drydock_store_kit::read::Range;
use drydock_store_kit::service::Objects;
use drydock_store_kit::wanted::Readable;
use drydock_store_kit::{encode, listing};

use crate::AzureBlob;
use crate::page;

/// Entries of a page: what the service gives at most.
const PAGE_ENTRIES: &str = "5000";

/// Longest instant of a lock that the service can be told: the last that has four digits.
const UNTIL_MAX: u64 = 253_402_300_799;

impl Objects for AzureBlob {
    /// Puts a blob, if there is none of its name.
    fn put(
        &self,
        object: &str,
        bytes: &Slice,
        retain_until: Option<u64>,
    ) -> Result<ObjectStat, Error> {
        let url = self.blob_url(object, &[])?;
        let call = self
            .call("PUT", url, format!("store {object}"))
            .header("if-none-match", "*")
            .header("x-ms-blob-type", "BlockBlob")
            .header("content-type", "application/octet-stream");
        let digest = bytes.digest(self.config.checksum.digest())?;
        let call = with_checksum(self.kept_as(call), self.config.checksum, &digest);
        let call = match retain_until {
            Some(until) => locked(call, until),
            None => call,
        };
        match self.send(&call.body(Body::Slice(bytes))) {
            // What is told of a lock is what the service shows.
            Ok(_) if retain_until.is_some() => self.properties(object),
            Ok(answer) => Ok(ObjectStat {
                object: object.to_owned(),
                size: bytes.size(),
                checksum: compared(&answer, self.config.checksum, &digest),
                retained_until: None,
            }),
            Err(failure) => self.put_before(object, bytes, retain_until, failure.into()),
        }
    }

    fn page(&self, prefix: &str, cursor: Option<&str>) -> Result<ObjectPage, Error> {
        let below = self.keys.prefix(prefix);
        let mut query = vec![
            ("restype", "container"),
            ("comp", "list"),
            ("maxresults", PAGE_ENTRIES),
        ];
        if !below.is_empty() {
            query.push(("prefix", below.as_str()));
        }
        query.extend(cursor.map(|cursor| ("marker", cursor)));
        let call = self.call(
            "GET",
            self.container_url(&query),
            "list the container's blobs",
        );
        let answer = self.send(&call)?;
        let (entries, next) = page::blobs(answer.text())?;
        Ok(listing::page(&self.keys, entries, next))
    }

    fn send_lock(&self, object: &str, until: u64) -> Result<(), Error> {
        let url = self.blob_url(object, &[("comp", "immutabilityPolicies")])?;
        let call = self.call("PUT", url, format!("lock {object}"));
        self.send(&locked(call, until))?;
        Ok(())
    }

    fn send_removal(&self, object: &str) -> Result<(), Error> {
        let url = self.blob_url(object, &[])?;
        self.send(&self.call("DELETE", url, format!("remove {object}")))?;
        Ok(())
    }
}

impl AzureBlob {
    pub fn properties(&self, object: &str) -> Result<ObjectStat, Error> {
        let url = self.blob_url(object, &[])?;
        let call = self.call("HEAD", url, format!("tell of {object}"));
        stat(object, &self.send(&call)?)
    }

    /// How the service is to keep what is made by this call.
    pub fn kept_as<'a>(&self, call: Call<'a>) -> Call<'a> {
        match self.config.tier {
            Some(tier) => call.header("x-ms-access-tier", tier.word()),
            None => call,
        }
    }
}

impl Readable for AzureBlob {
    fn client(&self) -> &Client {
        &self.client
    }

    fn stat_of(&self, object: &str) -> Result<ObjectStat, Error> {
        self.properties(object)
    }

    fn range_of(&self, object: &str) -> Result<impl Fn(Range) -> Call<'static>, Error> {
        let url = self.blob_url(object, &[])?;
        let call: Call<'static> = self.call("GET", url, format!("read {object}"));
        Ok(move |range: Range| call.clone().header("x-ms-range", range.header()))
    }
}

/// Says the body's checksum. The service writes its CRC with the lowest byte first.
pub fn with_checksum<'a>(call: Call<'a>, algorithm: Algorithm, digest: &[u8]) -> Call<'a> {
    if algorithm == Algorithm::Md5 {
        return call.header("content-md5", encode::base64(digest));
    }
    call.header("x-ms-content-crc64", encode::base64(&reversed(digest)))
}

/// The checksum under which the service took a body. MD5 it compares, or refuses the request; of
/// CRC-64 only the one that it computed and answers counts, since there are servers that pass
/// over it.
pub fn compared(answer: &Answer, algorithm: Algorithm, digest: &[u8]) -> Option<Checksum> {
    let value = match algorithm {
        Algorithm::Md5 => digest.to_vec(),
        _ => reversed(&encode::from_base64(answer.header("x-ms-content-crc64")?)?),
    };
    Some(Checksum {
        algorithm: algorithm.digest(),
        value,
    })
}

fn reversed(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().rev().copied().collect()
}

fn locked(call: Call<'_>, until: u64) -> Call<'_> {
    call.header(
        "x-ms-immutability-policy-until-date",
        instant::to_http_date(until.min(UNTIL_MAX)),
    )
    .header("x-ms-immutability-policy-mode", "Locked")
}

/// The property Content-MD5 may be one that the service was only told, so that none is told on.
fn stat(object: &str, answer: &Answer) -> Result<ObjectStat, Error> {
    let size = answer.header("content-length");
    let size = size.and_then(|text| text.trim().parse().ok());
    let size = size.ok_or_else(|| {
        let message = format!("the service tells of {object} without its size");
        Error::permanent("wrong-answer", message)
    })?;
    let until = answer.header("x-ms-immutability-policy-until-date");
    let mode = answer.header("x-ms-immutability-policy-mode");
    Ok(ObjectStat {
        object: object.to_owned(),
        size,
        checksum: None,
        retained_until: retained_until(until, mode),
    })
}

/// A lock that whoever has the right may lift is none.
pub fn retained_until(until: Option<&str>, mode: Option<&str>) -> Option<u64> {
    let is_locked = mode.is_some_and(|mode| mode.eq_ignore_ascii_case("locked"));
    is_locked.then(|| instant::from_http_date(until?))?
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
    fn a_blob_is_told_of_by_its_headers() {
        let until = (
            "x-ms-immutability-policy-until-date",
            "Fri, 01 Jan 2100 00:00:00 GMT",
        );
        let found = stat(
            "c/a",
            &answer(&[
                ("content-length", "1024"),
                ("content-md5", "XrY7u+Ae7tCTyyK7j1rNww=="),
                until,
                ("x-ms-immutability-policy-mode", "locked"),
            ]),
        )
        .unwrap();
        assert_eq!(
            (found.size, found.retained_until),
            (1024, Some(4_102_444_800))
        );
        assert_eq!(found.checksum, None);
        let liftable = [
            ("content-length", "1"),
            until,
            ("x-ms-immutability-policy-mode", "unlocked"),
        ];
        assert_eq!(stat("a", &answer(&liftable)).unwrap().retained_until, None);
        assert_eq!(stat("a", &answer(&[])).unwrap_err().code, "wrong-answer");
    }

    #[test]
    fn the_crc_is_turned_both_ways() {
        let crc = 0xae8b_1486_0a79_9888_u64;
        let call = with_checksum(
            Call::new("PUT", String::new(), ""),
            Algorithm::Crc64Nvme,
            &crc.to_be_bytes(),
        );
        let little = encode::base64(&crc.to_le_bytes());
        assert_eq!(call.headers, [("x-ms-content-crc64", little.clone())]);
        let answered = answer(&[("x-ms-content-crc64", &little)]);
        let found = compared(&answered, Algorithm::Crc64Nvme, b"sent");
        assert_eq!(found.unwrap().value, crc.to_be_bytes());
        assert_eq!(compared(&answer(&[]), Algorithm::Crc64Nvme, b"sent"), None);
        let sent = compared(&answer(&[]), Algorithm::Md5, b"sent");
        assert_eq!(sent.unwrap().value, b"sent");
    }

    #[test]
    fn a_lock_is_said_in_headers() {
        let call = locked(Call::new("PUT", String::new(), ""), 4_102_444_800);
        assert_eq!(call.headers[0].1, "Fri, 01 Jan 2100 00:00:00 GMT");
        assert_eq!(call.headers[1].1, "Locked");
    }
}

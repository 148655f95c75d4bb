//! Objects: made in one request, looked at, read, locked, removed.

use drydock_plugin_sdk::{
    DigestAlgorithm, Error, ObjectPage, ObjectStat, Sink, Slice, instant, unique_id,
};
use drydock_store_kit::call::{Body, Call, Client, Failure};
use drydock_store_kit::read::{self, Range};
use drydock_store_kit::service::Objects;
use drydock_store_kit::wanted::Readable;
use drydock_store_kit::{Cause, encode, listing};
use serde_json::{Value, json};

use crate::Gcs;
use crate::resource::{self, FIELDS, PAGE_FIELDS, Resource};

/// Entries of a page: what the service gives at most.
const PAGE_ENTRIES: &str = "1000";

/// What one read of a slice takes.
const READ_BYTES_MAX: u32 = 1024 * 1024;

/// Longest instant of a lock that can be written: the last that has four digits.
const UNTIL_MAX: u64 = 253_402_300_799;

impl Objects for Gcs {
    /// Sends an object with its metadata, if there is none of its name. The CRC in the metadata is
    /// compared before anything is made.
    fn put(
        &self,
        object: &str,
        bytes: &Slice,
        retain_until: Option<u64>,
    ) -> Result<ObjectStat, Error> {
        let crc32c = bytes.digest(DigestAlgorithm::Crc32c)?;
        let mut metadata = self.metadata_of(&crc32c);
        if let Some(until) = retain_until {
            metadata["retention"] = retention(until);
        }
        let boundary = unique_id();
        let body = related(&boundary, &metadata, &all_of(bytes, 0)?);
        let url = self.upload_url(object, "multipart")?;
        let call = Call::new("POST", url, format!("store {object}"))
            .header(
                "content-type",
                format!("multipart/related; boundary={boundary}"),
            )
            .body(Body::Bytes(&body));
        let failure = match self.send(&call) {
            Ok(answer) => return Resource::parse(&answer.body)?.stat(object),
            Err(failure) => failure,
        };
        self.put_before(object, bytes, retain_until, self.placed(failure))
    }

    fn page(&self, prefix: &str, cursor: Option<&str>) -> Result<ObjectPage, Error> {
        let below = self.keys.prefix(prefix);
        let mut query = vec![
            ("prefix", below.as_str()),
            ("maxResults", PAGE_ENTRIES),
            ("fields", PAGE_FIELDS),
        ];
        query.extend(cursor.map(|cursor| ("pageToken", cursor)));
        let call = Call::new(
            "GET",
            self.bucket_url("/o", &query),
            "list the bucket's objects",
        );
        let answer = self.send(&call).map_err(|failure| {
            if failure.is(Cause::NotFound) {
                self.no_bucket()
            } else {
                failure.into()
            }
        })?;
        let (entries, next) = resource::page(&answer.body)?;
        Ok(listing::page(&self.keys, entries, next))
    }

    fn send_lock(&self, object: &str, until: u64) -> Result<(), Error> {
        let body = json!({"retention": retention(until)}).to_string();
        let url = self.object_url(object, &[("fields", FIELDS)])?;
        let call = Call::new("PATCH", url, format!("lock {object}"))
            .header("content-type", "application/json")
            .body(Body::Bytes(body.as_bytes()));
        self.send(&call)?;
        Ok(())
    }

    fn read(&self, object: &str, offset: u64, length: u64, into: &Sink) -> Result<(), Error> {
        if length == 0 {
            return self.metadata(object).map(drop);
        }
        let range = Range::new(offset, length)?;
        let read = read::into_sink(&self.client, range, self.range_of(object)?, into);
        match read {
            Err(error) if error.is("not-found") => {
                self.bucket_is_there()?;
                Err(error)
            }
            done => done,
        }
    }

    fn send_removal(&self, object: &str) -> Result<(), Error> {
        let url = self.object_url(object, &[])?;
        let sent = self.send(&Call::new("DELETE", url, format!("remove {object}")));
        sent.map_err(|failure| self.placed(failure))?;
        Ok(())
    }
}

impl Gcs {
    /// What an object is made with.
    pub fn metadata_of(&self, crc32c: &[u8]) -> Value {
        let mut metadata = self.metadata_without_checksum();
        metadata["crc32c"] = encode::base64(crc32c).into();
        metadata
    }

    /// The same before its bytes are known.
    pub fn metadata_without_checksum(&self) -> Value {
        let mut metadata = json!({"contentType": "application/octet-stream"});
        if let Some(class) = &self.config.storage_class {
            metadata["storageClass"] = class.as_str().into();
        }
        metadata
    }

    pub fn metadata(&self, object: &str) -> Result<ObjectStat, Error> {
        let url = self.object_url(object, &[("fields", FIELDS)])?;
        let call = Call::new("GET", url, format!("tell of {object}"));
        let answer = self.send(&call).map_err(|failure| self.placed(failure))?;
        Resource::parse(&answer.body)?.stat(object)
    }

    /// A 404 says nowhere whether it is the object or the bucket that is not there.
    pub fn placed(&self, failure: Failure) -> Error {
        if failure.is(Cause::NotFound)
            && let Err(missing) = self.bucket_is_there()
        {
            return missing;
        }
        failure.into()
    }

    /// An error where the bucket is not there. Who may not list does not know, and what was
    /// answered stands.
    pub fn bucket_is_there(&self) -> Result<(), Error> {
        let query = [("maxResults", "1"), ("fields", "nextPageToken")];
        let call = Call::new(
            "GET",
            self.bucket_url("/o", &query),
            "list the bucket's objects",
        );
        match self.send(&call) {
            Err(failure) if failure.is(Cause::NotFound) => Err(self.no_bucket()),
            Err(failure @ Failure::Broken(_)) => Err(failure.into()),
            _ => Ok(()),
        }
    }
}

impl Readable for Gcs {
    fn client(&self) -> &Client {
        &self.client
    }

    fn stat_of(&self, object: &str) -> Result<ObjectStat, Error> {
        self.metadata(object)
    }

    fn range_of(&self, object: &str) -> Result<impl Fn(Range) -> Call<'static>, Error> {
        let url = self.object_url(object, &[("alt", "media")])?;
        let what = format!("read {object}");
        Ok(move |range: Range| {
            Call::new("GET", url.clone(), what.clone()).header("range", range.header())
        })
    }
}

/// The bytes of a slice from `offset` on, in the plugin's memory.
pub fn all_of(bytes: &Slice, offset: u64) -> Result<Vec<u8>, Error> {
    let (mut all, mut at) = (Vec::new(), offset);
    while at < bytes.size() {
        let piece = bytes.read(at, READ_BYTES_MAX)?;
        if piece.is_empty() {
            break;
        }
        at += piece.len() as u64;
        all.extend(piece);
    }
    Ok(all)
}

fn retention(until: u64) -> Value {
    let until = instant::to_rfc3339(until.min(UNTIL_MAX));
    json!({"mode": "Locked", "retainUntilTime": until})
}

/// Metadata and bytes in one body (RFC 2387).
fn related(boundary: &str, metadata: &Value, bytes: &[u8]) -> Vec<u8> {
    let head = format!(
        "--{boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{metadata}\r\n--{boundary}\r\nContent-Type: application/octet-stream\r\n\r\n"
    );
    let tail = format!("\r\n--{boundary}--\r\n");
    [head.as_bytes(), bytes, tail.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_and_bytes_go_in_one_body() {
        let body = related("x", &json!({"crc32c": "AAAAAA=="}), b"bytes");
        assert_eq!(
            String::from_utf8(body).unwrap(),
            "--x\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{\"crc32c\":\"AAAAAA==\"}\r\n--x\r\nContent-Type: application/octet-stream\r\n\r\nbytes\r\n--x--\r\n"
        );
    }

    #[test]
    fn a_lock_is_said_in_metadata() {
        assert_eq!(
            retention(4_102_444_800),
            json!({"mode": "Locked", "retainUntilTime": "2100-01-01T00:00:00Z"})
        );
    }
}

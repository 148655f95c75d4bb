//! Uploads in parts.

use std::time::Duration;

use drydock_plugin_sdk::{
    Acknowledgement, Checksum, Error, ObjectStat, PartReceipt, SessionInfo, SessionPage, Slice,
    clock, from_token, to_token,
};
use drydock_store_kit::call::{Call, Failure};
use drydock_store_kit::parts::{Receipt, receipts_of};
use drydock_store_kit::service::Uploads;
use drydock_store_kit::wanted::{Wanted, of_size};
use drydock_store_kit::{Cause, encode, xml};
use serde::{Deserialize, Serialize};

use crate::S3;
use crate::checksum;
use crate::object::signed_bytes;
use crate::page::{self, Marker};

const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// Uploads of a page: what S3 gives at most.
const PAGE_ENTRIES: &str = "1000";

/// An upload is aborted so often, while parts that were in flight still come in.
const ABORTS_MAX: u32 = 5;

const ABORT_PAUSE: Duration = Duration::from_millis(500);

/// What a session says; the same whether it was handed out or listed.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    pub object: String,
    pub upload: String,
}

impl Uploads for S3 {
    fn begin(&self, object: &str) -> Result<Vec<u8>, Error> {
        let url = self
            .place
            .object(&self.keys.of(object)?, &[("uploads", "")]);
        let call = Call::new("POST", url, format!("begin an upload of {object}"))
            .header("content-type", "application/octet-stream");
        let call = self.kept_as(checksum::announced(call, self.config.checksum));
        let answer = self.send(&call)?;
        let root = xml::parse(answer.text())?;
        let upload = root.text_of("UploadId").ok_or_else(|| {
            Error::permanent("wrong-answer", "the service began an upload without an id")
        })?;
        to_token(&Session {
            object: object.to_owned(),
            upload: upload.to_owned(),
        })
    }

    fn part(
        &self,
        session: &[u8],
        number: u32,
        offset: u64,
        bytes: &Slice,
    ) -> Result<Acknowledgement, Error> {
        let session: Session = from_token("session", session)?;
        let sum = checksum::of_slice(self.config.checksum, bytes)?;
        let number_text = number.to_string();
        let url = self.upload_url(&session, &[("partNumber", &number_text)])?;
        let what = format!("store part {number} of {}", session.object);
        let call = checksum::with(Call::new("PUT", url, what), &sum);
        let answer = self.send(&self.signed_slice(call, bytes)?)?;
        let tag = answer.header("etag").unwrap_or_default().to_owned();
        if tag.is_empty() {
            return Err(Error::permanent(
                "wrong-answer",
                format!(
                    "the service took part {number} of {} without an ETag",
                    session.object
                ),
            ));
        }
        // It was compared with this one, or refused.
        let checksum = Checksum {
            algorithm: sum.algorithm.digest(),
            value: encode::from_base64(&sum.value).unwrap_or_default(),
        };
        let receipt = Receipt {
            offset,
            length: bytes.size(),
            tag,
            checksum: Some(sum),
        };
        Ok(Acknowledgement {
            receipt: to_token(&receipt)?,
            checksum: Some(checksum),
        })
    }

    fn finish(
        &self,
        session: &[u8],
        parts: &[PartReceipt],
        size: u64,
        sha256: &[u8],
        _whole: Option<&Slice>,
    ) -> Result<ObjectStat, Error> {
        let session: Session = from_token("session", session)?;
        let receipts = receipts_of(parts, size)?;
        let joined = checksum::joined(&receipts);
        let body = part_list(&receipts);
        let call = Call::new(
            "POST",
            self.upload_url(&session, &[])?,
            format!("complete {}", session.object),
        );
        let call = call
            .header("if-none-match", "*")
            .header("content-type", "application/xml")
            .header("x-amz-mp-object-size", size.to_string());
        let call = match &joined {
            Some(whole) => checksum::of_whole(call, whole),
            None => call,
        };
        let wanted = Wanted {
            object: &session.object,
            size,
            checksum: joined,
            sha256: &|| Ok(sha256.to_vec()),
        };
        match self.send(&with_list(call, body.as_bytes())) {
            Ok(_) => of_size(self.head(&session.object)?, size),
            Err(failure) => wanted.after(self, failure.into()),
        }
    }

    /// Parts in flight may come in after an abort, and are paid for: it is repeated until the
    /// upload is not there any more.
    fn abort(&self, session: &[u8]) -> Result<(), Error> {
        let session: Session = from_token("session", session)?;
        let what = format!("abort the upload of {}", session.object);
        for _ in 0..ABORTS_MAX {
            let url = self.upload_url(&session, &[])?;
            match self.send(&Call::new("DELETE", url, what.clone())) {
                Err(failure) if !is_gone(&failure) => return Err(failure.into()),
                _ if !self.is_open(&session)? => return Ok(()),
                _ => clock::wait(u32::try_from(ABORT_PAUSE.as_millis()).unwrap_or(u32::MAX)),
            }
        }
        Err(Error::transient(
            "left-open",
            format!(
                "the upload of {} is still there after it was aborted {ABORTS_MAX} times, and takes room: it is tried again later",
                session.object
            ),
        ))
    }

    fn open_uploads(&self, prefix: &str, cursor: Option<&str>) -> Result<SessionPage, Error> {
        let below = self.keys.prefix(prefix);
        let marker: Option<Marker> = cursor
            .map(|cursor| from_token("cursor", cursor.as_bytes()))
            .transpose()?;
        let mut query = vec![
            ("uploads", ""),
            ("encoding-type", "url"),
            ("max-uploads", PAGE_ENTRIES),
            ("prefix", below.as_str()),
        ];
        if let Some(Marker { key, id }) = &marker {
            query.push(("key-marker", key));
            query.push(("upload-id-marker", id));
        }
        let call = Call::new(
            "GET",
            self.place.bucket(&query),
            "list the bucket's uploads",
        );
        let answer = self.send(&call)?;
        let (uploads, next) = page::uploads(answer.text())?;
        let ours = uploads.into_iter().filter_map(|open| {
            let object = self.keys.object(open.key.as_deref()?)?.to_owned();
            // Nobody of ours begins others.
            self.keys.of(&object).ok()?;
            Some((object, open.id))
        });
        let sessions = ours.map(|(object, upload)| {
            let session = Session {
                object: object.clone(),
                upload,
            };
            Ok(SessionInfo {
                object,
                session: to_token(&session)?,
            })
        });
        Ok(SessionPage {
            sessions: sessions.collect::<Result<_, Error>>()?,
            next: next.map(|marker| text_of(&marker)).transpose()?,
        })
    }
}

impl S3 {
    /// Who may not ask goes by the answer to the abort.
    fn is_open(&self, session: &Session) -> Result<bool, Error> {
        let url = self.upload_url(session, &[("max-parts", "1")])?;
        let what = format!("list the parts of {}", session.object);
        match self.send(&Call::new("GET", url, what)) {
            Ok(_) => Ok(true),
            Err(failure) if is_gone(&failure) || failure.is(Cause::Denied) => Ok(false),
            Err(failure) => Err(failure.into()),
        }
    }

    fn upload_url(&self, session: &Session, more: &[(&str, &str)]) -> Result<String, Error> {
        let mut query = vec![("uploadId", session.upload.as_str())];
        query.extend_from_slice(more);
        Ok(self.place.object(&self.keys.of(&session.object)?, &query))
    }
}

/// The body's own SHA-256 is signed. `x-amz-checksum-sha256` would be read as the object's.
fn with_list<'a>(call: Call<'a>, body: &'a [u8]) -> Call<'a> {
    let mut signed = signed_bytes(Call::new("POST", String::new(), ""), body);
    signed
        .headers
        .retain(|(name, _)| *name == "x-amz-content-sha256");
    let mut call = call.body(signed.body);
    call.headers.append(&mut signed.headers);
    call
}

fn is_gone(failure: &Failure) -> bool {
    failure.is(Cause::Gone) || failure.is(Cause::NotFound)
}

fn text_of(marker: &Marker) -> Result<String, Error> {
    let token = to_token(marker)?;
    Ok(String::from_utf8_lossy(&token).into_owned())
}

/// What is put together, in the order of the numbers.
fn part_list(receipts: &[(u32, Receipt)]) -> String {
    let parts = receipts.iter().map(|(number, receipt)| {
        let tag = xml::escaped(&receipt.tag);
        let sum = receipt.checksum.as_ref();
        let sum = sum.and_then(|sum| Some((checksum::element(sum)?, xml::escaped(&sum.value))));
        let sum = sum.map(|(element, value)| format!("<{element}>{value}</{element}>"));
        format!(
            "<Part><ETag>{tag}</ETag><PartNumber>{number}</PartNumber>{}</Part>",
            sum.unwrap_or_default()
        )
    });
    format!(
        "<CompleteMultipartUpload xmlns=\"{NAMESPACE}\">{}</CompleteMultipartUpload>",
        parts.collect::<String>()
    )
}

#[cfg(test)]
mod tests {
    use drydock_store_kit::config::Algorithm;
    use drydock_store_kit::parts::Sum;

    use super::*;

    #[test]
    fn parts_are_listed_with_their_checksums() {
        let receipt = |algorithm| Receipt {
            offset: 0,
            length: 1,
            tag: "\"a54357aff0632cce46d942af68356b38\"".to_owned(),
            checksum: Some(Sum {
                algorithm,
                value: "rosUhgp5mIg=".to_owned(),
            }),
        };
        let list = part_list(&[
            (1, receipt(Algorithm::Crc64Nvme)),
            (2, receipt(Algorithm::Md5)),
        ]);
        assert_eq!(
            list,
            "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Part><ETag>&quot;a54357aff0632cce46d942af68356b38&quot;</ETag><PartNumber>1</PartNumber><ChecksumCRC64NVME>rosUhgp5mIg=</ChecksumCRC64NVME></Part><Part><ETag>&quot;a54357aff0632cce46d942af68356b38&quot;</ETag><PartNumber>2</PartNumber></Part></CompleteMultipartUpload>"
        );
    }

    #[test]
    fn the_list_is_signed_and_no_checksum_of_the_object() {
        let call = Call::new("POST", String::new(), "x").header("if-none-match", "*");
        let call = with_list(call, b"abc");
        let names: Vec<_> = call.headers.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["if-none-match", "x-amz-content-sha256"]);
        assert_eq!(
            call.headers[1].1,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn a_session_is_the_same_whether_begun_or_listed() {
        let token = br#"{"object":"c/a","upload":"x"}"#;
        let session: Session = from_token("session", token).unwrap();
        assert_eq!(to_token(&session).unwrap(), token);
        let foreign = from_token::<Session>("session", b"{}").unwrap_err();
        assert_eq!(foreign.code, "bad-token");
    }
}

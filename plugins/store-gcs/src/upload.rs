//! Resumable uploads (<https://cloud.google.com/storage/docs/performing-resumable-uploads>).

use drydock_plugin_sdk::{
    Acknowledgement, Checksum, DigestAlgorithm, Error, ObjectStat, PartReceipt, Slice, to_token,
};
use drydock_store_kit::call::{Answer, Attempts, Body, Call, Client, Failure};
use drydock_store_kit::config::Algorithm;
use drydock_store_kit::crc::CRC32C;
use drydock_store_kit::encode;
use drydock_store_kit::parts::{Receipt, Sum, receipts_of};
use drydock_store_kit::service::Uploads;
use drydock_store_kit::wanted::{Wanted, of_size};

use crate::Gcs;
use crate::dialect::judge_upload;
use crate::object::all_of;
use crate::resource::Resource;
use crate::session::{Progress, Session, UNIT_BYTES, extent};

/// The tag of a part that the service has.
const SENT: &str = "sent";

/// The tag of one that is sent when the upload ends.
const HELD: &str = "held";

/// Bytes that belong somewhere in the object.
struct Piece<'a> {
    offset: u64,
    length: u64,
    bytes: Bytes<'a>,
    /// Length of the object, for its end.
    total: Option<u64>,
    /// Of the whole object, for its end.
    hash: Option<String>,
}

/// Where they are.
enum Bytes<'a> {
    Slice(&'a Slice),
    Memory(Vec<u8>),
}

impl Uploads for Gcs {
    fn begin(&self, object: &str) -> Result<Vec<u8>, Error> {
        let body = self.metadata_without_checksum().to_string();
        let url = self.upload_url(object, "resumable")?;
        let call = Call::new("POST", url, format!("begin an upload of {object}"))
            .header("content-type", "application/json; charset=UTF-8")
            .header("x-upload-content-type", "application/octet-stream")
            .body(Body::Bytes(body.as_bytes()));
        let answer = self.send(&call).map_err(|failure| self.placed(failure))?;
        let session = Session {
            object: object.to_owned(),
            uri: answer.header("location").unwrap_or_default().to_owned(),
        };
        if session.is_at(&self.endpoint) {
            return to_token(&session);
        }
        Err(Error::permanent(
            "wrong-answer",
            format!(
                "the service began the upload of {object} somewhere else than at {}: correct `endpoint` of the target's config",
                self.endpoint.server()
            ),
        ))
    }

    /// Appends a part, or holds it back: what is no whole number of units is the object's end.
    fn part(
        &self,
        session: &[u8],
        number: u32,
        offset: u64,
        bytes: &Slice,
    ) -> Result<Acknowledgement, Error> {
        let session = Session::parse(session, &self.endpoint)?;
        let length = bytes.size();
        let is_end = length == 0 || !length.is_multiple_of(UNIT_BYTES);
        if !is_end {
            let piece = Piece {
                offset,
                length,
                bytes: Bytes::Slice(bytes),
                total: None,
                hash: None,
            };
            let what = format!("store part {number} of {}", session.object);
            push(&session, &piece, &what)?;
        }
        let crc32c = bytes.digest(DigestAlgorithm::Crc32c)?;
        let receipt = Receipt {
            offset,
            length,
            tag: if is_end { HELD } else { SENT }.to_owned(),
            checksum: Some(Sum {
                algorithm: Algorithm::Crc32c,
                value: encode::base64(&crc32c),
            }),
        };
        Ok(Acknowledgement {
            receipt: to_token(&receipt)?,
            checksum: None,
        })
    }

    /// Sends the end, which makes the object if there is none of its name.
    fn finish(
        &self,
        session: &[u8],
        parts: &[PartReceipt],
        size: u64,
        sha256: &[u8],
        whole: Option<&Slice>,
    ) -> Result<ObjectStat, Error> {
        let session = Session::parse(session, &self.endpoint)?;
        let receipts = receipts_of(parts, size)?;
        let sent = receipts.iter().take_while(|(_, part)| part.tag == SENT);
        let sent = sent.map(|(_, part)| part.length).sum();
        let checksum = joined(&receipts);
        let piece = Piece {
            offset: sent,
            length: size - sent,
            bytes: Bytes::Memory(end_of(whole, sent, size, &session.object)?),
            total: Some(size),
            hash: checksum
                .as_ref()
                .map(|crc| format!("crc32c={}", encode::base64(&crc.value))),
        };
        let wanted = Wanted {
            object: &session.object,
            size,
            checksum,
            sha256: &|| Ok(sha256.to_vec()),
        };
        let what = format!("complete {}", session.object);
        match push(&session, &piece, &what) {
            Ok(Some(answer)) => {
                let made = Resource::parse(&answer.body).and_then(|made| made.stat(wanted.object));
                of_size(made.or_else(|_| self.metadata(wanted.object))?, size)
            }
            Ok(None) => of_size(self.metadata(wanted.object)?, size),
            Err(error) => wanted.after(self, error),
        }
    }
}

impl Gcs {}

/// Sends a piece until the service has all of it; the answer that ended the upload, if one did.
fn push(session: &Session, piece: &Piece<'_>, what: &str) -> Result<Option<Answer>, Error> {
    let client = Client::new(judge_upload);
    let (mut attempts, mut at) = (Attempts::default(), piece.offset);
    loop {
        let progress = match send(&client, session, piece, at, what) {
            Ok(answer) => match Progress::of(&answer)? {
                Progress::Done => return Ok(Some(answer)),
                // It may take less than it was sent, and goes on from there.
                Progress::Has(has) if has <= at && !attempts.goes_on(&took_nothing(what)) => {
                    return Err(took_nothing(what).into());
                }
                has => has,
            },
            Err(failure) if attempts.goes_on(&failure) => {
                // Where that cannot be asked, the first failure says more.
                let asked = ask(&client, session, piece, what);
                asked.map_err(|_| Error::from(failure))?
            }
            Err(failure) => return Err(failure.into()),
        };
        match progress {
            Progress::Done => return Ok(None),
            Progress::Has(has) if piece.total.is_none() && has >= piece.end() => return Ok(None),
            Progress::Has(has) => at = within(piece, has, what)?,
        }
    }
}

fn took_nothing(what: &str) -> Failure {
    let message = format!("the service took nothing of what it was sent when asked to {what}");
    Failure::Broken(Error::transient("short", message))
}

/// Where to go on: what the service has must reach to the piece and not beyond it.
fn within(piece: &Piece<'_>, has: u64, what: &str) -> Result<u64, Error> {
    if (piece.offset..=piece.end()).contains(&has) {
        return Ok(has);
    }
    Err(Error::permanent(
        "gone",
        format!(
            "the service has {has} bytes of an upload when asked to {what} from byte {} on: earlier ones were lost, so run again",
            piece.offset
        ),
    ))
}

fn send(
    client: &Client,
    session: &Session,
    piece: &Piece<'_>,
    at: u64,
    what: &str,
) -> Result<Answer, Failure> {
    let rest = piece.rest(at).map_err(Failure::Broken)?;
    let length = piece.end() - at;
    let call = Call::new("PUT", session.uri.clone(), what)
        .header("content-range", extent(at, length, piece.total));
    let call = match &piece.hash {
        Some(hash) => call.header("x-goog-hash", hash),
        None => call,
    };
    client.once(&call.body(match &rest {
        Rest::Slice(slice) => Body::Slice(slice),
        Rest::Memory(bytes) if bytes.is_empty() => Body::Empty,
        Rest::Memory(bytes) => Body::Bytes(bytes),
    }))
}

/// How far the upload came.
fn ask(
    client: &Client,
    session: &Session,
    piece: &Piece<'_>,
    what: &str,
) -> Result<Progress, Error> {
    let call = Call::new("PUT", session.uri.clone(), what)
        .header("content-range", extent(0, 0, piece.total));
    Progress::of(&client.send(&call)?)
}

/// What is left to send.
enum Rest<'p> {
    Slice(&'p Slice),
    Memory(Vec<u8>),
}

impl Piece<'_> {
    fn end(&self) -> u64 {
        self.offset + self.length
    }

    /// A slice can only be sent whole: what is left of one goes through the plugin's memory.
    fn rest(&self, at: u64) -> Result<Rest<'_>, Error> {
        let done = at - self.offset;
        Ok(match &self.bytes {
            Bytes::Slice(slice) if done == 0 => Rest::Slice(slice),
            Bytes::Slice(slice) => Rest::Memory(all_of(slice, done)?),
            Bytes::Memory(bytes) => {
                let done = usize::try_from(done).unwrap_or(bytes.len());
                Rest::Memory(bytes[done.min(bytes.len())..].to_vec())
            }
        })
    }
}

/// What was held back, out of what the host still has.
fn end_of(whole: Option<&Slice>, sent: u64, size: u64, object: &str) -> Result<Vec<u8>, Error> {
    if sent == size {
        return Ok(Vec::new());
    }
    match whole {
        Some(whole) => all_of(whole, sent),
        None => Err(Error::permanent(
            "spool-missing",
            format!(
                "the last {} bytes of {object} were to be sent only now, and are not there any more: run again",
                size - sent
            ),
        )),
    }
}

/// The CRC of the whole out of those of the parts.
fn joined(receipts: &[(u32, Receipt)]) -> Option<Checksum> {
    let mut parts = Vec::new();
    for (_, receipt) in receipts {
        let sum = receipt.checksum.as_ref()?;
        parts.push((encode::from_base64(&sum.value)?, receipt.length));
    }
    let parts = parts
        .iter()
        .map(|(value, length)| (value.as_slice(), *length));
    Some(Checksum {
        algorithm: DigestAlgorithm::Crc32c,
        value: CRC32C.of_parts(parts)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(offset: u64, bytes: &[u8]) -> Piece<'static> {
        Piece {
            offset,
            length: bytes.len() as u64,
            bytes: Bytes::Memory(bytes.to_vec()),
            total: None,
            hash: None,
        }
    }

    #[test]
    fn what_is_left_is_sent_from_where_the_service_is() {
        let piece = piece(10, b"abcdef");
        for (at, expected) in [(10, "abcdef"), (12, "cdef"), (16, "")] {
            let Rest::Memory(bytes) = piece.rest(at).unwrap() else {
                panic!("it is in memory");
            };
            assert_eq!(bytes, expected.as_bytes());
            assert_eq!(within(&piece, at, "x").unwrap(), at);
        }
        for lost in [0, 9, 17] {
            assert_eq!(within(&piece, lost, "x").unwrap_err().code, "gone");
        }
    }

    #[test]
    fn parts_give_the_crc_of_the_whole() {
        let part = |value: u32, length| {
            let receipt = Receipt {
                offset: 0,
                length,
                tag: SENT.to_owned(),
                checksum: Some(Sum {
                    algorithm: Algorithm::Crc32c,
                    value: encode::base64(&value.to_be_bytes()),
                }),
            };
            (1, receipt)
        };
        let whole = joined(&[part(0xe306_9283, 9), part(0, 0)]).unwrap();
        assert_eq!(whole.value, 0xe306_9283_u32.to_be_bytes());
        assert_eq!(joined(&[]).unwrap().value, [0; 4]);
    }

    #[test]
    fn an_end_that_nobody_has_is_told() {
        assert_eq!(end_of(None, 5, 5, "a").unwrap(), Vec::<u8>::new());
        assert_eq!(end_of(None, 5, 9, "a").unwrap_err().code, "spool-missing");
    }
}

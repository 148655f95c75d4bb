//! Bytes of an object, passed on as they come. What breaks off is asked for again from where
//! it broke.

use drydock_plugin_sdk::http::Response;
use drydock_plugin_sdk::{Error, ErrorClass, Sink};
use sha2::{Digest as _, Sha256};

use crate::call::{Call, Client, chance, wait};
use crate::retry::Retry;

/// A range of an object, `length` bytes from `offset` on; never an empty one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    pub offset: u64,
    pub length: u64,
}

/// Where bytes go.
trait Taker {
    fn take(&mut self, bytes: &[u8]) -> Result<(), Error>;
}

struct IntoSink<'s>(&'s Sink);

impl Range {
    /// As the header `Range` has it.
    #[must_use]
    pub fn header(self) -> String {
        format!("bytes={}-{}", self.offset, self.last())
    }

    /// # Errors
    /// `out-of-range` for one that no object has.
    pub fn new(offset: u64, length: u64) -> Result<Self, Error> {
        match offset.checked_add(length) {
            Some(_) if length > 0 => Ok(Self { offset, length }),
            _ => Err(short()),
        }
    }

    fn last(self) -> u64 {
        self.offset + self.length - 1
    }

    fn after(self, done: u64) -> Self {
        Self {
            offset: self.offset + done,
            length: self.length - done,
        }
    }
}

/// Hands a range on. `call` builds the request for what is left of it.
///
/// # Errors
/// What the service refused, `out-of-range` for bytes past the end, and what the sink says.
pub fn into_sink<'a>(
    client: &Client,
    range: Range,
    call: impl Fn(Range) -> Call<'a>,
    into: &Sink,
) -> Result<(), Error> {
    copy(client, range, call, &mut IntoSink(into))
}

/// The SHA-256 of an object of so many bytes, read back.
///
/// # Errors
/// As [`into_sink`].
pub fn sha256<'a>(
    client: &Client,
    size: u64,
    call: impl Fn(Range) -> Call<'a>,
) -> Result<Vec<u8>, Error> {
    let mut hash = Sha256::new();
    if let Ok(range) = Range::new(0, size) {
        copy(client, range, call, &mut hash)?;
    }
    Ok(hash.finalize().to_vec())
}

/// The SHA-256 of bytes that the plugin made itself.
#[must_use]
pub fn sha256_of(bytes: &[u8]) -> Vec<u8> {
    Sha256::digest(bytes).to_vec()
}

fn copy<'a>(
    client: &Client,
    range: Range,
    call: impl Fn(Range) -> Call<'a>,
    taker: &mut impl Taker,
) -> Result<(), Error> {
    let (mut done, mut retry) = (0, Retry::default());
    while done < range.length {
        let left = range.after(done);
        let mut response = client.open(&call(left))?;
        check_extent(&response, left)?;
        let before = done;
        let broken = match pour(&mut response, taker, &mut done, range.length) {
            Ok(()) => None,
            Err(Poured::Taker(error)) => return Err(error),
            Err(Poured::Source(error)) => Some(error),
        };
        if done > before {
            retry.went_on();
        }
        if done < range.length {
            let error = broken.unwrap_or_else(ended_early);
            let passes = matches!(error.class, ErrorClass::Transient | ErrorClass::Throttled);
            match retry.pause(None, chance()) {
                Some(pause) if passes && wait(pause) => {}
                _ => return Err(error),
            }
        }
    }
    Ok(())
}

/// On which side it ended.
enum Poured {
    Source(Error),
    Taker(Error),
}

fn pour(
    response: &mut Response,
    taker: &mut impl Taker,
    done: &mut u64,
    length: u64,
) -> Result<(), Poured> {
    while let Some(bytes) = response.chunk().map_err(Poured::Source)? {
        let bytes_after = *done + bytes.len() as u64;
        if bytes_after > length {
            return Err(Poured::Source(more_than_asked()));
        }
        taker.take(&bytes).map_err(Poured::Taker)?;
        *done = bytes_after;
    }
    Ok(())
}

/// Whether the answer is the whole range. A service that knows no ranges answers 200 with all of
/// the object, which is right only for what begins at 0 and is looked at by its length.
fn check_extent(response: &Response, range: Range) -> Result<(), Error> {
    let header = |name| response.header(name).map(String::from_utf8_lossy);
    match (response.status, header("content-range")) {
        (206, Some(extent)) if is_extent(&extent, range) => Ok(()),
        (206, Some(_)) => Err(short()),
        (200, _) if range.offset == 0 => {
            let length = header("content-length").and_then(|text| text.parse::<u64>().ok());
            match length {
                Some(length) if length < range.length => Err(short()),
                _ => Ok(()),
            }
        }
        _ => Err(Error::permanent(
            "wrong-answer",
            "the service does not answer a range with that range",
        )),
    }
}

/// `bytes 0-4/10` (RFC 9110, 14.4).
fn is_extent(extent: &str, range: Range) -> bool {
    let bounds = extent.trim().strip_prefix("bytes ");
    let bounds = bounds.and_then(|rest| rest.split('/').next());
    let bounds = bounds.and_then(|bounds| bounds.split_once('-'));
    bounds.is_some_and(|(first, last)| {
        first.parse() == Ok(range.offset) && last.parse() == Ok(range.last())
    })
}

fn short() -> Error {
    Error::permanent(
        "out-of-range",
        "the object is shorter than what was asked for",
    )
    .not_done()
}

fn ended_early() -> Error {
    Error::transient(
        "stream-broken",
        "the object's bytes ended before all had come",
    )
}

fn more_than_asked() -> Error {
    Error::permanent(
        "wrong-answer",
        "the service sent more bytes than were asked for",
    )
}

impl Taker for IntoSink<'_> {
    fn take(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.0.write(bytes)
    }
}

impl Taker for Sha256 {
    fn take(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.update(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_written_and_shortened() {
        let range = Range::new(10, 5).unwrap();
        assert_eq!(range.header(), "bytes=10-14");
        assert_eq!(range.after(2).header(), "bytes=12-14");
        for (offset, length) in [(0, 0), (u64::MAX, 1), (5, u64::MAX)] {
            let error = Range::new(offset, length).unwrap_err();
            assert_eq!(error.code, "out-of-range");
        }
    }

    #[test]
    fn an_answer_has_to_be_the_range() {
        let range = Range::new(10, 5).unwrap();
        for (extent, expected) in [
            ("bytes 10-14/100", true),
            ("bytes 10-14/*", true),
            ("bytes 10-12/13", false),
            ("bytes 0-14/100", false),
            ("10-14/100", false),
            ("", false),
        ] {
            assert_eq!(is_extent(extent, range), expected, "{extent}");
        }
    }
}

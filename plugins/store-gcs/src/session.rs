//! A resumable upload, and how far it came.

use drydock_plugin_sdk::{Error, from_token};
use drydock_store_kit::Endpoint;
use drydock_store_kit::call::Answer;
use serde::{Deserialize, Serialize};

use crate::dialect::RESUME;

/// What is sent is a multiple of this but for the end.
pub const UNIT_BYTES: u64 = 256 * 1024;

/// What a session says. There is no `Debug`: the URI is a password.
#[derive(Serialize, Deserialize)]
#[cfg_attr(test, derive(PartialEq, Eq))]
pub struct Session {
    pub object: String,
    pub uri: String,
}

/// How far an upload came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// So many bytes are there.
    Has(u64),
    /// The object is made.
    Done,
}

impl Session {
    /// A session that leads to this endpoint and nowhere else.
    pub fn parse(token: &[u8], endpoint: &Endpoint) -> Result<Self, Error> {
        let session: Self = from_token("session", token)?;
        session.is_at(endpoint).then_some(session).ok_or_else(|| {
            Error::permanent(
                "bad-token",
                "this upload was begun at another endpoint than that of the target's config: put that back, or let the run begin anew",
            )
        })
    }

    pub fn is_at(&self, endpoint: &Endpoint) -> bool {
        let rest = self.uri.strip_prefix(&endpoint.server());
        rest.is_some_and(|rest| rest.starts_with('/'))
    }
}

impl Progress {
    /// By the answer to bytes or to a question. No `Range` means that nothing is there.
    pub fn of(answer: &Answer) -> Result<Self, Error> {
        if answer.status != RESUME {
            return Ok(Self::Done);
        }
        let Some(range) = answer.header("range") else {
            return Ok(Self::Has(0));
        };
        let last = range.trim().strip_prefix("bytes=0-");
        let last = last.and_then(|last| last.parse::<u64>().ok());
        last.map(|last| Self::Has(last + 1)).ok_or_else(|| {
            Error::transient(
                "wrong-answer",
                format!("the service says of an upload that it has {range:?}, which is no range from 0 on"),
            )
        })
    }
}

/// The header `Content-Range` of bytes: those from `offset` on, of `total` where that is known.
pub fn extent(offset: u64, length: u64, total: Option<u64>) -> String {
    let total = total.map_or_else(|| "*".to_owned(), |total| total.to_string());
    if length == 0 {
        return format!("bytes */{total}");
    }
    format!("bytes {offset}-{}/{total}", offset + length - 1)
}

#[cfg(test)]
mod tests {
    use drydock_plugin_sdk::to_token;

    use super::*;

    fn answer(status: u16, range: Option<&str>) -> Answer {
        let header = range.map(|range| ("range".to_owned(), range.to_owned()));
        Answer {
            status,
            headers: header.into_iter().collect(),
            body: Vec::new(),
        }
    }

    #[test]
    fn how_far_an_upload_came_is_read() {
        for (status, range, expected) in [
            (308, None, Progress::Has(0)),
            (308, Some("bytes=0-524287"), Progress::Has(524_288)),
            (200, None, Progress::Done),
            (201, None, Progress::Done),
        ] {
            assert_eq!(Progress::of(&answer(status, range)).unwrap(), expected);
        }
        for odd in ["bytes=5-9", "0-5", "bytes=0-x"] {
            let error = Progress::of(&answer(308, Some(odd))).unwrap_err();
            assert_eq!(error.code, "wrong-answer", "{odd}");
        }
    }

    #[test]
    fn bytes_say_where_they_belong() {
        for (offset, length, total, expected) in [
            (0, 524_288, None, "bytes 0-524287/*"),
            (524_288, 10, Some(524_298), "bytes 524288-524297/524298"),
            (524_288, 0, Some(524_288), "bytes */524288"),
            (0, 0, Some(0), "bytes */0"),
            (0, 0, None, "bytes */*"),
        ] {
            assert_eq!(extent(offset, length, total), expected);
        }
    }

    #[test]
    fn a_session_leads_to_its_endpoint_alone() {
        let endpoint = Endpoint::parse("https://storage.googleapis.com").unwrap();
        let token = |uri: &str| {
            to_token(&Session {
                object: "a".to_owned(),
                uri: uri.to_owned(),
            })
            .unwrap()
        };
        let own = "https://storage.googleapis.com/upload/storage/v1/b/x/o?upload_id=secret";
        assert!(Session::parse(&token(own), &endpoint).is_ok());
        for foreign in [
            "https://evil.example/upload?upload_id=secret",
            "https://storage.googleapis.com.evil.example/upload",
            "https://storage.googleapis.com@evil.example/upload",
            "http://storage.googleapis.com/upload",
        ] {
            let error = Session::parse(&token(foreign), &endpoint).err().unwrap();
            assert_eq!(error.code, "bad-token");
            assert!(!error.message.contains("secret"));
        }
    }
}

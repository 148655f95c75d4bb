//! Uploads: blocks, and the list that makes a blob of them.

use drydock_plugin_sdk::{
    Acknowledgement, Error, ObjectStat, PartReceipt, Slice, from_token, to_token, unique_id,
};
use drydock_store_kit::call::Body;
use drydock_store_kit::parts::{Receipt, receipts_of};
use drydock_store_kit::service::Uploads;
use drydock_store_kit::wanted::{Wanted, of_size};
use drydock_store_kit::{encode, xml};
use serde::{Deserialize, Serialize};

use crate::AzureBlob;
use crate::blob::{compared, with_checksum};
use crate::page;

/// Hex digits that keep uploads of one name apart, and those of a block's digest.
const DIGITS: usize = 16;

/// What a session says.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Session {
    object: String,
    /// Hex digits that no other upload has.
    upload: String,
}

impl Uploads for AzureBlob {
    /// Nothing is asked for: the first block makes the upload. A name that cannot be one, or a
    /// container that is not there, is told now.
    fn begin(&self, object: &str) -> Result<Vec<u8>, Error> {
        self.keys.of(object)?;
        self.container_is_there()?;
        to_token(&Session {
            object: object.to_owned(),
            upload: unique_id()[..DIGITS].to_owned(),
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
        let digest = bytes.digest(self.config.checksum.digest())?;
        let id = block_id(&session.upload, number, &digest);
        let url = self.blob_url(&session.object, &[("comp", "block"), ("blockid", &id)])?;
        let what = format!("store part {number} of {}", session.object);
        let call = with_checksum(self.call("PUT", url, what), self.config.checksum, &digest);
        let answer = self.send(&call.body(Body::Slice(bytes)))?;
        let receipt = Receipt {
            offset,
            length: bytes.size(),
            tag: id,
            checksum: None,
        };
        Ok(Acknowledgement {
            receipt: to_token(&receipt)?,
            checksum: compared(&answer, self.config.checksum, &digest),
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
        let body = block_list(&receipts);
        let url = self.blob_url(&session.object, &[("comp", "blocklist")])?;
        let call = self
            .call("PUT", url, format!("complete {}", session.object))
            .header("if-none-match", "*")
            .header("content-type", "application/xml")
            .header("x-ms-blob-content-type", "application/octet-stream");
        let call = self.kept_as(call).body(Body::Bytes(body.as_bytes()));
        let failure = match self.send(&call) {
            Ok(_) => return of_size(self.properties(&session.object)?, size),
            Err(failure) => failure,
        };
        if self.is_made_of(&session.object, &receipts) {
            return of_size(self.properties(&session.object)?, size);
        }
        let wanted = Wanted {
            object: &session.object,
            size,
            checksum: None,
            sha256: &|| Ok(sha256.to_vec()),
        };
        wanted.after(self, failure.into())
    }
}

impl AzureBlob {
    /// Whether the blob of that name was made of just these blocks: then an earlier call of ours
    /// made it. What cannot be learned here is found out otherwise.
    fn is_made_of(&self, object: &str, receipts: &[(u32, Receipt)]) -> bool {
        let query = [("comp", "blocklist"), ("blocklisttype", "committed")];
        let Ok(url) = self.blob_url(object, &query) else {
            return false;
        };
        let call = self.call("GET", url, format!("list the blocks of {object}"));
        let answer = self.send(&call);
        let blocks = answer
            .ok()
            .and_then(|answer| page::blocks(answer.text()).ok());
        let own = receipts.iter().map(|(_, receipt)| receipt.tag.as_str());
        !receipts.is_empty()
            && blocks.is_some_and(|blocks| blocks.iter().map(String::as_str).eq(own))
    }
}

/// 39 bytes in base64, whatever upload and number: `upload-number-digest`.
fn block_id(upload: &str, number: u32, digest: &[u8]) -> String {
    let mut digest = encode::hex(digest);
    digest.truncate(DIGITS);
    encode::base64(format!("{upload:0>DIGITS$}-{number:05}-{digest:0>DIGITS$}").as_bytes())
}

fn block_list(receipts: &[(u32, Receipt)]) -> String {
    let blocks = receipts.iter().map(|(_, receipt)| {
        let id = xml::escaped(&receipt.tag);
        format!("<Uncommitted>{id}</Uncommitted>")
    });
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>{}</BlockList>",
        blocks.collect::<String>()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_blocks_have_one_length_and_tell_upload_number_and_digest() {
        let id = |number, digest: &[u8]| block_id("0123456789abcdef", number, digest);
        let first = id(1, &[0xab; 16]);
        assert_eq!(
            encode::from_base64(&first).unwrap(),
            b"0123456789abcdef-00001-abababababababab"
        );
        for other in [id(50_000, &[1; 16]), id(2, &[1; 8]), id(2, &[1; 4])] {
            assert_eq!(other.len(), first.len());
            assert_ne!(other, first);
        }
        assert!(first.len() <= 88 && !first.contains('='));
    }

    #[test]
    fn blocks_are_listed_in_order() {
        let receipt = |tag: &str| Receipt {
            offset: 0,
            length: 1,
            tag: tag.to_owned(),
            checksum: None,
        };
        let list = block_list(&[(1, receipt("YQ")), (2, receipt("Yg"))]);
        assert_eq!(
            list,
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList><Uncommitted>YQ</Uncommitted><Uncommitted>Yg</Uncommitted></BlockList>"
        );
    }
}

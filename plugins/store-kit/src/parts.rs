//! The parts of an upload, as their receipts tell of them.

use drydock_plugin_sdk::{Error, PartReceipt, from_token};
use serde::{Deserialize, Serialize};

use crate::config::Algorithm;

/// What a receipt says. Bytes, in the object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    pub offset: u64,
    pub length: u64,
    /// By what the service knows the part again: an ETag, a block's id.
    pub tag: String,
    /// Its checksum in base64, where the service was given one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<Sum>,
}

/// A checksum as it is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sum {
    pub algorithm: Algorithm,
    /// Base64.
    pub value: String,
}

/// The receipts of an upload in the order of their numbers, with these.
///
/// # Errors
/// `bad-token` for a receipt of somebody else's, `parts-missing` where they do not make up
/// `size` bytes.
pub fn receipts_of(parts: &[PartReceipt], size: u64) -> Result<Vec<(u32, Receipt)>, Error> {
    let mut receipts = parts
        .iter()
        .map(|part| {
            Ok((
                part.number,
                from_token::<Receipt>("receipt", &part.receipt)?,
            ))
        })
        .collect::<Result<Vec<_>, Error>>()?;
    receipts.sort_by_key(|(number, _)| *number);
    let end = receipts
        .iter()
        .try_fold((0, 0), |(last, end), (number, part)| {
            let follows = *number == last + 1 && part.offset == end;
            let end = follows.then(|| part.offset.checked_add(part.length))??;
            Some((*number, end))
        });
    match end {
        Some((_, end)) if end == size => Ok(receipts),
        _ => Err(Error::permanent(
            "parts-missing",
            format!("the parts do not make up the object's {size} bytes: upload it again"),
        )
        .not_done()),
    }
}

#[cfg(test)]
mod tests {
    use drydock_plugin_sdk::to_token;

    use super::*;

    fn part(number: u32, offset: u64, length: u64) -> PartReceipt {
        let receipt = Receipt {
            offset,
            length,
            tag: format!("tag-{number}"),
            checksum: None,
        };
        PartReceipt {
            number,
            receipt: to_token(&receipt).unwrap(),
        }
    }

    #[test]
    fn parts_have_to_make_up_the_object() {
        for (parts, size, whole) in [
            (vec![part(1, 0, 5)], 5, true),
            (vec![part(2, 5, 2), part(1, 0, 5)], 7, true),
            (vec![], 0, true),
            (vec![], 1, false),
            (vec![part(1, 0, 5)], 6, false),
            (vec![part(2, 0, 5)], 5, false),
            (vec![part(1, 0, 5), part(3, 5, 1)], 6, false),
            (vec![part(1, 0, 5), part(2, 6, 1)], 7, false),
            (vec![part(1, 0, 5), part(2, 4, 1)], 6, false),
            (vec![part(1, 0, 5), part(1, 5, 1)], 6, false),
            (vec![part(1, 0, u64::MAX), part(2, u64::MAX, 1)], 0, false),
        ] {
            let receipts = receipts_of(&parts, size);
            assert_eq!(receipts.is_ok(), whole, "{parts:?}");
            if let Err(error) = receipts {
                assert_eq!(error.code, "parts-missing");
            }
        }
        let parts = [part(2, 5, 2), part(1, 0, 5)];
        let receipts = receipts_of(&parts, 7).unwrap();
        let tags: Vec<_> = receipts.iter().map(|(_, part)| part.tag.as_str()).collect();
        assert_eq!(tags, ["tag-1", "tag-2"]);
    }

    #[test]
    fn foreign_receipts_are_refused() {
        let foreign = PartReceipt {
            number: 1,
            receipt: b"?".to_vec(),
        };
        assert_eq!(receipts_of(&[foreign], 0).unwrap_err().code, "bad-token");
    }
}

//! Answers that list something.

use drydock_plugin_sdk::Error;
use drydock_store_kit::listing::Entry;
use drydock_store_kit::xml;

use crate::blob::retained_until;

/// Blobs, and the marker of the next page, which a page without any may have too. Folders of an
/// account with a hierarchical namespace are none.
pub fn blobs(text: &str) -> Result<(Vec<Entry>, Option<String>), Error> {
    let root = xml::parse(text)?;
    let blobs = root
        .child("Blobs")
        .filter(|_| root.name == "EnumerationResults");
    let blobs = blobs.ok_or_else(|| wrong("it has no blobs"))?;
    let entries = blobs.all("Blob").filter_map(|blob| {
        let properties = blob.child("Properties").cloned().unwrap_or_default();
        let of = |name| properties.text_of(name);
        if of("ResourceType") == Some("directory") {
            return None;
        }
        let size = of("Content-Length").and_then(|size| size.parse().ok());
        let size = size.ok_or_else(|| wrong("a blob has no size"));
        Some(size.map(|size| Entry {
            key: blob.text_of("Name").map(str::to_owned),
            size,
            retained_until: retained_until(
                of("ImmutabilityPolicyUntilDate"),
                of("ImmutabilityPolicyMode"),
            ),
            checksum: None,
        }))
    });
    let next = root.text_of("NextMarker").map(str::to_owned);
    Ok((entries.collect::<Result<_, Error>>()?, next))
}

/// The ids of a blob's blocks, in order.
pub fn blocks(text: &str) -> Result<Vec<String>, Error> {
    let root = xml::parse(text)?;
    let blocks = root.child("CommittedBlocks");
    let blocks = blocks.ok_or_else(|| wrong("it has no committed blocks"))?;
    let ids = blocks.all("Block").map(|block| {
        let id = block.text_of("Name").map(str::to_owned);
        id.ok_or_else(|| wrong("a block has no name"))
    });
    ids.collect()
}

fn wrong(why: &str) -> Error {
    Error::permanent(
        "wrong-answer",
        format!("the service's listing is none to go by: {why}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As <https://learn.microsoft.com/rest/api/storageservices/list-blobs> has them.
    #[test]
    fn blobs_come_page_by_page() {
        let (entries, next) = blobs(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults ServiceEndpoint=\"https://a.blob.core.windows.net/\" ContainerName=\"c\"><Prefix>c/</Prefix><MaxResults>5000</MaxResults><Blobs><Blob><Name>c/rp/a &amp; b</Name><Properties><Content-Length>1024</Content-Length><Content-MD5 /><BlobType>BlockBlob</BlobType><ImmutabilityPolicyUntilDate>Fri, 01 Jan 2100 00:00:00 GMT</ImmutabilityPolicyUntilDate><ImmutabilityPolicyMode>locked</ImmutabilityPolicyMode></Properties></Blob><Blob><Name>c/rp</Name><Properties><ResourceType>directory</ResourceType><Content-Length>0</Content-Length></Properties></Blob></Blobs><NextMarker>2!92!x</NextMarker></EnumerationResults>",
        )
        .unwrap();
        assert_eq!(entries.len(), 1);
        assert_eq!(entries[0].key.as_deref(), Some("c/rp/a & b"));
        assert_eq!(
            (entries[0].size, entries[0].retained_until),
            (1024, Some(4_102_444_800))
        );
        assert_eq!(next.as_deref(), Some("2!92!x"));
        let (none, next) = blobs(
            "<EnumerationResults><Blobs /><NextMarker>more</NextMarker></EnumerationResults>",
        )
        .unwrap();
        assert_eq!((none.len(), next.as_deref()), (0, Some("more")));
        let end = "<EnumerationResults><Blobs/><NextMarker /></EnumerationResults>";
        assert_eq!(blobs(end).unwrap().1, None);
    }

    #[test]
    fn blocks_come_in_order() {
        let text = "<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList><CommittedBlocks><Block><Name>YQ</Name><Size>5</Size></Block><Block><Name>Yg</Name><Size>1</Size></Block></CommittedBlocks></BlockList>";
        assert_eq!(blocks(text).unwrap(), ["YQ", "Yg"]);
    }

    #[test]
    fn what_is_no_listing_is_refused() {
        for text in [
            "<EnumerationResults/>",
            "<html/>",
            "<EnumerationResults><Blobs><Blob><Name>a</Name></Blob></Blobs></EnumerationResults>",
        ] {
            assert_eq!(blobs(text).unwrap_err().code, "wrong-answer", "{text}");
        }
        assert!(blocks("<BlockList/>").is_err());
    }
}

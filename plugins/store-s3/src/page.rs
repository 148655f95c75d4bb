//! Pages of listings.

use drydock_plugin_sdk::Error;
use drydock_store_kit::listing::Entry;
use drydock_store_kit::{encode, xml};

/// An upload that was begun.
#[derive(Debug, PartialEq, Eq)]
pub struct Open {
    /// The whole key; none for a name that is no UTF-8.
    pub key: Option<String>,
    pub id: String,
}

/// Where the next page of uploads begins.
#[derive(Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Marker {
    pub key: String,
    pub id: String,
}

/// Objects, and the token of the next page.
pub fn objects(text: &str) -> Result<(Vec<Entry>, Option<String>), Error> {
    let root = root(text, "ListBucketResult")?;
    let decode = decoder(&root);
    let entries = root.all("Contents").map(|contents| {
        let size = contents.text_of("Size").and_then(|size| size.parse().ok());
        Ok(Entry {
            key: contents.text_of("Key").and_then(decode),
            size: size.ok_or_else(|| wrong("an object has no size"))?,
            retained_until: None,
            checksum: None,
        })
    });
    let next = next(&root, "NextContinuationToken")?.map(str::to_owned);
    Ok((entries.collect::<Result<_, Error>>()?, next))
}

/// Uploads, and where the next page begins.
pub fn uploads(text: &str) -> Result<(Vec<Open>, Option<Marker>), Error> {
    let root = root(text, "ListMultipartUploadsResult")?;
    let decode = decoder(&root);
    let uploads = root.all("Upload").map(|upload| {
        let id = upload.text_of("UploadId");
        Ok(Open {
            key: upload.text_of("Key").and_then(decode),
            id: id.ok_or_else(|| wrong("an upload has no id"))?.to_owned(),
        })
    });
    let next = next(&root, "NextKeyMarker")?.map(|key| Marker {
        key: decode(key).unwrap_or_else(|| key.to_owned()),
        id: root
            .text_of("NextUploadIdMarker")
            .unwrap_or_default()
            .to_owned(),
    });
    Ok((uploads.collect::<Result<_, Error>>()?, next))
}

fn root(text: &str, name: &str) -> Result<xml::Element, Error> {
    let root = xml::parse(text)?;
    if root.name == name {
        return Ok(root);
    }
    Err(wrong(&format!(
        "it is a {} in the place of a {name}",
        root.name
    )))
}

/// Services that do not know `encoding-type` leave keys as they are, and do not repeat it.
fn decoder(root: &xml::Element) -> fn(&str) -> Option<String> {
    if root.text_of("EncodingType") == Some("url") {
        encode::decoded
    } else {
        |key| Some(key.to_owned())
    }
}

/// A listing that says it goes on and not where must not look like one that ended.
fn next<'r>(root: &'r xml::Element, name: &str) -> Result<Option<&'r str>, Error> {
    if root.text_of("IsTruncated") != Some("true") {
        return Ok(None);
    }
    let next = root.text_of(name);
    next.map(Some)
        .ok_or_else(|| wrong("it goes on, and does not say where"))
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

    /// As <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html> has them.
    #[test]
    fn objects_come_page_by_page() {
        let (entries, next) = objects(
            r#"<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
  <Name>bucket</Name><Prefix>c%2F</Prefix><EncodingType>url</EncodingType>
  <NextContinuationToken>1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4vbOwM=</NextContinuationToken>
  <KeyCount>2</KeyCount><MaxKeys>2</MaxKeys><IsTruncated>true</IsTruncated>
  <Contents><Key>c%2Fhappy+face.jpg</Key><LastModified>2014-11-21T19:40:05.000Z</LastModified>
    <ETag>"70ee1738b6b21e2c8a43f3a5ab0eee71"</ETag><Size>11</Size><StorageClass>STANDARD</StorageClass></Contents>
  <Contents><Key>c%2Fz</Key><Size>0</Size></Contents>
</ListBucketResult>"#,
        )
        .unwrap();
        let keys: Vec<_> = entries.iter().map(|entry| entry.key.as_deref()).collect();
        assert_eq!(keys, [Some("c/happy face.jpg"), Some("c/z")]);
        assert_eq!((entries[0].size, entries[1].size), (11, 0));
        assert_eq!(
            next.as_deref(),
            Some("1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4vbOwM=")
        );
        let plain = "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>a+b%2F</Key><Size>1</Size></Contents></ListBucketResult>";
        let (entries, next) = objects(plain).unwrap();
        assert_eq!(entries[0].key.as_deref(), Some("a+b%2F"));
        assert_eq!(next, None);
    }

    /// As <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html>.
    #[test]
    fn uploads_come_page_by_page() {
        let (uploads, next) = uploads(
            r#"<ListMultipartUploadsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
  <Bucket>bucket</Bucket><KeyMarker></KeyMarker><UploadIdMarker></UploadIdMarker>
  <NextKeyMarker>my-movie.m2ts</NextKeyMarker>
  <NextUploadIdMarker>YW55IGlkZWEgd2h5</NextUploadIdMarker>
  <MaxUploads>1</MaxUploads><IsTruncated>true</IsTruncated>
  <Upload><Key>my-divisor</Key><UploadId>XMgbGlrZSBlbHZpbmcncyBub3Q</UploadId>
    <Initiator><ID>arn:aws:iam::111122223333:user/user1</ID></Initiator></Upload>
</ListMultipartUploadsResult>"#,
        )
        .unwrap();
        let open = Open {
            key: Some("my-divisor".to_owned()),
            id: "XMgbGlrZSBlbHZpbmcncyBub3Q".to_owned(),
        };
        assert_eq!(uploads, [open]);
        let marker = Marker {
            key: "my-movie.m2ts".to_owned(),
            id: "YW55IGlkZWEgd2h5".to_owned(),
        };
        assert_eq!(next, Some(marker));
    }

    #[test]
    fn a_listing_that_does_not_say_how_it_goes_on_is_refused() {
        for text in [
            "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
            "<ListBucketResult><Contents><Key>a</Key></Contents></ListBucketResult>",
            "<html></html>",
        ] {
            assert_eq!(objects(text).unwrap_err().code, "wrong-answer", "{text}");
        }
    }
}

//! Objects and buckets as the service's JSON has them.

use drydock_plugin_sdk::{Checksum, DigestAlgorithm, Error, ObjectStat, instant};
use drydock_store_kit::encode;
use drydock_store_kit::listing::Entry;
use serde::Deserialize;

/// What is asked for of an object.
pub const FIELDS: &str = "name,size,crc32c,retention";

/// What is asked for of a page.
pub const PAGE_FIELDS: &str = "nextPageToken,items(name,size,crc32c,retention)";

/// An object.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Resource {
    #[serde(default)]
    pub name: String,
    /// A number as text.
    #[serde(default)]
    size: String,
    crc32c: Option<String>,
    retention: Option<Retention>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Retention {
    #[serde(default)]
    mode: String,
    #[serde(default)]
    retain_until_time: String,
}

/// A page of a listing.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    next_page_token: Option<String>,
    #[serde(default)]
    items: Vec<Resource>,
}

impl Resource {
    pub fn parse(body: &[u8]) -> Result<Self, Error> {
        serde_json::from_slice(body).map_err(|error| wrong(&error.to_string()))
    }

    pub fn stat(&self, object: &str) -> Result<ObjectStat, Error> {
        Ok(ObjectStat {
            object: object.to_owned(),
            size: self.size()?,
            checksum: self.checksum(),
            retained_until: self.retained_until(),
        })
    }

    fn size(&self) -> Result<u64, Error> {
        let size = self.size.parse();
        size.map_err(|_| wrong("an object has no size"))
    }

    /// The service computes it of all objects.
    fn checksum(&self) -> Option<Checksum> {
        Some(Checksum {
            algorithm: DigestAlgorithm::Crc32c,
            value: encode::from_base64(self.crc32c.as_deref()?)?,
        })
    }

    /// A lock that whoever has the right may lift is none.
    fn retained_until(&self) -> Option<u64> {
        let retention = self.retention.as_ref()?;
        let is_locked = retention.mode.eq_ignore_ascii_case("locked");
        is_locked.then(|| instant::from_rfc3339(&retention.retain_until_time))?
    }

    fn entry(self) -> Result<Entry, Error> {
        Ok(Entry {
            size: self.size()?,
            retained_until: self.retained_until(),
            checksum: self.checksum(),
            key: Some(self.name),
        })
    }
}

/// Objects, and the token of the next page.
pub fn page(body: &[u8]) -> Result<(Vec<Entry>, Option<String>), Error> {
    let page: Page = serde_json::from_slice(body).map_err(|error| wrong(&error.to_string()))?;
    let entries = page.items.into_iter().map(Resource::entry);
    let next = page.next_page_token.filter(|token| !token.is_empty());
    Ok((entries.collect::<Result<_, _>>()?, next))
}

fn wrong(why: &str) -> Error {
    Error::permanent(
        "wrong-answer",
        format!("the service's answer is none to go by: {why}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As <https://cloud.google.com/storage/docs/json_api/v1/objects> has them.
    #[test]
    fn an_object_is_read() {
        let object = Resource::parse(
            br#"{"kind":"storage#object","name":"c/rp/a","bucket":"backups","generation":"1767323045000000","size":"9","crc32c":"4waSgw==","md5Hash":"JfnnlDI7RTiF9RgfGzSyPQ==","retention":{"mode":"Locked","retainUntilTime":"2100-01-01T00:00:00.000Z"}}"#,
        )
        .unwrap();
        let stat = object.stat("rp/a").unwrap();
        assert_eq!((stat.object.as_str(), stat.size), ("rp/a", 9));
        assert_eq!(stat.checksum.unwrap().value, 0xe306_9283_u32.to_be_bytes());
        assert_eq!(stat.retained_until, Some(4_102_444_800));
        let liftable = br#"{"name":"a","size":"0","retention":{"mode":"Unlocked","retainUntilTime":"2100-01-01T00:00:00Z"}}"#;
        let stat = Resource::parse(liftable).unwrap().stat("a").unwrap();
        assert_eq!((stat.retained_until, stat.checksum), (None, None));
        assert_eq!(
            Resource::parse(b"{}").unwrap().stat("a").unwrap_err().code,
            "wrong-answer"
        );
    }

    #[test]
    fn objects_come_page_by_page() {
        let (entries, next) =
            page(br#"{"kind":"storage#objects","nextPageToken":"CgZ4","items":[{"name":"a","size":"1"},{"name":"b","size":"2"}]}"#)
                .unwrap();
        let keys: Vec<_> = entries.iter().map(|entry| entry.key.as_deref()).collect();
        assert_eq!(keys, [Some("a"), Some("b")]);
        assert_eq!(next.as_deref(), Some("CgZ4"));
        let (none, next) = page(br#"{"kind":"storage#objects"}"#).unwrap();
        assert_eq!((none.len(), next), (0, None));
        for text in ["", "<html/>", r#"{"items":[{"name":"a"}]}"#] {
            assert!(page(text.as_bytes()).is_err(), "{text}");
        }
    }
}

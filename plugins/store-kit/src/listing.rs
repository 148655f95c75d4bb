//! Pages of a listing, in the words of the contract.

use drydock_plugin_sdk::{Checksum, ObjectPage, ObjectStat, PassedOver};

use crate::keys::{Keys, is_key};

/// What a service lists.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The whole key; none for a name that is no UTF-8.
    pub key: Option<String>,
    pub size: u64,
    pub retained_until: Option<u64>,
    /// One that the service computed.
    pub checksum: Option<Checksum>,
}

/// A page of objects. What is none by its name is told: nobody of ours wrote it.
#[must_use]
pub fn page(keys: &Keys, entries: Vec<Entry>, next: Option<String>) -> ObjectPage {
    let mut page = ObjectPage {
        objects: Vec::new(),
        passed_over: Vec::new(),
        next,
    };
    for entry in entries {
        let key = entry.key.as_deref().unwrap_or_default();
        let object = keys.object(key).unwrap_or_default().to_owned();
        if is_key(&object) {
            page.objects.push(ObjectStat {
                object,
                size: entry.size,
                checksum: entry.checksum,
                retained_until: entry.retained_until,
            });
        } else {
            page.passed_over.push(PassedOver {
                object,
                hides: false,
                why: "its name is none of an object of Drydock's, e.g. that of a folder, so it was passed over".to_owned(),
            });
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(key: Option<&str>) -> Entry {
        Entry {
            key: key.map(str::to_owned),
            size: 3,
            retained_until: None,
            checksum: None,
        }
    }

    #[test]
    fn what_is_no_object_is_passed_over_and_told() {
        let keys = Keys::below(Some("x")).unwrap();
        let entries = vec![
            entry(Some("x/")),
            entry(Some("x/c/")),
            entry(Some("x/c/a")),
            entry(Some("x/c//b")),
            entry(None),
        ];
        let page = page(&keys, entries, Some("more".to_owned()));
        let objects: Vec<_> = page
            .objects
            .iter()
            .map(|stat| stat.object.as_str())
            .collect();
        assert_eq!(objects, ["c/a"]);
        let passed: Vec<_> = page.passed_over.iter().map(|p| p.object.as_str()).collect();
        assert_eq!(passed, ["", "c/", "c//b", ""]);
        assert!(page.passed_over.iter().all(|passed| !passed.hides));
        assert_eq!(page.next.as_deref(), Some("more"));
    }
}

//! Keys of objects, and where they are in a bucket: below the target's prefix.

use drydock_plugin_sdk::Error;

/// Longest key, prefix included: of S3, of Azure and of Google.
pub const KEY_BYTES_MAX: usize = 1024;

/// The prefix of a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    /// Empty, or with `/` at its end.
    prefix: String,
}

impl Keys {
    /// `prefix` as it is written, with or without a `/` at its end.
    ///
    /// # Errors
    /// `bad-configuration`, where it is no plain names with `/` between them.
    pub fn below(prefix: Option<&str>) -> Result<Self, Error> {
        let written = prefix.unwrap_or_default();
        let plain = written.strip_suffix('/').unwrap_or(written);
        if plain.is_empty() && written.is_empty() {
            return Ok(Self {
                prefix: String::new(),
            });
        }
        if !is_key(plain) || plain.len() > KEY_BYTES_MAX / 2 {
            return Err(Error::bad_configuration(format!(
                "the target's config has `prefix: {written}`: give plain names with `/` between them, {} bytes at most, e.g. `prefix: clusters/production`",
                KEY_BYTES_MAX / 2
            ))
            .not_done());
        }
        Ok(Self {
            prefix: format!("{plain}/"),
        })
    }

    /// The key of an object in the bucket.
    ///
    /// # Errors
    /// `bad-object` for what cannot be one.
    pub fn of(&self, object: &str) -> Result<String, Error> {
        let key = format!("{}{object}", self.prefix);
        if is_key(object) && key.len() <= KEY_BYTES_MAX {
            return Ok(key);
        }
        Err(Error::permanent(
            "bad-object",
            format!(
                "{object:?} cannot be an object's key: a key has plain names with `/` between them, and no more than {KEY_BYTES_MAX} bytes with the target's prefix"
            ),
        )
        .not_done())
    }

    /// A prefix of keys in the bucket.
    #[must_use]
    pub fn prefix(&self, prefix: &str) -> String {
        format!("{}{prefix}", self.prefix)
    }

    /// The object that a key in the bucket is of; none for a key that is not below the prefix.
    #[must_use]
    pub fn object<'k>(&self, key: &'k str) -> Option<&'k str> {
        key.strip_prefix(self.prefix.as_str())
    }
}

/// Names with `/` between them, none of which climbs.
#[must_use]
pub fn is_key(key: &str) -> bool {
    let plain = |name: &str| !matches!(name, "" | "." | "..");
    key.split('/').all(plain) && !key.contains(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_stands_below_the_prefix() {
        for (prefix, expected) in [
            (None, "c/rp/a"),
            (Some(""), "c/rp/a"),
            (Some("x/y"), "x/y/c/rp/a"),
            (Some("x/y/"), "x/y/c/rp/a"),
        ] {
            let keys = Keys::below(prefix).unwrap();
            assert_eq!(keys.of("c/rp/a").unwrap(), expected);
            assert_eq!(keys.object(expected), Some("c/rp/a"));
        }
        let keys = Keys::below(Some("x")).unwrap();
        assert_eq!(keys.prefix(""), "x/");
        assert_eq!(keys.object("xy/a"), None);
    }

    #[test]
    fn what_climbs_is_no_key() {
        let keys = Keys::below(None).unwrap();
        let long = "x".repeat(KEY_BYTES_MAX + 1);
        for object in ["", "/x", "a/../b", "..", "a//b", "a/.", "a/", "a\nb", &long] {
            assert_eq!(
                keys.of(object).unwrap_err().code,
                "bad-object",
                "{object:?}"
            );
        }
        for prefix in ["/", "/a", "a//", "a/../b", "."] {
            let error = Keys::below(Some(prefix)).unwrap_err();
            assert_eq!(error.code, "bad-configuration", "{prefix:?}");
        }
    }
}

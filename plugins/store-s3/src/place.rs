//! Where the bucket and its objects are.

use drydock_plugin_sdk::Error;
use drydock_store_kit::{Endpoint, encode};

use crate::config::{Config, Style};

/// The URLs of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Of the bucket, without a `/` at its end.
    bucket: String,
    is_https: bool,
}

impl Place {
    pub fn of(config: &Config) -> Result<Self, Error> {
        let endpoint: Endpoint = config.endpoint()?;
        let bucket = match config.style(&endpoint) {
            Style::VirtualHost => endpoint.below(&config.bucket).url(),
            Style::Path => format!("{}/{}", endpoint.url(), config.bucket),
        };
        Ok(Self {
            bucket,
            is_https: endpoint.is_https(),
        })
    }

    /// The bucket itself, with a query.
    pub fn bucket(&self, query: &[(&str, &str)]) -> String {
        let own = &self.bucket;
        // A host alone has the path `/`.
        let root = own.matches('/').count() == 2;
        let slash = if root { "/" } else { "" };
        format!("{own}{slash}{}", encode::query(query))
    }

    /// The object of a key, with a query.
    pub fn object(&self, key: &str, query: &[(&str, &str)]) -> String {
        format!(
            "{}/{}{}",
            self.bucket,
            encode::path(key),
            encode::query(query)
        )
    }

    pub fn is_https(&self) -> bool {
        self.is_https
    }
}

#[cfg(test)]
mod tests {
    use drydock_plugin_sdk::config::parse;

    use super::*;

    #[test]
    fn a_bucket_stands_in_the_path_or_in_the_host() {
        let place = |json| Place::of(&parse::<Config>("it", json).unwrap()).unwrap();
        let path = place(r#"{"bucket":"backups","endpoint":"http://127.0.0.1:9000"}"#);
        assert_eq!(path.bucket(&[]), "http://127.0.0.1:9000/backups");
        assert_eq!(
            path.bucket(&[("uploads", "")]),
            "http://127.0.0.1:9000/backups?uploads="
        );
        assert_eq!(
            path.object("c/a b+c", &[("partNumber", "1")]),
            "http://127.0.0.1:9000/backups/c/a%20b%2Bc?partNumber=1"
        );
        assert!(!path.is_https());
        let host = place(r#"{"bucket":"backups","region":"eu-central-1"}"#);
        assert_eq!(
            host.bucket(&[("versioning", "")]),
            "https://backups.s3.eu-central-1.amazonaws.com/?versioning="
        );
        assert_eq!(
            host.object("c/a", &[]),
            "https://backups.s3.eu-central-1.amazonaws.com/c/a"
        );
    }
}

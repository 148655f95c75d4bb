//! What the container is like and what may be done there; and making it.

use drydock_plugin_sdk::{Error, Finding, unique_id};
use drydock_store_kit::call::{Answer, Body};
use drydock_store_kit::service::Objects as _;
use drydock_store_kit::{Cause, Right, Rights};

use crate::AzureBlob;

/// A blob that is never made.
const TRIAL: &str = "drydock-check/";

/// A list with a block that is not there.
const NO_LIST: &[u8] = b"<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList><Uncommitted>ZHJ5ZG9jay1jaGVjaw==</Uncommitted></BlockList>";

impl AzureBlob {
    pub fn found(&self) -> Result<Vec<Finding>, Error> {
        let mut findings = Vec::new();
        match self.container_properties() {
            Ok(answer) => findings.extend(self.immutability(&answer)),
            Err(error) if error.is("place-missing") => return Err(error),
            Err(error) => findings.push(unknown(
                "immutability-unknown",
                "whether the container locks blobs",
                &error,
            )),
        }
        findings.push(self.account());
        let listing = self.page("", None).err().map(|error| {
            let why = format!("blobs cannot be listed: {}", error.message);
            Finding::failure("cannot-list", why)
        });
        let writing = self.writing();
        let rights = self.rights(listing.is_none(), writing.is_none());
        findings.push(rights.finding());
        findings.extend(listing);
        findings.extend(writing);
        Ok(findings)
    }

    /// A blob that is not there is neither read nor removed.
    fn rights(&self, lists: bool, creates: bool) -> Rights {
        let object = format!("{TRIAL}{}", unique_id());
        Rights::default()
            .with("create", Right::of(creates))
            .with("read", Right::by_absence(&self.properties(&object)))
            .with("list", Right::of(lists))
            .with("delete", Right::by_absence(&self.send_removal(&object)))
            .with("overwrite", Right::Unknown)
            .with("lock", Right::Unknown)
    }

    /// An error where the container is not there. Who may not ask does not know.
    pub fn container_is_there(&self) -> Result<(), Error> {
        match self.container_properties() {
            Err(error) if !error.is("permission-denied") => Err(error),
            _ => Ok(()),
        }
    }

    fn container_properties(&self) -> Result<Answer, Error> {
        let url = self.container_url(&[("restype", "container")]);
        let what = format!("tell of the container {}", self.config.container);
        let asked = self.send(&self.call("HEAD", url, what));
        asked.map_err(|failure| {
            // An answer without a word for it.
            if failure.is(Cause::NotFound) {
                self.no_container()
            } else {
                failure.into()
            }
        })
    }

    fn no_container(&self) -> Error {
        Error::permanent(
            "place-missing",
            format!(
                "there is no container {}: correct `container` or `account` of the target's config, or say `create: true` in the Target where it may be made",
                self.config.container
            ),
        )
        .not_done()
    }

    fn immutability(&self, answer: &Answer) -> Option<Finding> {
        let is_true = |name| answer.header(name) == Some("true");
        if self.config.immutability.is_some() {
            let can = is_true("x-ms-immutable-storage-with-versioning-enabled");
            return (!can).then(|| {
                Finding::failure(
                    "no-immutability",
                    "the target's config says `immutability: locked`, and the container has no version-level immutability: switch it on there, or leave the key out",
                )
            });
        }
        let has = is_true("x-ms-has-immutability-policy") || is_true("x-ms-has-legal-hold");
        has.then(|| {
            Finding::note(
                "immutable",
                "the container has an immutability policy or a legal hold: what is stored there cannot be removed while that holds, nor can recovery points that retention would remove",
            )
        })
    }

    fn account(&self) -> Finding {
        let query = [("restype", "account"), ("comp", "properties")];
        let call = self.call("GET", self.container_url(&query), "tell of the account");
        match self.send(&call) {
            Ok(answer) => account_finding(&answer),
            Err(failure) => unknown(
                "account-unknown",
                "what kind of account it is",
                &failure.into(),
            ),
        }
    }

    /// A list of a block that is not there is refused for that to who may write, and before that
    /// to who may not. It leaves nothing.
    fn writing(&self) -> Option<Finding> {
        let object = format!("{TRIAL}{}", unique_id());
        let url = self.blob_url(&object, &[("comp", "blocklist")]).ok()?;
        let call = self
            .call("PUT", url, "store anything")
            .header("if-none-match", "*")
            .header("content-type", "application/xml")
            .body(Body::Bytes(NO_LIST));
        let failure = self.send(&call).err()?;
        if failure.is(Cause::Gone) {
            return None;
        }
        let error = Error::from(failure);
        Some(Finding::failure(
            "cannot-write",
            format!("nothing can be stored: {}", error.message),
        ))
    }

    pub fn make_container(&self) -> Result<(), Error> {
        let url = self.container_url(&[("restype", "container")]);
        let what = format!("make the container {}", self.config.container);
        match self.send(&self.call("PUT", url, what)) {
            Ok(_) => Ok(()),
            Err(failure) if failure.is(Cause::Exists) => Ok(()),
            Err(failure) => Err(failure.into()),
        }
    }
}

fn account_finding(answer: &Answer) -> Finding {
    if answer.header("x-ms-is-hns-enabled") == Some("true") {
        return Finding::failure(
            "hierarchical-namespace",
            "the account has a hierarchical namespace, which lists blobs in another order than that of their names: use an account without one",
        );
    }
    let sku = answer.header("x-ms-sku-name").unwrap_or("unknown");
    Finding::note("account", format!("the account's redundancy is {sku}"))
}

/// Who may not ask does not know.
fn unknown(code: &str, what: &str, error: &Error) -> Finding {
    Finding::note(code, format!("{what} is not known: {}", error.message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_told_of() {
        let answer = |hns: &str| Answer {
            status: 200,
            headers: vec![
                ("x-ms-sku-name".to_owned(), "Standard_GZRS".to_owned()),
                ("x-ms-is-hns-enabled".to_owned(), hns.to_owned()),
            ],
            body: Vec::new(),
        };
        let plain = account_finding(&answer("false"));
        assert_eq!(plain.message, "the account's redundancy is Standard_GZRS");
        assert_eq!(
            account_finding(&answer("true")).code,
            "hierarchical-namespace"
        );
    }
}

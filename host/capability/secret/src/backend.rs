//! What one attempt may do with which secret.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use drydock_core::{ErrorCode, Fault, Host, Scheme, Secret};
use http::{HeaderMap, HeaderValue};
use zeroize::Zeroizing;

use super::grant::{HeaderUse, SecretGrant, SecretPower};
use super::key::Key;
use super::redact::Redactor;

/// Bytes of chance in a placeholder: nobody meets one by accident.
const NONCE_BYTES: usize = 16;

/// Where the values of secrets come from.
pub trait SecretSource: Send + Sync {
    /// Reads the value. May block.
    ///
    /// # Errors
    /// When the documents name no place for it, or nothing is there.
    fn read(&self, name: &str) -> Result<Secret, Fault>;
}

/// The secrets of one attempt. Clones are the same.
#[derive(Clone)]
pub struct SecretAccess {
    inner: Arc<Inner>,
}

struct Inner {
    grants: Vec<SecretGrant>,
    source: Option<Arc<dyn SecretSource>>,
    /// What every placeholder of this attempt begins with.
    mark: String,
    values: Mutex<BTreeMap<String, Arc<Secret>>>,
    redactor: Redactor,
}

impl SecretAccess {
    /// `grants` are those of the plugin; without a source nothing can be read.
    #[must_use]
    pub fn new(grants: Vec<SecretGrant>, source: Option<Arc<dyn SecretSource>>) -> Self {
        let mut nonce = [0_u8; NONCE_BYTES];
        // Without chance from the kernel no placeholder is handed out, see `placeholder`.
        let chance = ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut nonce);
        let mark = match chance {
            Ok(()) => format!("drydock-secret-{}-", hex::encode(nonce)),
            Err(_) => String::new(),
        };
        let inner = Inner {
            grants,
            source,
            mark,
            values: Mutex::default(),
            redactor: Redactor::default(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Takes what was read out of texts.
    #[must_use]
    pub fn redactor(&self) -> Redactor {
        self.inner.redactor.clone()
    }

    /// Whether the value is fit for whatever it is granted for. Blocks.
    ///
    /// # Errors
    /// `bad-secret`, or what the source says.
    pub fn judge(&self, name: &str) -> Result<(), Fault> {
        let value = self.inner.value(name)?;
        for power in self.inner.grants_of(name) {
            match power {
                SecretPower::Sign(sign) => {
                    Key::new(name, sign.clone(), value.expose())?;
                }
                SecretPower::Header(header) => {
                    header_value(name, header, &value)?;
                }
                SecretPower::Reveal => {}
            }
        }
        Ok(())
    }

    /// The key that is granted for signing. Blocks.
    ///
    /// # Errors
    /// `not-granted`, `bad-secret`, or what the source says.
    pub fn open(&self, name: &str) -> Result<Key, Fault> {
        let sign = self.inner.grants_of(name).find_map(|power| match power {
            SecretPower::Sign(sign) => Some(sign.clone()),
            _ => None,
        });
        let sign = sign
            .ok_or_else(|| not_granted(name, "signing", "use: {sign: {algorithm: hmac-sha256}}"))?;
        Key::new(name, sign, self.inner.value(name)?.expose())
    }

    /// Text that stands for the secret in the header that a grant names. Blocks.
    ///
    /// # Errors
    /// `not-granted`, or what the source says.
    pub fn placeholder(&self, name: &str) -> Result<String, Fault> {
        let header = |power: &SecretPower| matches!(power, SecretPower::Header(_));
        if !self.inner.grants_of(name).any(header) {
            let line = "use: {header: {host: the.host, name: Authorization}}";
            return Err(not_granted(name, "filling into a header", line));
        }
        if self.inner.mark.is_empty() {
            return Err(Fault::transient(
                ErrorCode::NoRandomness,
                "the kernel gives no random bytes for a placeholder",
            ));
        }
        self.inner.value(name)?;
        Ok(format!("{}{name}", self.inner.mark))
    }

    /// The secret itself. Blocks.
    ///
    /// # Errors
    /// `not-granted`, or what the source says.
    pub fn reveal(&self, name: &str) -> Result<Vec<u8>, Fault> {
        let reveals = |power: &SecretPower| *power == SecretPower::Reveal;
        if !self.inner.grants_of(name).any(reveals) {
            return Err(not_granted(name, "revealing", "reveal: true"));
        }
        Ok(self.inner.value(name)?.expose().to_vec())
    }

    /// Whether a placeholder of this attempt stands in `text`.
    #[must_use]
    pub fn marks(&self, text: &[u8]) -> bool {
        let mark = self.inner.mark.as_bytes();
        !mark.is_empty() && text.windows(mark.len()).any(|window| window == mark)
    }

    /// Puts secrets in the place of placeholders.
    ///
    /// # Errors
    /// `placeholder-refused` for one that stands where no grant has it.
    pub fn fill(
        &self,
        (scheme, host, port): (Scheme, &Host, u16),
        headers: &mut HeaderMap,
    ) -> Result<(), Fault> {
        for (name, value) in headers.iter_mut() {
            if self.marks(value.as_bytes()) {
                let allows = |header: &HeaderUse| {
                    header.scheme == scheme
                        && header.host.matches(host)
                        && header.port() == port
                        && header.name.eq_ignore_ascii_case(name.as_str())
                };
                *value = self.filled(value, allows).ok_or_else(|| {
                    refused(&format!(
                        "the header {name} of a request to {scheme}://{host}:{port}"
                    ))
                })??;
            }
        }
        Ok(())
    }

    /// The header's value with the secret in it; none when no grant allows it there.
    fn filled(
        &self,
        value: &HeaderValue,
        allows: impl Fn(&HeaderUse) -> bool,
    ) -> Option<Result<HeaderValue, Fault>> {
        let name = value.as_bytes().strip_prefix(self.inner.mark.as_bytes())?;
        let name = std::str::from_utf8(name).ok()?;
        let header = self.inner.grants_of(name).find_map(|power| match power {
            SecretPower::Header(header) if allows(header) => Some(header),
            _ => None,
        })?;
        let secret = self.inner.value(name);
        Some(secret.and_then(|secret| header_value(name, header, &secret)))
    }
}

/// The whole value of a header with the secret in it.
fn header_value(name: &str, header: &HeaderUse, secret: &Secret) -> Result<HeaderValue, Fault> {
    let prefix = header.prefix.as_deref().unwrap_or_default();
    let mut text = Zeroizing::new(prefix.as_bytes().to_vec());
    text.extend_from_slice(secret.expose());
    let mut filled = HeaderValue::from_bytes(&text).map_err(|_| {
        Fault::permanent(
            ErrorCode::BadSecret,
            format!("the secret {name} holds bytes that no header can hold, such as a line break: put the right value where `secrets:` leads"),
        )
    })?;
    filled.set_sensitive(true);
    Ok(filled)
}

impl Inner {
    fn grants_of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a SecretPower> {
        let own = self
            .grants
            .iter()
            .filter(move |grant| grant.name.as_str() == name);
        own.map(|grant| &grant.power)
    }

    /// The value, read once in an attempt.
    fn value(&self, name: &str) -> Result<Arc<Secret>, Fault> {
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = values.get(name) {
            return Ok(Arc::clone(known));
        }
        let source = self.source.as_ref().ok_or_else(|| {
            Fault::denied(
                ErrorCode::NotGranted,
                "no secret can be read during this call",
            )
        })?;
        let value = Arc::new(source.read(name)?);
        self.redactor.add(name, value.expose());
        values.insert(name.to_owned(), Arc::clone(&value));
        Ok(value)
    }
}

/// The fault of a placeholder that stands where it may not be filled.
#[must_use]
pub fn refused(place: &str) -> Fault {
    Fault::denied(
        ErrorCode::PlaceholderRefused,
        format!(
            "a secret's placeholder stands in {place}, where no grant allows it: it must be the whole value of the header that `use: {{header: ...}}` names, at that host, port and scheme"
        ),
    )
}

fn not_granted(name: &str, what: &str, line: &str) -> Fault {
    let shown: String = name.chars().filter(|c| !c.is_control()).take(63).collect();
    Fault::denied(
        ErrorCode::NotGranted,
        format!(
            "no grant allows {what} of the secret {shown}: add `secret: [{{name: {shown}, {line}}}]` under `grants:` of the plugin's PluginGrant"
        ),
    )
}

/// Names and powers, never values.
impl fmt::Debug for SecretAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretAccess")
            .field("grants", &self.inner.grants)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    struct Places(AtomicUsize);

    impl SecretSource for Places {
        fn read(&self, name: &str) -> Result<Secret, Fault> {
            self.0.fetch_add(1, Ordering::SeqCst);
            match name {
                "broken" => Ok(Secret::new(b"two\nlines".to_vec())),
                _ => Ok(Secret::new(format!("value-of-{name}").into_bytes())),
            }
        }
    }

    fn grants() -> Vec<SecretGrant> {
        serde_json::from_str(
            r#"[
                {"name": "token", "use": {"header": {"host": "*.example", "name": "Authorization", "prefix": "Bearer "}}},
                {"name": "plain", "use": {"header": {"scheme": "http", "host": "b.example", "port": 8080, "name": "X-Key"}}},
                {"name": "broken", "use": {"header": {"host": "a.example", "name": "Authorization"}}},
                {"name": "key", "use": {"sign": {"algorithm": "hmac-sha256"}}},
                {"name": "shown", "reveal": true}
            ]"#,
        )
        .unwrap()
    }

    fn access() -> (SecretAccess, Arc<Places>) {
        let places = Arc::new(Places(AtomicUsize::new(0)));
        let source: Arc<dyn SecretSource> = places.clone();
        (SecretAccess::new(grants(), Some(source)), places)
    }

    fn fill(
        access: &SecretAccess,
        to: (Scheme, &str, u16),
        name: &'static str,
        value: &str,
    ) -> Result<String, Fault> {
        let host = Host::parse(to.1).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        access.fill((to.0, &host, to.2), &mut headers)?;
        Ok(headers[name].to_str().unwrap().to_owned())
    }

    #[test]
    fn each_power_gives_what_it_names_and_no_other() {
        let (access, _) = access();
        assert!(access.open("key").is_ok());
        assert!(access.placeholder("token").is_ok());
        assert_eq!(access.reveal("shown").unwrap(), b"value-of-shown");
        for name in ["token", "shown", "keys", ""] {
            assert_eq!(
                access.open(name).unwrap_err().code.as_str(),
                "not-granted",
                "{name}"
            );
        }
        for name in ["key", "shown", "toke"] {
            assert_eq!(
                access.placeholder(name).unwrap_err().code.as_str(),
                "not-granted",
                "{name}"
            );
        }
        for name in ["key", "token", "show"] {
            assert_eq!(
                access.reveal(name).unwrap_err().code.as_str(),
                "not-granted",
                "{name}"
            );
        }
        assert_eq!(
            access.reveal("key").unwrap_err().message,
            "no grant allows revealing of the secret key: add `secret: [{name: key, reveal: true}]` under `grants:` of the plugin's PluginGrant"
        );
    }

    #[test]
    fn a_placeholder_is_filled_in_the_granted_place_only() {
        let (access, _) = access();
        let token = access.placeholder("token").unwrap();
        let there = (Scheme::Https, "a.example", 443);
        assert_eq!(
            fill(&access, there, "authorization", &token).unwrap(),
            "Bearer value-of-token"
        );
        let near = [
            (
                (Scheme::Https, "a.example.com", 443),
                "authorization",
                token.clone(),
            ),
            (
                (Scheme::Https, "example", 443),
                "authorization",
                token.clone(),
            ),
            (
                (Scheme::Http, "a.example", 443),
                "authorization",
                token.clone(),
            ),
            (
                (Scheme::Https, "a.example", 8443),
                "authorization",
                token.clone(),
            ),
            (there, "x-authorization", token.clone()),
            (there, "authorization", format!("Bearer {token}")),
            (there, "authorization", format!("{token} ") + "x"),
            (there, "authorization", token.replace("token", "plain")),
        ];
        for (to, name, value) in near {
            let fault = fill(&access, to, name, &value).unwrap_err();
            assert_eq!(fault.code.as_str(), "placeholder-refused", "{to:?} {name}");
            assert!(!fault.message.contains("value-of"), "{fault}");
        }
        let plain = access.placeholder("plain").unwrap();
        let there = (Scheme::Http, "b.example", 8080);
        assert_eq!(
            fill(&access, there, "x-key", &plain).unwrap(),
            "value-of-plain"
        );
    }

    #[test]
    fn a_placeholder_of_another_attempt_is_only_text() {
        let (one, _) = access();
        let (two, _) = access();
        let text = one.placeholder("token").unwrap();
        let to = (Scheme::Https, "a.example", 443);
        assert_eq!(fill(&two, to, "authorization", &text).unwrap(), text);
    }

    #[test]
    fn a_value_that_fits_no_header_is_not_shown() {
        let (access, _) = access();
        let text = access.placeholder("broken").unwrap();
        let fault = fill(
            &access,
            (Scheme::Https, "a.example", 443),
            "authorization",
            &text,
        )
        .unwrap_err();
        assert!(
            fault.code.as_str() == "bad-secret" && !fault.message.contains("lines"),
            "{fault}"
        );
    }

    #[test]
    fn a_value_is_read_when_it_is_used_and_once() {
        let (access, places) = access();
        assert_eq!(places.0.load(Ordering::SeqCst), 0);
        access.reveal("shown").unwrap();
        access.reveal("shown").unwrap();
        assert_eq!(places.0.load(Ordering::SeqCst), 1);
        assert_eq!(
            access.redactor().text("value-of-shown"),
            "[redacted secret shown]"
        );
        assert!(!format!("{access:?}").contains("value-of"));
    }

    #[test]
    fn without_a_source_nothing_is_read() {
        let access = SecretAccess::new(grants(), None);
        assert_eq!(
            access.reveal("shown").unwrap_err().code.as_str(),
            "not-granted"
        );
    }
}

//! Grants of secrets: to use one without ever seeing it, or to see it.

use std::fmt;

use drydock_core::capability::GrantProblem;
use drydock_core::{Grant, HostPattern, Name, Power, Reach, Scheme};
use serde::de::value::SeqAccessDeserializer;
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// Most `derive` steps before `sign`; AWS's chain has four.
const DERIVATIONS_MAX: u8 = 16;

/// Longest text of a grant that is put before something: a prefix is a word or a line.
const PREFIX_BYTES_MAX: usize = 256;

/// Longest name of a header; the longest registered ones have some forty characters.
const HEADER_BYTES_MAX: usize = 64;

/// Headers that say how the message is framed or where it goes; none carries a secret.
const HEADERS_NEVER: [&str; 12] = [
    "host",
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "transfer-encoding",
    "content-length",
    "te",
    "trailer",
    "upgrade",
    "expect",
];

/// Signatures, and headers that the host fills in: the plugin never sees the secret.
pub const USE: Power = Power {
    word: "secret.use",
    line: "secret: [{name: the-secret, use: {sign: {algorithm: hmac-sha256}}}]",
    reach: Reach::Reads,
    discloses: false,
    functions: &["open", "derive", "sign", "placeholder"],
    also: &[],
    reading: None,
};

/// The secret itself.
pub const REVEAL: Power = Power {
    word: "secret.reveal",
    line: "secret: [{name: the-secret, reveal: true}]",
    reach: Reach::Reads,
    discloses: true,
    functions: &["reveal"],
    also: &[],
    reading: None,
};

/// One entry under `secret:` of a grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(into = "Written")]
pub struct SecretGrant {
    /// As it stands under `secrets:` of a step or target.
    pub name: Name,
    pub power: SecretPower,
}

/// What may be done with a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretPower {
    /// The plugin gets its bytes.
    Reveal,
    /// The plugin gets signatures.
    Sign(SignUse),
    /// The host fills it into a header.
    Header(HeaderUse),
}

/// How a key is used. The bytes of the key, and of those derived from it, never leave
/// the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SignUse {
    pub algorithm: Algorithm,
    /// How the secret's text holds the key; absent: the text is the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<Encoding>,
    /// What the host puts before the key's bytes, as AWS wants its `AWS4`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_prefix: Option<String>,
    /// Exactly so many `derive` steps come before `sign`.
    #[serde(default)]
    pub derivations: u8,
    /// The message to sign must begin with one of these; empty: with anything.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "one_or_many"
    )]
    pub message_prefix: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Algorithm {
    /// HMAC with SHA-256 (RFC 2104); 32 bytes.
    HmacSha256,
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518, 3.3); the secret is a private key in PEM.
    Rs256,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    Base64,
}

/// Where the host fills a secret in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HeaderUse {
    /// Plain `http` only where it is said.
    #[serde(default)]
    pub scheme: Scheme,
    pub host: HostPattern,
    /// The scheme's own if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The header's name.
    pub name: String,
    /// What the host puts before the secret, e.g. `Bearer ` and a space.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
}

impl SecretGrant {
    #[must_use]
    pub fn reveals(&self) -> bool {
        self.power == SecretPower::Reveal
    }

    /// What is wrong with the entry.
    fn problem(&self) -> Option<&'static str> {
        match &self.power {
            SecretPower::Reveal => None,
            SecretPower::Sign(sign) => sign.problem(),
            SecretPower::Header(header) => header.problem(),
        }
    }
}

impl Grant for SecretGrant {
    const NAME: &'static str = "secret";
    const POWERS: &'static [Power] = &[USE, REVEAL];

    /// What both grants allow. One that reveals allows every use.
    fn common(&self, ceiling: &Self) -> Option<Self> {
        let power = match (&self.power, &ceiling.power) {
            (power, SecretPower::Reveal) => Some(power.clone()),
            (SecretPower::Sign(own), SecretPower::Sign(most)) => {
                own.common(most).map(SecretPower::Sign)
            }
            (SecretPower::Header(own), SecretPower::Header(most)) => {
                own.common(most).map(SecretPower::Header)
            }
            _ => None,
        };
        let power = power.filter(|_| self.name == ceiling.name)?;
        Some(Self {
            name: self.name.clone(),
            power,
        })
    }

    fn allows(&self, power: &Power) -> bool {
        *power == if self.reveals() { REVEAL } else { USE }
    }

    /// E.g. `key to sign with hmac-sha256`, `token in Authorization to https://a.example`.
    fn words(&self) -> String {
        let name = &self.name;
        match &self.power {
            SecretPower::Reveal => format!("{name} itself"),
            SecretPower::Sign(sign) => format!("{name} to sign with {}", sign.algorithm.word()),
            SecretPower::Header(header) => {
                let HeaderUse {
                    scheme,
                    host,
                    name: field,
                    ..
                } = header;
                let port = header.port.filter(|port| *port != scheme.default_port());
                let port = port.map_or_else(String::new, |port| format!(":{port}"));
                format!("{name} in {field} to {scheme}://{host}{port}")
            }
        }
    }

    /// Two ways to sign with one secret: which one a plugin means could only be guessed.
    fn problems(entries: &[Self]) -> Vec<GrantProblem> {
        let signs = |power: &SecretPower| matches!(power, SecretPower::Sign(_));
        let mut problems = Vec::new();
        for (index, grant) in entries.iter().enumerate() {
            let earlier = &entries[..index];
            let again = |other: &Self| other.name == grant.name && signs(&other.power);
            if signs(&grant.power) && earlier.iter().any(again) {
                problems.push(GrantProblem::new(
                    format!("[{index}]"),
                    format!(
                        "grants signing with {} a second time; give the step the key under a second name",
                        grant.name
                    ),
                ));
            }
        }
        problems
    }

    fn hint(asked: &[&'static Power]) -> String {
        let asks = |power| asked.iter().any(|asked| **asked == power);
        let told = match (asks(USE), asks(REVEAL)) {
            (true, true) => {
                "to use and to see; e.g. {name: the-key, use: {sign: {algorithm: hmac-sha256}}}, {name: the-token, reveal: true}"
            }
            (_, false) => {
                "to use, unseen; e.g. {name: the-key, use: {sign: {algorithm: hmac-sha256}}}"
            }
            (false, true) => "to see; e.g. {name: the-token, reveal: true}",
        };
        told.to_owned()
    }
}

impl SignUse {
    /// Signs anything with the key as it stands.
    #[must_use]
    pub fn plain(algorithm: Algorithm) -> Self {
        Self {
            algorithm,
            encoding: None,
            host_prefix: None,
            derivations: 0,
            message_prefix: Vec::new(),
        }
    }

    /// The same chain, on messages that both allow.
    fn common(&self, most: &Self) -> Option<Self> {
        let message_prefix: Vec<String> = match (
            self.message_prefix.is_empty(),
            most.message_prefix.is_empty(),
        ) {
            (true, _) => most.message_prefix.clone(),
            (_, true) => self.message_prefix.clone(),
            (false, false) => longer_of_each(&self.message_prefix, &most.message_prefix),
        };
        let same_chain = Self {
            message_prefix: Vec::new(),
            ..self.clone()
        } == Self {
            message_prefix: Vec::new(),
            ..most.clone()
        };
        let limited = !self.message_prefix.is_empty() || !most.message_prefix.is_empty();
        // No common prefix means that nothing may be signed, and not that anything may.
        if !same_chain || (limited && message_prefix.is_empty()) {
            return None;
        }
        Some(Self {
            message_prefix,
            ..self.clone()
        })
    }

    fn problem(&self) -> Option<&'static str> {
        let plain_key =
            self.encoding.is_none() && self.host_prefix.is_none() && self.derivations == 0;
        if self.algorithm == Algorithm::Rs256 && !plain_key {
            return Some(
                "signs with rs256, whose key is PEM text and has no derivations; remove encoding, hostPrefix and derivations",
            );
        }
        if self.derivations > DERIVATIONS_MAX {
            return Some("asks for more than 16 derivations");
        }
        let prefixes = self.message_prefix.iter().chain(&self.host_prefix);
        let odd = |prefix: &String| prefix.is_empty() || prefix.len() > PREFIX_BYTES_MAX;
        prefixes
            .filter(|prefix| odd(prefix))
            .map(|_| "has a prefix that is empty or has more than 256 bytes; mend or remove it")
            .next()
    }
}

/// What begins with a prefix of each list begins with the longer of the two.
fn longer_of_each(one: &[String], two: &[String]) -> Vec<String> {
    let mut common = Vec::new();
    for a in one {
        for b in two {
            let longer = if a.len() >= b.len() { a } else { b };
            if longer.starts_with(a.as_str()) && longer.starts_with(b.as_str()) {
                common.push(longer.clone());
            }
        }
    }
    common.sort();
    common.dedup();
    common
}

impl HeaderUse {
    /// The scheme's own port, where none is named.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(self.scheme.default_port())
    }

    fn common(&self, most: &Self) -> Option<Self> {
        let same = self.scheme == most.scheme
            && self.port() == most.port()
            && self.name.eq_ignore_ascii_case(&most.name)
            && self.prefix == most.prefix;
        let host = self.host.common(&most.host).filter(|_| same)?;
        Some(Self {
            host,
            ..self.clone()
        })
    }

    fn problem(&self) -> Option<&'static str> {
        let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        let name = self.name.to_ascii_lowercase();
        if name.is_empty() || name.len() > HEADER_BYTES_MAX || !name.chars().all(token) {
            return Some("has a `name` that is no header's name; write e.g. name: Authorization");
        }
        if HEADERS_NEVER.contains(&name.as_str()) {
            return Some(
                "names a header that frames or routes the message; no secret belongs into it",
            );
        }
        let printable = |c: char| c == ' ' || c.is_ascii_graphic();
        let odd = |prefix: &String| {
            prefix.is_empty() || prefix.len() > PREFIX_BYTES_MAX || !prefix.chars().all(printable)
        };
        if self.prefix.as_ref().is_some_and(odd) {
            return Some(
                "has a prefix that is empty, too long or not printable; mend or remove it",
            );
        }
        None
    }
}

impl Algorithm {
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::HmacSha256 => "hmac-sha256",
            Self::Rs256 => "rs256",
        }
    }
}

/// An entry as it is written.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Written {
    name: Name,
    #[serde(default, rename = "use", skip_serializing_if = "Option::is_none")]
    usage: Option<Use>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reveal: Option<bool>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Use {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sign: Option<SignUse>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    header: Option<HeaderUse>,
}

impl From<SecretGrant> for Written {
    fn from(grant: SecretGrant) -> Self {
        let (usage, reveal) = match grant.power {
            SecretPower::Reveal => (None, Some(true)),
            SecretPower::Sign(sign) => (
                Some(Use {
                    sign: Some(sign),
                    header: None,
                }),
                None,
            ),
            SecretPower::Header(header) => (
                Some(Use {
                    sign: None,
                    header: Some(header),
                }),
                None,
            ),
        };
        Self {
            name: grant.name,
            usage,
            reveal,
        }
    }
}

impl<'de> Deserialize<'de> for SecretGrant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = Written::deserialize(deserializer)?;
        let grant = written.grant().map_err(D::Error::custom)?;
        match grant.problem() {
            Some(problem) => Err(D::Error::custom(problem)),
            None => Ok(grant),
        }
    }
}

impl Written {
    fn grant(self) -> Result<SecretGrant, &'static str> {
        let power = match (self.usage, self.reveal) {
            (None, Some(true)) => SecretPower::Reveal,
            (
                Some(Use {
                    sign: Some(sign),
                    header: None,
                }),
                None,
            ) => SecretPower::Sign(sign),
            (
                Some(Use {
                    sign: None,
                    header: Some(header),
                }),
                None,
            ) => SecretPower::Header(header),
            _ => {
                return Err(
                    "must say one thing that is allowed: `use: {sign: {...}}`, `use: {header: {...}}` or `reveal: true`; write an entry for each",
                );
            }
        };
        Ok(SecretGrant {
            name: self.name,
            power,
        })
    }
}

/// Text, or a list of texts.
fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    struct OneOrMany;
    impl<'de> Visitor<'de> for OneOrMany {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("text or a list of texts")
        }

        fn visit_str<E>(self, text: &str) -> Result<Vec<String>, E> {
            Ok(vec![text.to_owned()])
        }

        fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Vec<String>, A::Error> {
            Vec::deserialize(SeqAccessDeserializer::new(list))
        }
    }
    deserializer.deserialize_any(OneOrMany)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn grant(value: Value) -> Result<SecretGrant, String> {
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    fn sign(more: &Value) -> Value {
        let mut sign = json!({"algorithm": "hmac-sha256"});
        for (key, value) in more.as_object().unwrap() {
            sign[key] = value.clone();
        }
        json!({"name": "k", "use": {"sign": sign}})
    }

    fn header(more: &Value) -> Value {
        let mut header = json!({"host": "a.example", "name": "Authorization"});
        for (key, value) in more.as_object().unwrap() {
            header[key] = value.clone();
        }
        json!({"name": "k", "use": {"header": header}})
    }

    #[test]
    fn a_grant_survives_being_recorded() {
        for written in [
            json!({"name": "token", "reveal": true}),
            sign(
                &json!({"hostPrefix": "AWS4", "derivations": 4, "messagePrefix": "AWS4-HMAC-SHA256\n"}),
            ),
            sign(&json!({"encoding": "base64", "messagePrefix": ["GET\n", "PUT\n"]})),
            json!({"name": "k", "use": {"sign": {"algorithm": "rs256"}}}),
            header(&json!({"prefix": "Bearer ", "port": 8443})),
        ] {
            let grant = grant(written).unwrap();
            let recorded = serde_json::to_value(&grant).unwrap();
            assert_eq!(
                serde_json::from_value::<SecretGrant>(recorded).unwrap(),
                grant
            );
        }
    }

    #[test]
    fn a_grant_is_told_to_people() {
        let table = [
            (json!({"name": "k", "reveal": true}), "k itself"),
            (sign(&json!({})), "k to sign with hmac-sha256"),
            (
                header(&json!({"port": 8443})),
                "k in Authorization to https://a.example:8443",
            ),
        ];
        for (written, words) in table {
            assert_eq!(grant(written).unwrap().words(), words);
        }
    }

    #[test]
    fn what_is_no_grant_says_so() {
        let table = [
            (json!({"name": "k"}), "must say one thing"),
            (json!({"name": "k", "reveal": false}), "must say one thing"),
            (json!({"name": "k", "use": {}}), "must say one thing"),
            (json!({"name": "K", "reveal": true}), "must be a name"),
            (
                json!({"name": "k", "reveal": true, "use": {"sign": {"algorithm": "rs256"}}}),
                "must say one thing",
            ),
            (
                json!({"name": "k", "use": {"sign": {"algorithm": "md5"}}}),
                "unknown variant `md5`",
            ),
            (
                json!({"name": "k", "use": {"sign": {"algorithm": "rs256", "derivations": 1}}}),
                "has no derivations",
            ),
            (sign(&json!({"derivations": 17})), "more than 16"),
            (
                sign(&json!({"messagePrefix": ""})),
                "a prefix that is empty",
            ),
            (header(&json!({"name": "Host"})), "frames or routes"),
            (header(&json!({"name": "a b"})), "no header's name"),
            (header(&json!({"prefix": "a\r\nb"})), "not printable"),
            (header(&json!({"path": "/"})), "unknown field `path`"),
        ];
        for (written, expected) in table {
            let error = grant(written.clone()).unwrap_err();
            assert!(error.contains(expected), "{written}: {error}");
        }
    }

    #[test]
    fn a_ceiling_cuts_uses_to_what_it_names() {
        let common = |one: Value, two: Value| grant(one).unwrap().common(&grant(two).unwrap());
        let reveal = json!({"name": "k", "reveal": true});
        let any = sign(&json!({}));
        assert_eq!(common(any.clone(), reveal.clone()), grant(any.clone()).ok());
        assert_eq!(common(reveal.clone(), any.clone()), None);
        let long = sign(&json!({"messagePrefix": ["GET\n/a", "PUT\n"]}));
        let short = sign(&json!({"messagePrefix": "GET\n"}));
        let both = sign(&json!({"messagePrefix": "GET\n/a"}));
        assert_eq!(common(long.clone(), short.clone()), grant(both).ok());
        assert_eq!(
            common(short.clone(), sign(&json!({"messagePrefix": "PUT\n"}))),
            None
        );
        assert_eq!(
            common(any.clone(), short.clone()),
            grant(short.clone()).ok()
        );
        assert_eq!(
            common(short, any),
            grant(sign(&json!({"messagePrefix": "GET\n"}))).ok()
        );
        for other in [
            json!({"derivations": 1}),
            json!({"hostPrefix": "X"}),
            json!({"encoding": "base64"}),
        ] {
            assert_eq!(common(sign(&json!({})), sign(&other)), None, "{other}");
        }
        let wide = header(&json!({"host": "*.example"}));
        assert_eq!(
            common(wide, header(&json!({}))),
            grant(header(&json!({}))).ok()
        );
        for other in [
            json!({"name": "X-Key"}),
            json!({"prefix": "Bearer "}),
            json!({"port": 1}),
            json!({"scheme": "http"}),
        ] {
            assert_eq!(common(header(&json!({})), header(&other)), None, "{other}");
        }
        let mut other_name = reveal.clone();
        other_name["name"] = json!("other");
        assert_eq!(common(reveal, other_name), None);
    }
}

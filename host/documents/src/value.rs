//! Values inside documents: names, numbers with bounds, and values that come from a
//! file or from the environment.
//!
//! **Invariant:** a secret cannot be written into a document. [`SecretFrom`] accepts
//! only a place, and [`Secret`], which holds what was read there, shows nothing.

use std::fmt;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error as _, MapAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, de};

use drydock_core::{ClusterName, Name, ScheduleName, Secret, StepName, TargetName};

/// Longest span of time that a document may give: ten years. More is a slip.
pub const SECONDS_MAX: u64 = 10 * 366 * 86_400;

/// Where values come from. Only `main` has the one that reads the real files and the
/// real environment.
pub trait Lookup: Send + Sync {
    /// The bytes of a file, or why they cannot be had.
    fn file(&self, path: &Path) -> Result<Vec<u8>, String>;
    /// The value of an environment variable; none when it is not set.
    fn env(&self, name: &str) -> Option<String>;
}

/// A place that a value comes from: `{file: PATH}` or `{env: NAME}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Source {
    /// Relative paths were resolved against the document's own folder.
    File(PathBuf),
    Env(String),
}

/// A secret's place: `{valueFrom: {file: PATH}}` or `{valueFrom: {env: NAME}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretFrom {
    pub value_from: Source,
}

/// A value that may stand in the document or come from a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Setting {
    Literal(String),
    From(SecretFrom),
}

/// Why a value could not be had. A predicate of the key that names the place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    #[error("names the file {}, which cannot be read: {reason}; put it there, or correct the path", path.display())]
    File { path: PathBuf, reason: String },
    #[error("names the environment variable {name}, which is not set; set it for this process")]
    Env { name: String },
    #[error("comes from {place}, which is empty; put the value there")]
    Empty { place: String },
    #[error("comes from {place}, which is not UTF-8 text")]
    NotText { place: String },
    #[error(
        "comes from {place}, which holds no PEM block of a {wanted}; a line like -----BEGIN {wanted}----- is expected, or the same in base64"
    )]
    NotPem { place: String, wanted: Pem },
}

/// What a PEM block holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pem {
    Certificate,
    PrivateKey,
}

/// A whole number from `MIN` to `MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Bounded<const MIN: u64, const MAX: u64>(u64);

/// A span of time in seconds, one at least.
pub type Seconds = Bounded<1, SECONDS_MAX>;

/// A span of time in seconds that may be zero.
pub type SecondsOrZero = Bounded<0, SECONDS_MAX>;

impl Source {
    /// Reads the value. One line break at the end is not part of it.
    ///
    /// # Errors
    /// The place is missing, unreadable or empty.
    pub fn read(&self, lookup: &dyn Lookup) -> Result<Secret, ValueError> {
        let mut bytes = self.bytes(lookup)?;
        if bytes.ends_with(b"\n") {
            bytes.pop();
        }
        if bytes.ends_with(b"\r") {
            bytes.pop();
        }
        if bytes.is_empty() {
            let place = self.to_string();
            return Err(ValueError::Empty { place });
        }
        Ok(Secret::new(bytes))
    }

    /// Reads the value as text.
    ///
    /// # Errors
    /// As [`Source::read`], and when it is not UTF-8.
    pub fn read_text(&self, lookup: &dyn Lookup) -> Result<String, ValueError> {
        let secret = self.read(lookup)?;
        let text = secret.expose_text().map(str::to_owned);
        text.ok_or_else(|| ValueError::NotText {
            place: self.to_string(),
        })
    }

    /// Reads PEM text, which may be wrapped in base64 as in the data of a
    /// Kubernetes Secret.
    ///
    /// # Errors
    /// As [`Source::read`], and when no PEM block of the wanted kind is found.
    pub fn read_pem(&self, lookup: &dyn Lookup, wanted: Pem) -> Result<Secret, ValueError> {
        let bytes = self.bytes(lookup)?;
        unwrap_pem(bytes, wanted).ok_or_else(|| ValueError::NotPem {
            place: self.to_string(),
            wanted,
        })
    }

    /// Reads certificates in PEM, as [`Source::read_pem`] does.
    ///
    /// # Errors
    /// As [`Source::read_pem`].
    pub fn read_certificates(&self, lookup: &dyn Lookup) -> Result<Vec<u8>, ValueError> {
        let pem = self.read_pem(lookup, Pem::Certificate)?;
        Ok(pem.expose().to_vec())
    }

    /// Makes a relative path start at `folder`.
    pub(super) fn resolve(&mut self, folder: &Path) {
        if let Self::File(path) = self {
            resolve_path(path, folder);
        }
    }

    fn bytes(&self, lookup: &dyn Lookup) -> Result<Vec<u8>, ValueError> {
        match self {
            Self::File(path) => lookup.file(path).map_err(|reason| ValueError::File {
                path: path.clone(),
                reason,
            }),
            Self::Env(name) => match lookup.env(name) {
                Some(value) => Ok(value.into_bytes()),
                None => Err(ValueError::Env { name: name.clone() }),
            },
        }
    }
}

impl Setting {
    /// The value as text.
    ///
    /// # Errors
    /// As [`Source::read_text`].
    pub fn text(&self, lookup: &dyn Lookup) -> Result<String, ValueError> {
        match self {
            Self::Literal(text) => Ok(text.clone()),
            Self::From(from) => from.value_from.read_text(lookup),
        }
    }

    /// The value as PEM text.
    ///
    /// # Errors
    /// As [`Source::read_pem`].
    pub fn pem(&self, lookup: &dyn Lookup, wanted: Pem) -> Result<Vec<u8>, ValueError> {
        match self {
            Self::Literal(text) => {
                unwrap_pem(text.clone().into_bytes(), wanted).ok_or_else(|| ValueError::NotPem {
                    place: self.place(),
                    wanted,
                })
            }
            Self::From(from) => from.value_from.read_pem(lookup, wanted),
        }
        .map(|secret| secret.expose().to_vec())
    }

    /// Where the value is, for a sentence.
    #[must_use]
    pub fn place(&self) -> String {
        match self {
            Self::Literal(_) => "the document".to_owned(),
            Self::From(from) => from.value_from.to_string(),
        }
    }

    pub(super) fn resolve(&mut self, folder: &Path) {
        if let Self::From(from) = self {
            from.value_from.resolve(folder);
        }
    }
}

impl<const MIN: u64, const MAX: u64> Bounded<MIN, MAX> {
    #[must_use]
    pub fn get(self) -> u64 {
        self.0
    }

    /// The number taken as seconds.
    #[must_use]
    pub fn duration(self) -> Duration {
        Duration::from_secs(self.0)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "the file {}", path.display()),
            Self::Env(name) => write!(f, "the environment variable {name}"),
        }
    }
}

/// The end of the label in the line `-----BEGIN ...-----`; `RSA PRIVATE KEY` is one too.
impl fmt::Display for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Certificate => "CERTIFICATE",
            Self::PrivateKey => "PRIVATE KEY",
        })
    }
}

impl<'de, const MIN: u64, const MAX: u64> Deserialize<'de> for Bounded<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u64::deserialize(deserializer)?;
        if (MIN..=MAX).contains(&number) {
            return Ok(Self(number));
        }
        Err(D::Error::custom(format!(
            "must be a whole number from {MIN} to {MAX}, but it is {number}"
        )))
    }
}

/// An id of a document or step that is written as a [`Name`].
pub(super) trait NamedId {
    fn from_name(name: Name) -> Self;
}

macro_rules! named_id {
    ($($id:ident),*) => {
        $(impl NamedId for $id {
            fn from_name(name: Name) -> Self {
                Self::new(name.as_str())
            }
        })*
    };
}

named_id!(ClusterName, ScheduleName, StepName, TargetName);

/// For `deserialize_with`: an id that must be a [`Name`].
pub(super) fn id<'de, D: Deserializer<'de>, T: NamedId>(deserializer: D) -> Result<T, D::Error> {
    Name::deserialize(deserializer).map(T::from_name)
}

/// For `deserialize_with`: an id that may be missing.
pub(super) fn optional_id<'de, D: Deserializer<'de>, T: NamedId>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    Ok(Option::<Name>::deserialize(deserializer)?.map(T::from_name))
}

/// For `deserialize_with`: a list of ids.
pub(super) fn ids<'de, D: Deserializer<'de>, T: NamedId>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    let names = Vec::<Name>::deserialize(deserializer)?;
    Ok(names.into_iter().map(T::from_name).collect())
}

/// For `deserialize_with`: a list of ids that may be missing.
pub(super) fn optional_ids<'de, D: Deserializer<'de>, T: NamedId>(
    deserializer: D,
) -> Result<Option<Vec<T>>, D::Error> {
    let names = Option::<Vec<Name>>::deserialize(deserializer)?;
    Ok(names.map(|names| names.into_iter().map(T::from_name).collect()))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ValueFrom {
    value_from: Place,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Place {
    file: Option<PathBuf>,
    env: Option<String>,
}

impl Place {
    fn source<E: de::Error>(self) -> Result<Source, E> {
        match (self.file, self.env) {
            (Some(file), None) => Ok(Source::File(file)),
            (None, Some(env)) if is_variable(&env) => Ok(Source::Env(env)),
            (None, Some(_)) => Err(E::custom(
                "must name an environment variable of letters, digits and _",
            )),
            _ => Err(E::custom(
                "must name one place: {valueFrom: {file: PATH}} or {valueFrom: {env: NAME}}",
            )),
        }
    }
}

/// What a value can be read from, as its visitor sees it.
pub(super) trait FromPlace: Sized {
    const WANTED: &'static str;
    fn place(source: Source) -> Self;
    /// What stands in the document itself; refused unless overridden.
    fn literal<E: de::Error>(text: &str) -> Result<Self, E>;
}

impl FromPlace for SecretFrom {
    const WANTED: &'static str = "a place of the form {valueFrom: {file: PATH}}";

    fn place(source: Source) -> Self {
        Self { value_from: source }
    }

    fn literal<E: de::Error>(_: &str) -> Result<Self, E> {
        Err(E::custom(
            "is a secret and must not stand in the document; write {valueFrom: {file: PATH}} or {valueFrom: {env: NAME}}",
        ))
    }
}

impl FromPlace for Setting {
    const WANTED: &'static str = "text or {valueFrom: {file: PATH}}";

    fn place(source: Source) -> Self {
        Self::From(SecretFrom { value_from: source })
    }

    fn literal<E: de::Error>(text: &str) -> Result<Self, E> {
        Ok(Self::Literal(text.to_owned()))
    }
}

/// Visits text or `{valueFrom: ...}`.
pub(super) struct PlaceVisitor<T>(pub PhantomData<T>);

impl<'de, T: FromPlace> Visitor<'de> for PlaceVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::WANTED)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        T::literal(text)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
        Err(E::invalid_type(Unexpected::Unsigned(number), &self))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        let from = ValueFrom::deserialize(MapAccessDeserializer::new(map))?;
        from.value_from.source().map(T::place)
    }
}

impl<'de> Deserialize<'de> for SecretFrom {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PlaceVisitor(PhantomData))
    }
}

impl<'de> Deserialize<'de> for Setting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PlaceVisitor(PhantomData))
    }
}

/// Makes a relative path start at `folder`.
pub(super) fn resolve_path(path: &mut PathBuf, folder: &Path) {
    if path.is_relative() {
        *path = folder.join(&path);
    }
}

fn is_variable(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// PEM as it is, or unwrapped from one layer of base64.
fn unwrap_pem(bytes: Vec<u8>, wanted: Pem) -> Option<Secret> {
    if has_pem(&bytes, wanted) {
        return Some(Secret::new(bytes));
    }
    let compact: Vec<u8> = bytes
        .into_iter()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    let inner = base64::engine::general_purpose::STANDARD
        .decode(compact)
        .ok()?;
    has_pem(&inner, wanted).then(|| Secret::new(inner))
}

fn has_pem(bytes: &[u8], wanted: Pem) -> bool {
    let label = wanted.to_string();
    let end = format!("{label}-----");
    bytes
        .split(|byte| *byte == b'\n')
        .map(|line| line.trim_ascii())
        .any(|line| line.starts_with(b"-----BEGIN ") && line.ends_with(end.as_bytes()))
}

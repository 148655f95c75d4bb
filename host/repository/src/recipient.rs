//! Whom an artifact is sealed to, and with what it is opened: age's X25519 keys and
//! ssh-ed25519 keys. RSA is refused: the only implementation at hand leaks timing
//! when it decrypts (RUSTSEC-2023-0071).

use std::fmt;

use serde::{Deserialize, Serialize};

/// Most recipients of one target: each costs a key exchange and 100 bytes of header
/// per artifact, and nobody keeps that many keys safe.
pub const RECIPIENTS_MAX: usize = 64;

/// Most identities in one file: each is tried on each artifact.
pub const IDENTITIES_MAX: usize = 64;

/// Who may see an artifact's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sensitivity {
    /// May be stored unsealed.
    Public,
    /// etcd data, certificates, encryption configuration.
    Secret,
}

/// A secret artifact would lie unsealed at a target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "artifact {artifact} is secret and target {target} has no recipient: add an age1... or ssh-ed25519 key to the target's recipients"
)]
pub struct SensitivityError {
    artifact: String,
    target: String,
}

/// A public key that artifacts are sealed to.
#[derive(Clone)]
pub struct Recipient(Key);

#[derive(Clone)]
enum Key {
    X25519(age::x25519::Recipient),
    SshEd25519(age::ssh::Recipient),
}

/// A recipient that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecipientError {
    #[error("a recipient is empty: give an age1... or ssh-ed25519 public key")]
    Empty,
    #[error(
        "a secret key stands where a recipient is wanted: put its public part there (age-keygen -y FILE prints it) and consider the secret key exposed"
    )]
    SecretKey,
    #[error(
        "recipient of type {kind} is not supported: use an age1... (age-keygen) or ssh-ed25519 (ssh-keygen -t ed25519) public key"
    )]
    Unsupported { kind: String },
    #[error("recipient {start}... is damaged: copy the whole public key again")]
    Damaged { start: String },
    #[error("{problem}, in line {line} of the recipients")]
    InLine {
        line: usize,
        problem: Box<RecipientError>,
    },
    #[error("there are more than {RECIPIENTS_MAX} recipients: keep fewer keys")]
    TooMany,
}

/// Secret keys that open artifacts.
pub struct Identities(Vec<Box<dyn age::Identity + Send + Sync>>);

/// An identity file that cannot be used. No variant carries any of its text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    #[error(
        "identity file {file} holds no identity: give an age identity file or an ssh-ed25519 private key"
    )]
    Empty { file: String },
    #[error(
        "identity file {file}, line {line}, is not an age identity (AGE-SECRET-KEY-1...) nor the start of an ssh-ed25519 private key"
    )]
    Unknown { file: String, line: usize },
    #[error(
        "identity file {file} holds a public key: give the private one that belongs to it (AGE-SECRET-KEY-1..., or an ssh-ed25519 private key)"
    )]
    Public { file: String },
    #[error(
        "identity file {file} is protected by a passphrase: decrypt it with `age -d -o PLAIN {file}` first and give PLAIN"
    )]
    EncryptedAge { file: String },
    #[error(
        "SSH key {file} is protected by a passphrase: make an unprotected copy (cp {file} COPY && ssh-keygen -p -N '' -f COPY) and give COPY"
    )]
    EncryptedSsh { file: String },
    #[error(
        "SSH key {file} is not an ssh-ed25519 key: only ssh-ed25519 and age keys open artifacts"
    )]
    UnsupportedSsh { file: String },
    #[error("SSH key {file} is damaged: its text cannot be read as an OpenSSH private key")]
    DamagedSsh { file: String },
    #[error("identity file {file} holds more than {IDENTITIES_MAX} identities")]
    TooMany { file: String },
}

/// Refuses to store a secret artifact where nothing seals it.
///
/// # Errors
/// When the artifact is secret and there is no recipient.
pub fn check_sensitivity(
    artifact: &str,
    sensitivity: Sensitivity,
    target: &str,
    recipients: &[Recipient],
) -> Result<(), SensitivityError> {
    if sensitivity == Sensitivity::Public || !recipients.is_empty() {
        return Ok(());
    }
    Err(SensitivityError {
        artifact: artifact.to_owned(),
        target: target.to_owned(),
    })
}

impl Recipient {
    /// Reads one public key: `age1...` or `ssh-ed25519 AAAA... [comment]`.
    ///
    /// # Errors
    /// For anything else, with what to use instead.
    pub fn parse(text: &str) -> Result<Self, RecipientError> {
        let text = text.trim();
        let Some(kind) = text.split_whitespace().next() else {
            return Err(RecipientError::Empty);
        };
        if kind.to_ascii_uppercase().starts_with("AGE-SECRET-KEY-") || kind.starts_with("-----") {
            return Err(RecipientError::SecretKey);
        }
        if kind == "ssh-ed25519" {
            return text
                .parse()
                .map(|key| Self(Key::SshEd25519(key)))
                .map_err(|_| damaged(text));
        }
        // Other age recipients (plugins, post-quantum) read `age1<name>1...`.
        if kind.starts_with("age1") {
            return text
                .parse()
                .map(|key| Self(Key::X25519(key)))
                .map_err(|_| damaged(text));
        }
        Err(RecipientError::Unsupported {
            kind: start_of(kind),
        })
    }

    /// Reads a recipients file: one per line; blank lines and `#` comments are skipped.
    ///
    /// # Errors
    /// For the first line that is not a recipient, and when there are too many.
    pub fn parse_lines(text: &str) -> Result<Vec<Self>, RecipientError> {
        let mut recipients = Vec::new();
        for (index, line) in meaningful_lines(text) {
            if recipients.len() == RECIPIENTS_MAX {
                return Err(RecipientError::TooMany);
            }
            let recipient = Self::parse(line).map_err(|problem| RecipientError::InLine {
                line: index + 1,
                problem: Box::new(problem),
            })?;
            recipients.push(recipient);
        }
        Ok(recipients)
    }

    pub(crate) fn as_age(&self) -> &dyn age::Recipient {
        match &self.0 {
            Key::X25519(key) => key,
            Key::SshEd25519(key) => key,
        }
    }
}

impl Identities {
    /// No identity: opens nothing that is sealed.
    #[must_use]
    pub fn none() -> Self {
        Self(Vec::new())
    }

    /// Reads the text of an identity file: one of age's, or an unencrypted OpenSSH
    /// ed25519 private key. `file` is its name for messages.
    ///
    /// # Errors
    /// When it holds anything else, without showing any of it.
    pub fn parse(file: &str, text: &str) -> Result<Self, IdentityError> {
        let named = || file.to_owned();
        let Some((_, first)) = meaningful_lines(text).next() else {
            return Err(IdentityError::Empty { file: named() });
        };
        if first.starts_with("age-encryption.org/") || first == "-----BEGIN AGE ENCRYPTED FILE-----"
        {
            return Err(IdentityError::EncryptedAge { file: named() });
        }
        if first.starts_with("age1") || first.starts_with("ssh-") {
            return Err(IdentityError::Public { file: named() });
        }
        if first.starts_with("-----BEGIN") {
            return ssh_identity(file, text).map(|identity| Self(vec![identity]));
        }
        age_identities(file, text).map(Self)
    }

    /// Adds all of `other`.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &dyn age::Identity> {
        self.0
            .iter()
            .map(|identity| identity.as_ref() as &dyn age::Identity)
    }
}

/// The public key as it is written in a target's `recipients`.
impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Key::X25519(key) => key.fmt(f),
            Key::SshEd25519(key) => key.fmt(f),
        }
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recipient({self})")
    }
}

impl fmt::Debug for Identities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identities({} hidden)", self.0.len())
    }
}

fn age_identities(
    file: &str,
    text: &str,
) -> Result<Vec<Box<dyn age::Identity + Send + Sync>>, IdentityError> {
    let mut identities: Vec<Box<dyn age::Identity + Send + Sync>> = Vec::new();
    for (index, line) in meaningful_lines(text) {
        if identities.len() == IDENTITIES_MAX {
            return Err(IdentityError::TooMany {
                file: file.to_owned(),
            });
        }
        let identity: age::x25519::Identity = line.parse().map_err(|_| IdentityError::Unknown {
            file: file.to_owned(),
            line: index + 1,
        })?;
        identities.push(Box::new(identity));
    }
    Ok(identities)
}

fn ssh_identity(
    file: &str,
    text: &str,
) -> Result<Box<dyn age::Identity + Send + Sync>, IdentityError> {
    use age::ssh;

    let file = file.to_owned();
    let Ok(identity) = ssh::Identity::from_buffer(text.as_bytes(), None) else {
        return Err(IdentityError::DamagedSsh { file });
    };
    match identity {
        ssh::Identity::Unencrypted(_) => match ssh::Recipient::try_from(identity.clone()) {
            Ok(ssh::Recipient::SshEd25519(..)) => Ok(Box::new(identity)),
            _ => Err(IdentityError::UnsupportedSsh { file }),
        },
        ssh::Identity::Encrypted(_)
        | ssh::Identity::Unsupported(
            ssh::UnsupportedKey::EncryptedPem | ssh::UnsupportedKey::EncryptedSsh(_),
        ) => Err(IdentityError::EncryptedSsh { file }),
        ssh::Identity::Unsupported(_) => Err(IdentityError::UnsupportedSsh { file }),
    }
}

fn meaningful_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .map(str::trim)
        .enumerate()
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

fn damaged(text: &str) -> RecipientError {
    RecipientError::Damaged {
        start: start_of(text),
    }
}

/// Enough of a public key to find it in a file.
fn start_of(text: &str) -> String {
    text.chars().take(20).collect()
}

#[cfg(test)]
mod tests;

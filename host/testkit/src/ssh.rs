//! OpenSSH ed25519 key files for tests, made from a seed, so that no private key has
//! to lie in the repository. The format is OpenSSH's PROTOCOL.key.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ring::signature::{Ed25519KeyPair, KeyPair as _};

const KIND: &[u8] = b"ssh-ed25519";

/// A key pair.
pub struct SshKey {
    seed: [u8; 32],
    public: [u8; 32],
}

impl SshKey {
    /// # Panics
    /// Never: every seed of 32 bytes makes a key.
    #[must_use]
    pub fn from_seed(seed: [u8; 32]) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).expect("the seed has 32 bytes");
        let mut public = [0; 32];
        public.copy_from_slice(pair.public_key().as_ref());
        Self { seed, public }
    }

    /// `ssh-ed25519 AAAA... comment`.
    #[must_use]
    pub fn public_line(&self, comment: &str) -> String {
        let blob = BASE64_STANDARD.encode(self.public_blob());
        format!("ssh-ed25519 {blob} {comment}")
    }

    /// The private key file, not protected.
    #[must_use]
    pub fn private_file(&self) -> String {
        let check = 0x5eed_5eed_u32.to_be_bytes();
        let pair = [self.seed, self.public].concat();
        let mut secret = [check, check].concat();
        for field in [KIND, &self.public, &pair, b"test"] {
            secret.extend(string(field));
        }
        let padding = secret.len().next_multiple_of(8) - secret.len();
        secret.extend((1..=padding).map(|n| u8::try_from(n).expect("less than a block")));
        self.file(b"none", b"none", b"", &secret)
    }

    /// A private key file that claims to be protected by a passphrase; nothing opens it.
    #[must_use]
    pub fn protected_file(&self) -> String {
        let options = [string(&[1; 16]), 16_u32.to_be_bytes().to_vec()].concat();
        self.file(b"aes256-ctr", b"bcrypt", &options, &[9; 144])
    }

    fn public_blob(&self) -> Vec<u8> {
        [string(KIND), string(&self.public)].concat()
    }

    fn file(&self, cipher: &[u8], kdf: &[u8], options: &[u8], secret: &[u8]) -> String {
        let mut bytes = b"openssh-key-v1\0".to_vec();
        for field in [cipher, kdf, options] {
            bytes.extend(string(field));
        }
        bytes.extend(1_u32.to_be_bytes());
        bytes.extend(string(&self.public_blob()));
        bytes.extend(string(secret));
        let text = BASE64_STANDARD.encode(bytes);
        let lines: Vec<_> = text
            .as_bytes()
            .chunks(70)
            .map(|line| String::from_utf8_lossy(line))
            .collect();
        format!(
            "-----BEGIN OPENSSH PRIVATE KEY-----\n{}\n-----END OPENSSH PRIVATE KEY-----\n",
            lines.join("\n")
        )
    }
}

fn string(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).expect("keys are short");
    [length.to_be_bytes().as_slice(), bytes].concat()
}

use age::secrecy::ExposeSecret as _;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use drydock_testkit::ssh::SshKey;

use super::*;

fn refusal(text: &str) -> String {
    Recipient::parse(text).unwrap_err().to_string()
}

fn identity_refusal(text: &str) -> String {
    Identities::parse("id.txt", text).unwrap_err().to_string()
}

#[test]
fn age_and_ssh_recipients_come_back_as_they_were_written() {
    let age = age::x25519::Identity::generate().to_public().to_string();
    assert_eq!(Recipient::parse(&age).unwrap().to_string(), age);
    let ssh = SshKey::from_seed([7; 32]).public_line("someone@somewhere");
    let parsed = Recipient::parse(&ssh).unwrap().to_string();
    assert_eq!(format!("{parsed} someone@somewhere"), ssh);
}

#[test]
fn other_recipients_are_refused_with_what_to_use_instead() {
    assert_eq!(
        refusal("ssh-rsa AAAAB3NzaC1yc2E="),
        "recipient of type ssh-rsa is not supported: use an age1... (age-keygen) or ssh-ed25519 (ssh-keygen -t ed25519) public key"
    );
    assert_eq!(
        refusal("ssh-ed25519 AAAA"),
        "recipient ssh-ed25519 AAAA... is damaged: copy the whole public key again"
    );
    assert_eq!(
        refusal("age1qqqqqqqqqqqqqqqqqqqqqqqq"),
        "recipient age1qqqqqqqqqqqqqqqq... is damaged: copy the whole public key again"
    );
    assert_eq!(
        refusal("  "),
        "a recipient is empty: give an age1... or ssh-ed25519 public key"
    );
}

#[test]
fn a_secret_key_among_the_recipients_is_not_shown() {
    let secret = age::x25519::Identity::generate().to_string();
    let secret = secret.expose_secret();
    for text in [secret.to_owned(), secret.to_lowercase()] {
        let message = refusal(&text);
        assert!(
            message.starts_with("a secret key stands where"),
            "{message}"
        );
        assert!(!message.to_uppercase().contains(&secret[16..40]));
    }
}

#[test]
fn a_recipients_file_names_the_line_of_its_mistake() {
    let age = age::x25519::Identity::generate().to_public();
    let good = format!("# team\n\n{age}\n  {age}  \n");
    assert_eq!(Recipient::parse_lines(&good).unwrap().len(), 2);
    let bad = format!("# team\n{age}\nssh-rsa AAAA\n");
    let message = Recipient::parse_lines(&bad).unwrap_err().to_string();
    assert!(
        message.ends_with("public key, in line 3 of the recipients"),
        "{message}"
    );
    let many = format!("{age}\n").repeat(RECIPIENTS_MAX + 1);
    assert_eq!(
        Recipient::parse_lines(&many).unwrap_err(),
        RecipientError::TooMany
    );
}

#[test]
fn identity_files_of_both_kinds_are_read() {
    let key = crate::keys::NewSealingKey::generate(drydock_core::UnixTime(0));
    assert!(
        !Identities::parse("id.txt", key.identity.expose())
            .unwrap()
            .is_empty()
    );
    let ssh = SshKey::from_seed([7; 32]).private_file();
    let identities = Identities::parse("id_ed25519", &ssh).unwrap();
    assert_eq!(format!("{identities:?}"), "Identities(1 hidden)");
}

#[test]
fn identity_files_that_cannot_be_used_say_what_to_do() {
    assert_eq!(
        identity_refusal(&SshKey::from_seed([7; 32]).protected_file()),
        "SSH key id.txt is protected by a passphrase: make an unprotected copy (cp id.txt COPY && ssh-keygen -p -N '' -f COPY) and give COPY"
    );
    assert_eq!(
        identity_refusal("age-encryption.org/v1\n-> scrypt x 18\n"),
        "identity file id.txt is protected by a passphrase: decrypt it with `age -d -o PLAIN id.txt` first and give PLAIN"
    );
    assert_eq!(
        identity_refusal("# only a comment\n"),
        "identity file id.txt holds no identity: give an age identity file or an ssh-ed25519 private key"
    );
    assert_eq!(
        identity_refusal("# c\nAGE-SECRET-KEY-1DAMAGED\n"),
        "identity file id.txt, line 2, is not an age identity (AGE-SECRET-KEY-1...) nor the start of an ssh-ed25519 private key"
    );
    let pem = |body: &str| {
        let body = BASE64_STANDARD.encode(body);
        format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{body}\n-----END OPENSSH PRIVATE KEY-----\n")
    };
    for damaged in [
        pem("rubbish"),
        "-----BEGIN OPENSSH PRIVATE KEY-----\n".to_owned(),
    ] {
        assert_eq!(
            identity_refusal(&damaged),
            "SSH key id.txt is damaged: its text cannot be read as an OpenSSH private key"
        );
    }
}

#[test]
fn a_secret_artifact_wants_a_recipient() {
    let recipient = Recipient::parse(&age::x25519::Identity::generate().to_public().to_string());
    let recipients = [recipient.unwrap()];
    let check = |sensitivity, recipients: &[Recipient]| {
        check_sensitivity("etcd.db", sensitivity, "local", recipients)
    };
    assert!(check(Sensitivity::Secret, &recipients).is_ok());
    assert!(check(Sensitivity::Public, &[]).is_ok());
    assert_eq!(
        check(Sensitivity::Secret, &[]).unwrap_err().to_string(),
        "artifact etcd.db is secret and target local has no recipient: add an age1... or ssh-ed25519 key to the target's recipients"
    );
}

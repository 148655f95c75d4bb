//! Keys, certificates and other values that documents only name: missing, of the wrong
//! kind, or private where public ones belong.

use drydock_testkit::pki::{Authority, Purpose, Validity};

use crate::bad_input::Case;
use crate::world::{World, shared_cluster};

const CHECK: [&str; 2] = ["schedule", "check"];
const NODE: &str = "drydock.yaml";
const CLUSTER: &str = "schedules/cluster.yaml";
const TARGET: &str = "schedules/target.yaml";

/// A cluster document with these lines under `etcd:`.
fn cluster(case: &Case, lines: &[&str]) {
    let path = case.world.scratch.join(CLUSTER);
    let mut text = std::fs::read_to_string(&path).unwrap();
    for line in lines {
        text.push_str(&format!("    {line}\n"));
    }
    std::fs::write(path, text).unwrap();
}

/// A world with a certificate and its key in `client.crt` and `client.key`.
fn with_certificate(name: &'static str) -> Case {
    let mut case = Case::new(name, World::alone());
    let authority = Authority::new("a").unwrap();
    let issued = authority.issue("me", Purpose::Client, Validity::Now);
    let files = issued.unwrap().write(case.world.scratch.path(), "client");
    case.secret_file("the client's key", &files.unwrap().key);
    case
}

const CERTIFICATE: &str = "certificate: {valueFrom: {file: ../client.crt}}";
const KEY: &str = "key: {valueFrom: {file: ../client.key}}";

#[test]
fn values_that_cannot_be_had() {
    let missing = "certificate: {valueFrom: {file: ../missing.crt}}";
    let user = "username: backup";
    let rows: [(&str, &[&str]); 5] = [
        ("certificate-file-missing", &[missing, KEY]),
        (
            "certificate-file-is-a-folder",
            &["ca: {valueFrom: {file: .}}"],
        ),
        (
            "variable-not-set",
            &[user, "password: {valueFrom: {env: NO_SUCH_VARIABLE}}"],
        ),
        (
            "password-file-missing",
            &[user, "password: {valueFrom: {file: ../pw}}"],
        ),
        (
            "password-file-empty",
            &[user, "password: {valueFrom: {file: ../empty}}"],
        ),
    ];
    for (name, lines) in rows {
        let case = with_certificate(name);
        case.put("empty", "\n");
        cluster(&case, lines);
        case.refused(64, &CHECK);
    }
}

#[test]
fn values_that_are_not_what_they_should_be() {
    let mut case = with_certificate("certificate-is-no-pem");
    case.secret("the certificate's text", "hunter2 hunter2");
    case.put("client.crt", "hunter2 hunter2\n");
    cluster(&case, &[CERTIFICATE, KEY]);
    case.refused(64, &CHECK);

    let case = with_certificate("certificate-and-key-exchanged");
    cluster(
        &case,
        &[
            "certificate: {valueFrom: {file: ../client.key}}",
            "key: {valueFrom: {file: ../client.crt}}",
        ],
    );
    case.refused(64, &CHECK);

    let mut case = with_certificate("password-from-variable-empty");
    case.env("OTHER_PASSWORD", "correct horse battery");
    case.environment("ETCD_PASSWORD", "");
    cluster(
        &case,
        &[
            "username: me",
            "password: {valueFrom: {env: ETCD_PASSWORD}}",
        ],
    );
    case.refused(64, &CHECK);

    let mut case = with_certificate("password-in-the-document");
    case.secret("the password", "correct horse battery");
    cluster(&case, &["username: me", "password: correct horse battery"]);
    case.refused(64, &CHECK);
}

/// The first lines of a PEM text.
fn cut(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[..lines.len() / 2].join("\n") + "\n"
}

fn pem(label: &str, body: &str) -> String {
    format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
}

/// A certificate whose time is over.
fn expired() -> String {
    let authority = Authority::new("old").unwrap();
    let issued = authority.issue("old", Purpose::Peer, Validity::Expired);
    issued.unwrap().certificate_pem
}

/// They begin like what they should be, and nobody could use them.
#[test]
fn certificates_and_keys_that_only_look_like_some() {
    let legacy = "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA";
    type Change = fn(&str) -> String;
    let rows: [(&str, &str, Change); 9] = [
        ("key-encrypted", "client.key", |_| {
            pem("ENCRYPTED PRIVATE KEY", "AAAA")
        }),
        ("key-of-openssh", "client.key", |_| {
            pem("OPENSSH PRIVATE KEY", "AAAA")
        }),
        ("key-cut-off", "client.key", cut),
        ("key-damaged", "client.key", |_| pem("PRIVATE KEY", "AAAA")),
        ("certificate-cut-off", "client.crt", cut),
        ("certificate-damaged", "client.crt", |_| {
            pem("CERTIFICATE", "AAAA")
        }),
        ("certificate-of-openssl-alone", "client.crt", |text| {
            text.replace("CERTIFICATE-----", "TRUSTED CERTIFICATE-----")
        }),
        ("ca-empty", "ca.crt", |_| pem("CERTIFICATE", "")),
        ("ca-half-of-a-second", "ca.crt", |text| {
            format!("{text}{}", cut(text))
        }),
    ];
    let check = |case: &Case, file: &str, change: &dyn Fn(&str) -> String| {
        std::fs::copy(
            case.world.scratch.join("client.crt"),
            case.world.scratch.join("ca.crt"),
        )
        .unwrap();
        let text = std::fs::read_to_string(case.world.scratch.join(file)).unwrap();
        case.put(file, change(&text));
        cluster(
            case,
            &["ca: {valueFrom: {file: ../ca.crt}}", CERTIFICATE, KEY],
        );
        case.refused(64, &CHECK);
        case.refused(64, &["run", "s1"]);
    };
    for (name, file, change) in rows {
        check(&with_certificate(name), file, &change);
    }
    let case = with_certificate("key-encrypted-in-the-old-way");
    check(&case, "client.key", &|_| pem("RSA PRIVATE KEY", legacy));
}

/// A run goes on while the members' own certificates are good; whoever looks ahead is told.
#[test]
fn authorities_whose_time_is_over() {
    for (name, text) in [
        ("ca-expired", expired()),
        ("ca-all-expired", expired() + &expired()),
    ] {
        let case = with_certificate(name);
        case.put("ca.crt", text);
        cluster(
            &case,
            &["ca: {valueFrom: {file: ../ca.crt}}", CERTIFICATE, KEY],
        );
        case.refused(64, &CHECK);
    }
}

/// The certificate is right, the key is another one's.
#[test]
fn a_key_that_does_not_fit_its_certificate() {
    let mut case = Case::new("key-of-another-certificate", World::of(shared_cluster()));
    let authority = Authority::new("other").unwrap();
    let other = authority.issue("me", Purpose::Client, Validity::Now);
    let files = other.unwrap().write(case.world.scratch.path(), "other");
    let key = files.unwrap().key;
    case.secret_file("the other key", &key);
    let right = case.world.cluster.as_ref().unwrap().client_certificate();
    let right = right.unwrap().key.display().to_string();
    case.edit(CLUSTER, &right, &key.display().to_string());
    // Read and never shown, whatever goes wrong before it is used.
    case.env("ETCD_PASSWORD", "correct horse battery");
    cluster(
        &case,
        &[
            "username: me",
            "password: {valueFrom: {env: ETCD_PASSWORD}}",
        ],
    );
    case.refused(64, &CHECK);
    case.refused(64, &["run", "s1"]);
}

#[test]
fn signing_keys_that_cannot_sign() {
    let case = Case::new("signing-key-missing", World::alone());
    std::fs::remove_file(case.world.scratch.join("signing.key")).unwrap();
    case.refused(64, &CHECK);

    let case = Case::new("signing-key-malformed", World::alone());
    let text = std::fs::read_to_string(case.world.scratch.join("signing.key")).unwrap();
    case.put("signing.key", &text[..text.len() - 40]);
    case.refused(64, &CHECK);

    let case = Case::new("signing-key-is-public", World::alone());
    case.edit(NODE, "file: signing.key", "file: signing.key.pub");
    case.refused(64, &CHECK);

    let case = Case::new("signing-key-is-an-identity", World::alone());
    case.edit(NODE, "file: signing.key", "file: sealing.key");
    case.refused(64, &CHECK);

    let case = Case::new("signing-key-encrypted", World::alone());
    case.put("signing.key", encrypted_key());
    case.refused(64, &CHECK);
}

/// A secret key file as minisign writes it with a password: `Sc` says that the rest is
/// under scrypt. Its bytes need open nothing.
fn encrypted_key() -> String {
    use base64::Engine as _;
    let mut bytes = vec![7; 158];
    bytes[..6].copy_from_slice(b"EdScB2");
    let line = base64::prelude::BASE64_STANDARD.encode(bytes);
    format!("untrusted comment: minisign encrypted secret key\n{line}\n")
}

#[test]
fn trusted_signers_that_are_none() {
    let case = Case::new("trusted-signer-damaged", World::alone());
    let text = std::fs::read_to_string(case.world.scratch.join("signing.key.pub")).unwrap();
    let line = text.lines().last().unwrap();
    let text = format!("  grants: [grants]\n  trustedSigners: [{}]\n", &line[..50]);
    case.edit(NODE, "  grants: [grants]\n", &text);
    case.refused(64, &CHECK);
}

#[test]
fn recipients_that_cannot_be_sealed_to() {
    let own = |case: &Case| {
        let text = std::fs::read_to_string(case.world.scratch.join("sealing.key.pub")).unwrap();
        text.trim().to_owned()
    };
    let mut case = Case::new("recipient-malformed", World::alone());
    let recipient = own(&case);
    case.hide(&recipient[..20], "<recipient>");
    // Another last character, whichever it is: the checksum does not fit.
    let last = if recipient.ends_with('x') { 'q' } else { 'x' };
    case.edit(
        TARGET,
        &recipient,
        &format!("{}{last}", &recipient[..recipient.len() - 1]),
    );
    case.refused(64, &CHECK);

    let case = Case::new("recipient-of-unsupported-kind", World::alone());
    case.edit(
        TARGET,
        &own(&case),
        "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQ me",
    );
    case.refused(64, &CHECK);

    let case = Case::new("recipient-is-private", World::alone());
    let identity = std::fs::read_to_string(case.world.scratch.join("sealing.key")).unwrap();
    case.edit(TARGET, &own(&case), identity.lines().last().unwrap());
    case.refused(64, &CHECK);

    let case = Case::new("recipient-file-is-private", World::alone());
    case.edit(TARGET, &own(&case), "{valueFrom: {file: ../sealing.key}}");
    case.refused(64, &CHECK);

    let case = Case::new("recipient-file-missing", World::alone());
    case.edit(
        TARGET,
        &own(&case),
        "{valueFrom: {file: ../recipients.txt}}",
    );
    case.refused(64, &CHECK);

    let case = Case::new("recipient-file-names-none", World::alone());
    case.put("recipients.txt", "# ours\n\n");
    case.edit(
        TARGET,
        &own(&case),
        "{valueFrom: {file: ../recipients.txt}}",
    );
    case.refused(64, &CHECK);
}

/// etcd's data is secret: without a recipient nothing of it is written anywhere.
#[test]
fn a_secret_artifact_without_a_recipient() {
    let mut world = World::new();
    world.sealed = false;
    world.write();
    let case = Case::new("recipient-missing", world);
    case.refused(1, &["run", "s1"]);
}

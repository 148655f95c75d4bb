use drydock_testkit::pki::{Authority, Issued, Purpose, Validity};

use super::*;

const NOW: UnixTime = UnixTime(1_767_323_040);

/// An authority, and a pair that it issued, as files have them.
struct Files {
    ca: String,
    certificate: String,
    key: String,
}

fn issued(purpose: Purpose, validity: Validity) -> (Authority, Issued) {
    let authority = Authority::new("an authority").unwrap();
    let issued = authority.issue("me", purpose, validity).unwrap();
    (authority, issued)
}

fn files_of(authority: &Authority, issued: &Issued) -> Files {
    let folder = drydock_testkit::Scratch::new().unwrap();
    let written = issued.write(folder.path(), "client").unwrap();
    Files {
        ca: authority.pem(),
        certificate: issued.certificate_pem.clone(),
        key: std::fs::read_to_string(written.key).unwrap(),
    }
}

fn sound() -> Files {
    let (authority, issued) = issued(Purpose::Client, Validity::Now);
    files_of(&authority, &issued)
}

impl Files {
    /// What is wrong, as `PART: predicate`.
    fn told(&self) -> Option<String> {
        let pair = (self.certificate.as_bytes(), self.key.as_bytes());
        let judged = judge(Some(self.ca.as_bytes()), Some(pair), NOW);
        judged
            .err()
            .map(|Unsound { part, why }| format!("{part:?}: {why}"))
    }

    fn with(&self, part: Part, text: String) -> Self {
        let mut files = Self {
            ca: self.ca.clone(),
            certificate: self.certificate.clone(),
            key: self.key.clone(),
        };
        *match part {
            Part::Authorities => &mut files.ca,
            Part::Certificate => &mut files.certificate,
            Part::Key => &mut files.key,
        } = text;
        files
    }
}

/// The same block with other contents.
fn block(label: &str, body: &str) -> String {
    format!("{BEGIN}{label}{DASHES}\n{body}\n{END}{label}{DASHES}\n")
}

#[test]
fn sound_ones_are_taken_whatever_stands_around_them() {
    let files = sound();
    assert_eq!(files.told(), None);
    assert_eq!(judge(None, None, NOW), Ok(()));
    let several = format!("# ours\r\n{}\n# theirs\n{}", files.ca, sound().ca);
    assert_eq!(files.with(Part::Authorities, several).told(), None);
    let chain = format!("{}{}", files.certificate, files.ca);
    assert_eq!(files.with(Part::Certificate, chain).told(), None);
    // The parameters of a curve before its key, as openssl writes them; a file with both.
    let together = format!(
        "{}{}{}",
        block("EC PARAMETERS", "BggqhkjOPQMBBw=="),
        files.certificate,
        files.key
    );
    let both = files
        .with(Part::Certificate, together.clone())
        .with(Part::Key, together);
    assert_eq!(both.told(), None);
    let no_line_break = files.with(Part::Key, files.key.trim_end().to_owned());
    assert_eq!(no_line_break.told(), None);
}

#[test]
fn every_cut_is_found() {
    let files = sound();
    for (part, text) in [
        (Part::Authorities, &files.ca),
        (Part::Certificate, &files.certificate),
        (Part::Key, &files.key),
    ] {
        let lines: Vec<&str> = text.trim_end().lines().collect();
        for end in 0..lines.len() {
            let told = files.with(part, lines[..end].join("\n")).told();
            let told = told.unwrap_or_else(|| panic!("{part:?} cut at line {end} is taken"));
            let why = match end {
                0 => "holds no ",
                _ => "is cut off, since its PEM block number 1 has no end",
            };
            assert!(told.starts_with(&format!("{part:?}: {why}")), "{told}");
        }
        // Half of one, and a whole one behind it.
        let half = format!("{}\n{text}", lines[..2].join("\n"));
        assert!(files.with(part, half).told().is_some(), "{part:?}");
        let behind = format!("{text}{}", lines[..2].join("\n"));
        assert!(files.with(part, behind).told().is_some(), "{part:?}");
    }
}

/// A part, what stands in its place, and how the complaint begins.
type Look = (Part, String, &'static str);

const OPENSSL: &str = "holds a TRUSTED CERTIFICATE, which is a form that OpenSSL alone reads";

fn trusted(text: &str) -> String {
    text.replace("CERTIFICATE-----", "TRUSTED CERTIFICATE-----")
}

fn like_certificates(files: &Files) -> Vec<Look> {
    vec![
        (Part::Authorities, String::new(), "holds no certificate"),
        (
            Part::Authorities,
            block("CERTIFICATE", ""),
            "holds no usable certificate in its PEM block number 1",
        ),
        (
            Part::Authorities,
            block("CERTIFICATE", "AAAA"),
            "holds no usable certificate",
        ),
        (
            Part::Authorities,
            block("CERTIFICATE", "!"),
            "is damaged, since a PEM block of it is not base64",
        ),
        (
            Part::Authorities,
            format!("{}{}", files.ca, block("CERTIFICATE", "AAAA")),
            "holds no usable certificate in its PEM block number 2",
        ),
        (Part::Authorities, trusted(&files.ca), OPENSSL),
        (
            Part::Authorities,
            files.key.clone(),
            "holds a PRIVATE KEY and no certificate",
        ),
        (
            Part::Authorities,
            block("CERTIFICATE REQUEST", "AAAA"),
            "holds a CERTIFICATE REQUEST and no certificate",
        ),
        (Part::Certificate, trusted(&files.certificate), OPENSSL),
        (
            Part::Certificate,
            block("CERTIFICATE", "AAAA"),
            "holds no usable certificate",
        ),
    ]
}

fn like_keys(files: &Files) -> Vec<Look> {
    let (_, other) = issued(Purpose::Client, Validity::Now);
    let other_key = files_of(&Authority::new("another").unwrap(), &other).key;
    let legacy = "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA";
    let encrypted = "is encrypted, and nobody is there to type its passphrase";
    vec![
        (Part::Key, block("ENCRYPTED PRIVATE KEY", "AAAA"), encrypted),
        (Part::Key, block("RSA PRIVATE KEY", legacy), encrypted),
        (
            Part::Key,
            block("OPENSSH PRIVATE KEY", "AAAA"),
            "is a key of OpenSSH",
        ),
        (
            Part::Key,
            block("PRIVATE KEY", "AAAA"),
            "is damaged, or a key of a kind",
        ),
        (
            Part::Key,
            block("PRIVATE KEY", "!"),
            "is damaged, since a PEM block",
        ),
        (
            Part::Key,
            block("PUBLIC KEY", "AAAA"),
            "holds a PUBLIC KEY and no private key",
        ),
        (
            Part::Key,
            files.certificate.clone(),
            "holds a CERTIFICATE and no private key",
        ),
        (
            Part::Key,
            other_key,
            "is not the private key of the certificate beside it",
        ),
    ]
}

#[test]
fn what_only_looks_like_one_is_told() {
    let files = sound();
    for (part, text, why) in like_certificates(&files)
        .into_iter()
        .chain(like_keys(&files))
    {
        let told = files.with(part, text.clone()).told().unwrap_or_default();
        assert!(
            told.starts_with(&format!("{part:?}: {why}")),
            "{text}: {told}"
        );
        let body = files.key.lines().nth(1).unwrap();
        assert!(!told.contains(body), "a key is told: {told}");
    }
}

#[test]
fn a_certificate_has_to_be_valid_now_and_for_a_client() {
    let table = [
        (Purpose::Client, Validity::Now, None),
        (Purpose::Peer, Validity::Now, None),
        (
            Purpose::Client,
            Validity::Expired,
            Some("expired on 2021-01-01: renew it, and see that this node's clock is right"),
        ),
        (
            Purpose::Client,
            Validity::NotYet,
            Some("is not valid before 2089-01-01: set this node's clock, or issue it anew"),
        ),
        (
            Purpose::Server,
            Validity::Now,
            Some(
                "is for servers alone, since its extended key usage lacks clientAuth: give one that a client may show",
            ),
        ),
    ];
    for (purpose, validity, expected) in table {
        let (authority, pair) = issued(purpose, validity);
        let expected = expected.map(|why| format!("Certificate: {why}"));
        assert_eq!(files_of(&authority, &pair).told(), expected, "{purpose:?}");
        // Whoever issued it.
        let (other, _) = issued(Purpose::Client, Validity::Now);
        assert_eq!(files_of(&other, &pair).told(), expected, "{purpose:?}");
    }
}

/// Beyond the time of every authority and certificate here.
const LATER: UnixTime = UnixTime(4_000_000_000);

#[test]
fn one_authority_at_least_has_to_be_valid_now() {
    let (authority, pair) = issued(Purpose::Client, Validity::Now);
    let now = authority.pem();
    // What stands in the file need not say of itself that it is an authority.
    let of = |validity| {
        authority
            .issue("a", Purpose::Peer, validity)
            .unwrap()
            .certificate_pem
    };
    let (expired, not_yet) = (of(Validity::Expired), of(Validity::NotYet));
    let mend = "renew it, and see that this node's clock is right";
    let set = "set this node's clock, or issue it anew";
    let none = "holds 2 authorities of which none is valid now; the newest ";
    let table = [
        (now.clone(), NOW, None),
        (
            expired.clone(),
            NOW,
            Some(format!("expired on 2021-01-01: {mend}")),
        ),
        (
            not_yet.clone(),
            NOW,
            Some(format!("is not valid before 2089-01-01: {set}")),
        ),
        // An authority that says so, long after its time.
        (
            now.clone(),
            LATER,
            Some(format!("expired on 2090-01-01: {mend}")),
        ),
        (format!("{expired}{now}"), NOW, None),
        (format!("{now}{expired}"), NOW, None),
        (
            format!("{now}{expired}"),
            LATER,
            Some(format!("{none}expired on 2090-01-01: {mend}")),
        ),
        (
            format!("{not_yet}{expired}"),
            NOW,
            Some(format!("{none}is not valid before 2089-01-01: {set}")),
        ),
    ];
    for (pem, at, expected) in table {
        let told = judge_authorities_time(pem.as_bytes(), at).err();
        let expected = expected.map(|why| Unsound {
            part: Part::Authorities,
            why,
        });
        assert_eq!(told, expected);
    }
    // A connection is made with them all the same.
    let mut files = files_of(&authority, &pair);
    files.ca = expired;
    assert_eq!(files.told(), None);
}

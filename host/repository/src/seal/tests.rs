use std::sync::Arc;

use drydock_testkit::ssh::SshKey;
use proptest::prelude::*;

use super::*;
use crate::digest::Sha256;
use crate::keys::NewSealingKey;

fn age_pair() -> (Recipient, Identities) {
    let key = NewSealingKey::generate(drydock_core::UnixTime(0));
    let recipient = Recipient::parse(&key.recipient).unwrap();
    (
        recipient,
        Identities::parse("id", key.identity.expose()).unwrap(),
    )
}

fn ssh_pair() -> (Recipient, Identities) {
    let key = SshKey::from_seed([3; 32]);
    let recipient = Recipient::parse(&key.public_line("test")).unwrap();
    (
        recipient,
        Identities::parse("id", &key.private_file()).unwrap(),
    )
}

fn measure(bytes: &[u8]) -> Measure {
    Measure {
        size: bytes.len() as u64,
        sha256: Sha256::of(bytes),
    }
}

/// Text that compresses, with a bit of noise.
fn sample(length: usize) -> Vec<u8> {
    let words = (0..).flat_map(|n: u64| format!("key-{n:x}-{};", n * n % 977).into_bytes());
    words.take(length).collect()
}

fn seal(
    plain: &[u8],
    chunk: usize,
    recipients: &[Recipient],
    options: Options,
) -> (Vec<u8>, Measure) {
    let mut sealer = Sealer::new(Vec::new(), recipients, options).unwrap();
    for piece in plain.chunks(chunk) {
        sealer.write_all(piece).unwrap();
    }
    assert_eq!(sealer.plain_bytes(), plain.len() as u64);
    sealer.finish().unwrap()
}

fn open(sealed: &[u8], sealing: Sealing, identities: &Identities) -> io::Result<Vec<u8>> {
    let mut plain = Vec::new();
    unseal(sealed, sealing, identities)
        .map_err(io::Error::other)?
        .read_to_end(&mut plain)?;
    Ok(plain)
}

#[test]
fn each_recipient_opens_what_was_sealed_to_both() {
    let ((age, age_identity), (ssh, ssh_identity)) = (age_pair(), ssh_pair());
    let plain = sample(300_000);
    let (bytes, sealed) = seal(&plain, 4096, &[age, ssh], Options::default());
    assert_eq!(sealed, measure(&bytes));
    assert!(bytes.len() < plain.len() / 2);
    assert!(bytes.starts_with(b"age-encryption.org/v1\n"));
    for identity in [age_identity, ssh_identity] {
        assert_eq!(open(&bytes, Sealing::Age, &identity).unwrap(), plain);
    }
}

#[test]
fn without_recipients_it_is_a_plain_zstd_file() {
    let plain = sample(100_000);
    let (bytes, _) = seal(&plain, 777, &[], Options::default());
    assert_eq!(bytes[..4], [0x28, 0xb5, 0x2f, 0xfd]);
    assert_eq!(
        open(&bytes, Sealing::None, &Identities::none()).unwrap(),
        plain
    );
}

#[test]
fn an_identity_that_does_not_fit_says_so_in_one_sentence() {
    let (bytes, _) = seal(b"x", 1, &[age_pair().0], Options::default());
    let refusal = |identities: &Identities| {
        let error = unseal(bytes.as_slice(), Sealing::Age, identities)
            .err()
            .unwrap();
        error.to_string()
    };
    for other in [age_pair().1, ssh_pair().1] {
        assert_eq!(
            refusal(&other),
            "none of the identities opens this artifact: give the secret key of one of the recipients it was sealed to"
        );
    }
    assert_eq!(
        refusal(&Identities::none()),
        "the artifact is sealed and no identity was given: give the secret key of a recipient"
    );
}

#[test]
fn a_torso_is_refused() {
    let (recipient, identities) = age_pair();
    let plain = sample(400_000);
    for (recipients, sealing) in [(vec![recipient], Sealing::Age), (vec![], Sealing::None)] {
        let (bytes, _) = seal(&plain, 65536, &recipients, Options::default());
        for cut in [1, 10, bytes.len() / 2] {
            let torso = &bytes[..bytes.len() - cut];
            assert!(
                open(torso, sealing, &identities).is_err(),
                "{sealing:?} without {cut}"
            );
        }
    }
}

#[test]
fn a_flipped_bit_is_refused() {
    let (recipient, identities) = age_pair();
    let plain = sample(400_000);
    for (recipients, sealing) in [(vec![recipient], Sealing::Age), (vec![], Sealing::None)] {
        let (bytes, _) = seal(&plain, 65536, &recipients, Options::default());
        let mut damaged = bytes.clone();
        damaged[bytes.len() / 2] ^= 1;
        assert!(open(&damaged, sealing, &identities).is_err(), "{sealing:?}");
    }
}

/// Lets the test look at what has come through while the sealer still holds it.
#[derive(Clone, Default)]
struct Shared(Arc<std::sync::Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn sealed_bytes_come_out_while_the_stream_goes_on() {
    let seen = Shared::default();
    let options = Options {
        level: 1,
        workers: 0,
    };
    let mut sealer = Sealer::new(seen.clone(), &[age_pair().0], options).unwrap();
    let header = sealer.sealed_bytes();
    assert!(header > 0);
    let mut noise = Sha256::of(b"noise").0.to_vec();
    while noise.len() < 2_000_000 {
        noise.extend(Sha256::of(&noise[noise.len() - 32..]).0);
    }
    sealer.write_all(&noise).unwrap();
    assert!(sealer.sealed_bytes() > 1_500_000);
    assert_eq!(sealer.sealed_bytes(), seen.0.lock().unwrap().len() as u64);
}

#[test]
fn a_writer_that_fails_stops_the_sealer() {
    let full = || io::Cursor::new([0_u8; 500].to_vec().into_boxed_slice());
    let options = Options {
        level: 1,
        workers: 1,
    };
    let mut sealer = Sealer::new(full(), &[age_pair().0], options).unwrap();
    let written = sealer.write_all(&sample(1_000_000));
    assert!(written.is_err() || sealer.finish().is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// The pieces in which bytes arrive leave no trace.
    #[test]
    fn any_chunk_size_gives_the_same_bytes_back(
        length in 0_usize..200_000,
        chunk in 1_usize..65_536,
        workers in 0_u32..3,
        with_age in any::<bool>(),
    ) {
        let plain = sample(length);
        let (recipient, identities) = age_pair();
        let recipients = if with_age { vec![recipient] } else { vec![] };
        let options = Options { level: 1, workers };
        let (bytes, sealed) = seal(&plain, chunk, &recipients, options);
        prop_assert_eq!(sealed, measure(&bytes));
        let opened = open(&bytes, Sealing::of(&recipients), &identities).unwrap();
        prop_assert_eq!(opened, plain);
    }
}

use drydock_plugin_sdk::ItemAttribute;

use super::*;

fn item() -> Item {
    Item {
        path: Vec::new(),
        kind: ItemKind::File,
        size: 5,
        mode: 0o4640,
        user_id: 12,
        group_id: 34,
        modified_seconds: 1_700_000_000,
        modified_nanoseconds: 0,
        identity: (1, 2),
        names: 1,
        link: Vec::new(),
        attributes: Vec::new(),
        version: Vec::new(),
        trouble: None,
    }
}

fn entry<'a>(path: &'a [u8], kind: Kind<'a>, item: &'a Item) -> Vec<u8> {
    Entry { path, kind, item }.header()
}

#[test]
fn a_plain_file_takes_one_block() {
    let header = entry(b"etc/ca.crt", Kind::File, &item());
    assert_eq!(header.len(), BLOCK_BYTES);
    assert_eq!(&header[..11], b"etc/ca.crt\0");
    assert_eq!(&header[100..108], b"0004640\0");
    assert_eq!(&header[124..136], b"00000000005\0");
    assert_eq!(&header[136..148], b"14524770400\0");
    assert_eq!(&header[257..265], b"ustar\x0000");
    assert_eq!(&header[154..156], b"\0 ");
}

#[test]
fn long_names_are_split_and_longer_ones_recorded() {
    let name = [b"d".repeat(120), b"n".repeat(90)].join(&b'/');
    let header = entry(&name, Kind::File, &item());
    assert_eq!(header.len(), BLOCK_BYTES);
    assert_eq!(
        (&header[..90], &header[345..465]),
        (&name[121..], &name[..120])
    );
    let name = b"n".repeat(101);
    let header = entry(&name, Kind::File, &item());
    assert_eq!(header.len(), 3 * BLOCK_BYTES);
    assert!(header[512..].starts_with(&[b"111 path=", name.as_slice(), b"\n"].concat()));
    let link = b"l".repeat(200);
    let header = entry(b"a", Kind::SymbolicLink(&link), &item());
    assert!(header[512..].starts_with(b"214 linkpath=lll"));
}

#[test]
fn what_ustar_cannot_say_stands_in_records() {
    let item = Item {
        size: LARGE_MAX + 1,
        user_id: 4_000_000_000,
        modified_seconds: -2,
        modified_nanoseconds: 750_000_000,
        attributes: vec![ItemAttribute {
            name: b"user.a=%".to_vec(),
            value: b"\n\0".to_vec(),
        }],
        ..item()
    };
    let header = entry(b"a", Kind::File, &item);
    let records = "19 size=8589934592\n18 uid=4000000000\n15 mtime=-1.25\n32 SCHILY.xattr.user.a%3D%25=\n\0\n";
    let found = String::from_utf8_lossy(&header[512..512 + records.len()]);
    assert_eq!(found, records);
    assert_eq!(
        entry(
            b"a",
            Kind::HardLink(b"b"),
            &Item {
                modified_nanoseconds: 0,
                modified_seconds: 1,
                user_id: 1,
                ..item
            }
        )
        .len(),
        BLOCK_BYTES
    );
}

/// A length that counts itself may get longer by that.
#[test]
fn records_count_their_own_length() {
    for length in [1, 5, 90, 91, 92, 93, 94, 95, 990, 991, 992, 993, 994] {
        let mut records = Vec::new();
        record(&mut records, b"k", &b"v".repeat(length));
        let said = str::from_utf8(&records).unwrap().split(' ').next().unwrap();
        assert_eq!(said.parse::<usize>().unwrap(), records.len());
    }
}

#[test]
fn files_are_padded_to_whole_blocks() {
    assert_eq!([0, 1, 511, 512, 513].map(padding), [0, 511, 1, 0, 511]);
}

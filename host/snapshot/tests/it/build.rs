//! Snapshots built by hand, of any page size.

use sha2::{Digest, Sha256};

const HEAD: usize = 16;

/// A whole snapshot of one row, built by hand: two metas, the root with the
/// buckets `key` and `meta`, and one leaf that is as long as its value.
pub fn built(page_bytes: usize, value_bytes: usize) -> Vec<u8> {
    built_of(page_bytes, "k", value_bytes)
}

/// The same with a row of this key in revision 9.
pub fn built_of(page_bytes: usize, user_key: &str, value_bytes: usize) -> Vec<u8> {
    let value = put(user_key.as_bytes(), &vec![b'v'; value_bytes]);
    built_rows(page_bytes, &[(9, value)])
}

/// The message of a row that puts a value under a key.
pub fn put(user_key: &[u8], value: &[u8]) -> Vec<u8> {
    let mut message = vec![0x0a];
    message.extend(varint(user_key.len()));
    message.extend(user_key);
    message.push(0x2a);
    message.extend(varint(value.len()));
    message.extend(value);
    message
}

/// A whole snapshot of one leaf with a row for each revision and message.
pub fn built_rows(page_bytes: usize, messages: &[(u64, Vec<u8>)]) -> Vec<u8> {
    let key = |revision: &u64| [&revision.to_be_bytes()[..], b"_", &[0; 8]].concat();
    let keys: Vec<_> = messages.iter().map(|(revision, _)| key(revision)).collect();
    let entries: Vec<_> = keys
        .iter()
        .zip(messages)
        .map(|(key, (_, message))| (0, &key[..], &message[..]))
        .collect();
    let rows = leaf(3, page_bytes, &entries);
    let tree = [3_u64, 0].map(u64::to_le_bytes).concat();
    let meta_pairs = inline(&[(b"consistent_index", &9_u64.to_be_bytes())]);
    let root = leaf(
        2,
        page_bytes,
        &[(1, b"key", &tree), (1, b"meta", &meta_pairs)],
    );
    let pages = 3 + rows.len() / page_bytes;
    let metas = [0, 1]
        .map(|number| meta(number, page_bytes, pages))
        .concat();
    let body = [metas, root, rows].concat();
    let hash = Sha256::digest(&body);
    [body, hash.to_vec()].concat()
}

/// A whole snapshot of `count` small rows, one a revision from 2 on, in leaves and
/// branches that are filled to the last element that fits.
pub fn grown(page_bytes: usize, count: u64) -> Vec<u8> {
    let rows: Vec<(Vec<u8>, Vec<u8>)> = (2..2 + count).map(row).collect();
    let mut pages = Vec::new();
    let mut level = leaves(page_bytes, &rows, &mut pages);
    while level.len() > 1 {
        level = branches(page_bytes, &level, &mut pages);
    }
    let root_of_rows = level.first().map_or(0, |(_, page)| *page);
    let tree = [root_of_rows, 0].map(u64::to_le_bytes).concat();
    let empty = inline(&[]);
    let key = if rows.is_empty() { &empty } else { &tree };
    let meta_pairs = inline(&[(b"consistent_index", &9_u64.to_be_bytes())]);
    let root = leaf(
        2,
        page_bytes,
        &[(1, b"key", key), (1, b"meta", &meta_pairs)],
    );
    let body_pages = FIRST as usize + pages.len() / page_bytes;
    let metas = [0, 1].map(|number| meta(number, page_bytes, body_pages));
    let body = [metas.concat(), root, pages].concat();
    let hash = Sha256::digest(&body);
    [body, hash.to_vec()].concat()
}

/// Keys with their values.
pub type Pairs<'a> = &'a [(&'a [u8], &'a [u8])];

/// A whole, sound bbolt file of these buckets, in the order of their names, each with its
/// pairs, and with the trailer of a snapshot.
pub fn of_buckets(buckets: &[(&str, Pairs<'_>)]) -> Vec<u8> {
    let buckets: Vec<_> = buckets
        .iter()
        .map(|(name, pairs)| (name.as_bytes(), inline(pairs)))
        .collect();
    let entries: Vec<_> = buckets
        .iter()
        .map(|(name, pairs)| (1, *name, pairs.as_slice()))
        .collect();
    let root = leaf(2, 4096, &entries);
    let pages = 2 + root.len() / 4096;
    let metas = [0, 1].map(|number| meta(number, 4096, pages)).concat();
    let body = [metas, root].concat();
    let hash = Sha256::digest(&body);
    [body, hash.to_vec()].concat()
}

/// A whole file of one bucket, in which there is another one, with a page each.
pub fn nested_bucket(name: &str) -> Vec<u8> {
    let tree = |page: u64| [page, 0].map(u64::to_le_bytes).concat();
    let root = leaf(2, 4096, &[(1, name.as_bytes(), &tree(3))]);
    let outer = leaf(3, 4096, &[(1, b"namespaces", &tree(4))]);
    let inner = leaf(4, 4096, &[(0, b"a", b"b")]);
    let metas = [0, 1].map(|number| meta(number, 4096, 5)).concat();
    let body = [metas, root, outer, inner].concat();
    let hash = Sha256::digest(&body);
    [body, hash.to_vec()].concat()
}

/// The value of a bucket that is small enough to have no page of its own.
fn inline(pairs: &[(&[u8], &[u8])]) -> Vec<u8> {
    let bytes: usize = pairs.iter().map(|(k, v)| HEAD + k.len() + v.len()).sum();
    let entries: Vec<_> = pairs.iter().map(|(k, v)| (0, *k, *v)).collect();
    [vec![0; 16], leaf(0, HEAD + bytes, &entries)].concat()
}

/// The page behind the metas and the root.
const FIRST: u64 = 3;

fn row(revision: u64) -> (Vec<u8>, Vec<u8>) {
    let key = [&revision.to_be_bytes()[..], b"_", &[0; 8]].concat();
    let user_key = format!("/k/{revision:08}");
    let mut value = vec![0x0a, user_key.len() as u8];
    value.extend(user_key.as_bytes());
    for field in [0x10, 0x18] {
        value.push(field);
        value.extend(varint(revision as usize));
    }
    value.extend([0x20, 1, 0x2a, 3]);
    value.extend(b"val");
    (key, value)
}

/// Lays rows into leaves behind `pages`; gives the first key and page of each.
fn leaves(
    page_bytes: usize,
    rows: &[(Vec<u8>, Vec<u8>)],
    pages: &mut Vec<u8>,
) -> Vec<(Vec<u8>, u64)> {
    let mut level = Vec::new();
    let mut rest = rows;
    while !rest.is_empty() {
        let bytes = |(key, value): &(Vec<u8>, Vec<u8>)| HEAD + key.len() + value.len();
        let (now, later) = rest.split_at(fitting(page_bytes, rest.iter().map(bytes)));
        let page = FIRST + (pages.len() / page_bytes) as u64;
        let entries: Vec<_> = now.iter().map(|(k, v)| (0, &k[..], &v[..])).collect();
        pages.extend(leaf(page, page_bytes, &entries));
        level.push((now[0].0.clone(), page));
        rest = later;
    }
    level
}

fn branches(
    page_bytes: usize,
    children: &[(Vec<u8>, u64)],
    pages: &mut Vec<u8>,
) -> Vec<(Vec<u8>, u64)> {
    let mut level = Vec::new();
    let mut rest = children;
    while !rest.is_empty() {
        let mut count = fitting(page_bytes, rest.iter().map(|(key, _)| HEAD + key.len()));
        if rest.len() - count == 1 {
            // No branch may have one child only.
            count -= 1;
        }
        let (now, later) = rest.split_at(count);
        let page = FIRST + (pages.len() / page_bytes) as u64;
        pages.extend(branch(page, page_bytes, now));
        level.push((now[0].0.clone(), page));
        rest = later;
    }
    level
}

/// How many elements of these sizes fit into a page, at least one.
fn fitting(page_bytes: usize, sizes: impl Iterator<Item = usize>) -> usize {
    let ends = sizes.scan(HEAD, |end, bytes| {
        *end += bytes;
        Some(*end)
    });
    ends.take_while(|end| *end <= page_bytes).count().max(1)
}

fn branch(page: u64, page_bytes: usize, children: &[(Vec<u8>, u64)]) -> Vec<u8> {
    let mut table = Vec::new();
    let mut data = Vec::new();
    for (index, (key, child)) in children.iter().enumerate() {
        let position = (children.len() - index) * HEAD + data.len();
        table.extend((position as u32).to_le_bytes());
        table.extend((key.len() as u32).to_le_bytes());
        table.extend(child.to_le_bytes());
        data.extend(key);
    }
    let head = [
        &page.to_le_bytes()[..],
        &[1, 0],
        &(children.len() as u16).to_le_bytes(),
        &[0; 4],
    ];
    let mut run = [head.concat(), table, data].concat();
    run.resize(page_bytes, 0);
    run
}

fn meta(number: u64, page_bytes: usize, pages: usize) -> Vec<u8> {
    let meta = [
        &0xED0C_DAED_u32.to_le_bytes()[..],
        &2_u32.to_le_bytes(),
        &(page_bytes as u32).to_le_bytes(),
        &[0; 4],
        &2_u64.to_le_bytes(),
        &[0; 8],
        &u64::MAX.to_le_bytes(),
        &(pages as u64).to_le_bytes(),
        &(9 - number).to_le_bytes(),
    ]
    .concat();
    let checksum = meta.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let head = [&number.to_le_bytes()[..], &[4, 0, 0, 0, 0, 0, 0, 0]].concat();
    let mut page = [head, meta, checksum.to_le_bytes().to_vec()].concat();
    page.resize(page_bytes, 0);
    page
}

fn leaf(page: u64, page_bytes: usize, entries: &[(u32, &[u8], &[u8])]) -> Vec<u8> {
    let mut table = Vec::new();
    let mut data = Vec::new();
    for (index, (flags, key, value)) in entries.iter().enumerate() {
        let position = (entries.len() - index) * HEAD + data.len();
        let fields = [
            *flags,
            position as u32,
            key.len() as u32,
            value.len() as u32,
        ];
        table.extend(fields.map(u32::to_le_bytes).concat());
        data.extend([*key, *value].concat());
    }
    let bytes = (HEAD + table.len() + data.len()).next_multiple_of(page_bytes);
    let overflow = (bytes / page_bytes - 1) as u32;
    let count = entries.len() as u16;
    let head = [
        &page.to_le_bytes()[..],
        &[2, 0],
        &count.to_le_bytes(),
        &overflow.to_le_bytes(),
    ];
    let mut run = [head.concat(), table, data].concat();
    run.resize(bytes, 0);
    run
}

fn varint(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

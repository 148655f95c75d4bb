//! Comparing everything that two clusters hold.

use anyhow::{Context, Result, ensure};
use etcd_client::{Client, GetOptions, KeyValue};

/// Keys of one answer: a thousand objects are some megabytes at most.
const KEYS_MAX: i64 = 1_000;

/// The first key there can be; etcd knows no empty key.
const FIRST_KEY: &[u8] = &[0];

/// Compares all keys, values, revisions, versions and leases at `revision`, and returns
/// how many keys there are.
///
/// # Errors
/// At the first difference, which is named.
pub async fn compare(before: &mut Client, after: &mut Client, revision: i64) -> Result<usize> {
    let mut from = FIRST_KEY.to_vec();
    let mut compared = 0;
    loop {
        let left = page(before, &from, revision).await?;
        let right = page(after, &from, revision).await?;
        ensure!(
            left.len() == right.len(),
            "{} keys follow {} before, but {} after",
            left.len(),
            String::from_utf8_lossy(&from),
            right.len()
        );
        for (left, right) in left.iter().zip(&right) {
            same(left, right)?;
        }
        compared += left.len();
        let Some(last) = left.last() else {
            ensure!(
                compared > 0,
                "neither cluster holds a key, so nothing was compared"
            );
            return Ok(compared);
        };
        // The next key that there can be.
        from = last.key().to_vec();
        from.push(0);
    }
}

async fn page(client: &mut Client, from: &[u8], revision: i64) -> Result<Vec<KeyValue>> {
    let options = GetOptions::new()
        .with_from_key()
        .with_limit(KEYS_MAX)
        .with_revision(revision);
    let mut answer = client
        .get(from, Some(options))
        .await
        .with_context(|| format!("cannot read the keys at revision {revision}"))?;
    Ok(answer.take_kvs())
}

fn same(left: &KeyValue, right: &KeyValue) -> Result<()> {
    let figures = |pair: &KeyValue| {
        [
            pair.create_revision(),
            pair.mod_revision(),
            pair.version(),
            pair.lease(),
        ]
    };
    let equal = left.key() == right.key()
        && left.value() == right.value()
        && figures(left) == figures(right);
    ensure!(
        equal,
        "{} differs from {} after the restore",
        String::from_utf8_lossy(left.key()),
        String::from_utf8_lossy(right.key())
    );
    Ok(())
}

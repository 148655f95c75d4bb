//! An upload or a download as a program does it that links a client of the service itself: the
//! peer of the store plugins in `cargo xtask bench stores`.
//!
//! Usage: `drydock-bench-native upload|download|delete s3|azure ENDPOINT PLACE KEY [FILE]`, with name
//! and secret in `NATIVE_ID` and `NATIVE_SECRET`. Parts, their number in flight and their
//! checksums are those of the plugins, as far as the crate has them.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use object_store::aws::{AmazonS3Builder, Checksum};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, WriteMultipart};
use tokio::io::AsyncReadExt as _;

/// As Drydock's own parts.
const PART_BYTES: usize = 8 * 1024 * 1024;

/// As the plugins have in flight if nothing is said.
const PARALLEL: usize = 4;

#[tokio::main]
async fn main() -> Result<()> {
    let provider = rustls::crypto::ring::default_provider();
    if provider.install_default().is_err() {
        bail!("another provider of TLS is installed");
    }
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["upload", service, endpoint, place, key, file] => {
            upload(&*store(service, endpoint, place)?, &Path::parse(key)?, file).await
        }
        ["download", service, endpoint, place, key, ..] => {
            download(&*store(service, endpoint, place)?, &Path::parse(key)?).await
        }
        ["delete", service, endpoint, place, key, ..] => {
            let key = Path::parse(key)?;
            Ok(store(service, endpoint, place)?.delete(&key).await?)
        }
        _ => bail!("usage: upload|download|delete s3|azure ENDPOINT PLACE KEY [FILE]"),
    }
}

fn store(service: &str, endpoint: &str, place: &str) -> Result<Arc<dyn ObjectStore>> {
    let variable = |name| std::env::var(name).with_context(|| format!("{name} is not set"));
    let (id, secret) = (variable("NATIVE_ID")?, variable("NATIVE_SECRET")?);
    Ok(match service {
        "s3" => Arc::new(
            AmazonS3Builder::new()
                .with_endpoint(endpoint)
                .with_allow_http(true)
                .with_region("us-east-1")
                .with_bucket_name(place)
                .with_access_key_id(id)
                .with_secret_access_key(secret)
                .with_checksum_algorithm(Checksum::CRC64NVME)
                .build()?,
        ),
        "azure" => Arc::new(
            MicrosoftAzureBuilder::new()
                .with_endpoint(endpoint.to_owned())
                .with_allow_http(true)
                .with_account(id)
                .with_access_key(secret)
                .with_container_name(place)
                .build()?,
        ),
        other => bail!("there is no service `{other}` here"),
    })
}

async fn upload(store: &dyn ObjectStore, key: &Path, file: &str) -> Result<()> {
    let mut file = tokio::fs::File::open(file).await?;
    let upload = store.put_multipart(key).await?;
    let mut upload = WriteMultipart::new_with_chunk_size(upload, PART_BYTES);
    loop {
        let mut part = Vec::with_capacity(PART_BYTES);
        (&mut file)
            .take(PART_BYTES as u64)
            .read_to_end(&mut part)
            .await?;
        if part.is_empty() {
            break;
        }
        upload.wait_for_capacity(PARALLEL - 1).await?;
        upload.put(part.into());
    }
    upload.finish().await?;
    Ok(())
}

async fn download(store: &dyn ObjectStore, key: &Path) -> Result<()> {
    let mut response = store.get(key).await?.into_stream();
    let mut bytes = 0;
    while let Some(piece) = futures_util::StreamExt::next(&mut response).await {
        bytes += piece?.len();
    }
    println!("{bytes}");
    Ok(())
}

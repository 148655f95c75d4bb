//! Names that nobody else draws.

use drydock_core::{ErrorCode, Fault};

/// `N` random bytes in hex.
pub fn random_hex<const N: usize>() -> Result<String, Fault> {
    let mut bytes = [0_u8; N];
    rustix::rand::getrandom(&mut bytes[..], rustix::rand::GetRandomFlags::empty()).map_err(
        |error| {
            Fault::transient(
                ErrorCode::NoRandomness,
                format!("the kernel gives no random bytes: {error}"),
            )
        },
    )?;
    Ok(hex::encode(bytes))
}

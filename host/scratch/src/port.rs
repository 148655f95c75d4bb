//! Free ports on loopback. A port is held until the server that gets it is about to
//! start, so that no other drill of this machine takes it in between.

use std::net::{Ipv4Addr, TcpListener};

use super::ScratchError;

/// Below the range from which systems take the ports of outgoing connections (32768 and
/// up on Linux), so that no connection takes one in the moment in which nobody holds it.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// Tries before giving up; nearly all ports of the range are free as a rule.
const TRIES_MAX: u16 = 2_000;

/// A port that nobody else can take while this lives.
#[derive(Debug)]
pub struct Held {
    _listener: TcpListener,
    number: u16,
}

impl Held {
    /// # Errors
    /// [`ScratchError::NoPort`].
    pub fn new() -> Result<Self, ScratchError> {
        let mut bytes = [0_u8; 2];
        let flags = rustix::rand::GetRandomFlags::empty();
        rustix::rand::getrandom(&mut bytes[..], flags).map_err(|_| ScratchError::NoPort)?;
        let begin = u16::from_le_bytes(bytes) % (PORTS.end - PORTS.start);
        let mut tries = (0..TRIES_MAX).map(|step| {
            let offset = (u32::from(begin) + u32::from(step)) % u32::from(PORTS.end - PORTS.start);
            PORTS.start + u16::try_from(offset).expect("the offset lies in the range")
        });
        tries
            .find_map(|number| {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, number)).ok()?;
                Some(Self {
                    _listener: listener,
                    number,
                })
            })
            .ok_or(ScratchError::NoPort)
    }

    #[must_use]
    pub fn number(&self) -> u16 {
        self.number
    }

    #[must_use]
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.number)
    }
}

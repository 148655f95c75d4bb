//! Free ports on loopback.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// The ports that are given out. They lie below the range from which systems take the
/// ports of outgoing connections, so that no connection can take one in between.
const PORTS: std::ops::Range<u16> = 18_000..32_000;

/// How far this process has walked through the range.
static WALKED: AtomicU16 = AtomicU16::new(0);

/// A port on 127.0.0.1 that was free just now. The same process never gets it twice
/// until the range is used up; another process may take it before it is used.
///
/// # Panics
/// When every port of the range is taken.
pub fn free_port() -> u16 {
    let range = PORTS.end - PORTS.start;
    // Processes begin at different places, so that tests side by side rarely meet.
    let begin = (std::process::id() % u32::from(range)) * 7 % u32::from(range);
    for _ in 0..range {
        let step = u32::from(WALKED.fetch_add(1, Ordering::Relaxed));
        let offset = (begin + step) % u32::from(range);
        let port = PORTS.start + u16::try_from(offset).expect("the offset lies in the range");
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
    panic!("no port from {} to {} is free", PORTS.start, PORTS.end);
}

//! Addresses for pods: 10.x.y.z in Kubernetes, and a real 127.x.y.z that nobody else on this machine uses.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

/// Whoever holds this port on the first address of a block owns the block.
const CLAIM_PORT: u16 = 21_418;
/// 127.251.0.0 to 127.254.255.255: the simulator takes from those below.
const FIRST: u32 = u32::from_be_bytes([127, 251, 0, 0]);
const BLOCKS: u32 = 64;
const BLOCK_SIZE: u32 = 4096;

/// Where the servers of a pod with this address really listen.
pub fn dial_address(pod: Ipv4Addr) -> Ipv4Addr {
    let [_, b, c, d] = pod.octets();
    Ipv4Addr::new(127, b, c, d)
}

/// A block of addresses that this process owns.
#[derive(Debug)]
pub struct Addresses {
    block: u32,
    given: AtomicU32,
    _claim: TcpListener,
}

impl Addresses {
    /// # Errors
    /// Of the system, where it has no such addresses or all of them are taken.
    pub fn claim() -> io::Result<Addresses> {
        let mut last = io::Error::other("no block");
        for attempt in 0..BLOCKS {
            let block = FIRST + (std::process::id() + attempt) % BLOCKS * BLOCK_SIZE;
            match TcpListener::bind((Ipv4Addr::from(block + 1), CLAIM_PORT)) {
                Ok(claim) => return Ok(Addresses { block, given: AtomicU32::new(0), _claim: claim }),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// The next address for a pod. They are given again after four thousand.
    pub fn next(&self) -> Ipv4Addr {
        let number = 2 + self.given.fetch_add(1, Ordering::Relaxed) % (BLOCK_SIZE - 3);
        let [_, b, c, d] = Ipv4Addr::from(self.block + number).octets();
        Ipv4Addr::new(10, b, c, d)
    }
}

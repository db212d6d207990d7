//! Free loopback ports that parallel tests, in one process or in several, never share.
//!
//! "Bind port 0, read the number, close" is a race: before the server binds it, another test or an
//! outgoing connection may take the number; so may they while a killed server waits for its
//! restart. Hence two rules:
//!
//! * Numbers come from 10000–22767. They and the bus ports of a cluster (10000 higher) lie below
//!   32768, where Linux begins to hand out numbers to outgoing connections.
//! * A number is reserved by binding the **UDP** port of the same number. Servers under test use
//!   TCP only, so the UDP socket serves as a lock between processes which the kernel releases
//!   however a process dies, and which leaves no file behind.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};

use super::waiting::{Failure, Result};

const LOWEST: u16 = 10_000;
const COUNT: u16 = 12_768;
/// How much higher the port of a node's cluster bus is.
pub const BUS_OFFSET: u16 = 10_000;

/// A port, and its bus port, that no other test uses until this is dropped. Nothing listens there
/// unless the holder does, so that it serves as a port that refuses connections, too.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _locks: [UdpSocket; 2],
}

impl Port {
    /// Reserves a free port together with its bus port.
    ///
    /// # Errors
    /// When no port of the whole range is free.
    pub fn reserve() -> Result<Self> {
        // A random start keeps parallel processes from trying the same numbers in the same order.
        let start = RandomState::new().hash_one(std::process::id()) % u64::from(COUNT);
        let start = u16::try_from(start).expect("a remainder of a u16 fits in a u16");
        (0..COUNT)
            .map(|step| LOWEST + (start + step) % COUNT)
            .find_map(Self::try_reserve)
            .ok_or_else(|| Failure::new("no free loopback port between 10000 and 22767"))
    }

    fn try_reserve(number: u16) -> Option<Self> {
        let locks = [lock(number)?, lock(number + BUS_OFFSET)?];
        Some(Self {
            number,
            _locks: locks,
        })
    }

    /// The number; the bus port is [`BUS_OFFSET`] higher.
    pub fn number(&self) -> u16 {
        self.number
    }
}

/// Locks one number, provided that nobody listens on it.
fn lock(number: u16) -> Option<UdpSocket> {
    let lock = UdpSocket::bind((Ipv4Addr::LOCALHOST, number)).ok()?;
    // Also on all addresses: a server bound to 0.0.0.0 does not hinder a bind to 127.0.0.1 on
    // every system.
    TcpListener::bind((Ipv4Addr::LOCALHOST, number)).ok()?;
    TcpListener::bind((Ipv4Addr::UNSPECIFIED, number)).ok()?;
    Some(lock)
}

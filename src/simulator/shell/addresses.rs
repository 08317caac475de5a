//! Loopback addresses of this process's own. Where the system has the whole of 127.0.0.0/8 (Linux), every simulator
//! takes a /24 of it for itself and gives each load balancer an address of its own, so that two simulators, and two
//! load balancers with a listener on port 80, never meet. Elsewhere everything is on 127.0.0.1.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

/// Whoever holds this port on 127.a.b.1 owns 127.a.b.0/24.
const CLAIM_PORT: u16 = 21_417;
const CLAIM_ATTEMPTS: u32 = 256;
/// 127.a.b.1 holds the claim and the tasks; the others are for load balancers.
const BALANCERS: std::ops::RangeInclusive<u8> = 2..=254;

/// The addresses this process owns.
#[derive(Debug)]
pub(super) struct Addresses {
    /// The middle two numbers of a claimed /24; `None` where only 127.0.0.1 can be had.
    network: Option<[u8; 2]>,
    _claim: Option<TcpListener>,
}

impl Addresses {
    /// Claims a /24 of loopback addresses, or finds that this system has only 127.0.0.1. `start` (the process's id)
    /// decides where the search begins, so that simulators started together seldom try the same place.
    pub fn claim(start: u32) -> Addresses {
        for attempt in 0..CLAIM_ATTEMPTS {
            // 127.1.0.0 to 127.250.255.0: away from 127.0.0.1, which others use.
            let place = start.wrapping_mul(257).wrapping_add(attempt) % (250 * 256);
            let [high, low] = u16::try_from(place + 256).unwrap_or(256).to_be_bytes();
            match TcpListener::bind((Ipv4Addr::new(127, high, low, 1), CLAIM_PORT)) {
                Ok(claim) => return Addresses { network: Some([high, low]), _claim: Some(claim) },
                Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => break,
                Err(_) => {}
            }
        }
        Addresses { network: None, _claim: None }
    }

    /// Where the tasks' servers listen.
    pub fn tasks(&self) -> Ipv4Addr {
        self.network.map_or(Ipv4Addr::LOCALHOST, |[high, low]| Ipv4Addr::new(127, high, low, 1))
    }

    /// DNS names for load balancers, to be used in turn: each an address that can be opened on this machine.
    pub fn dns_names(&self) -> Vec<String> {
        let name = |host| match self.network {
            Some([high, low]) => Ipv4Addr::new(127, high, low, host),
            None => Ipv4Addr::LOCALHOST,
        };
        BALANCERS.map(|host| name(host).to_string()).collect()
    }
}

/// The address to listen on for a load balancer of this DNS name: the name itself if it is a loopback address,
/// 127.0.0.1 for any other (`*.localhost` leads there).
pub(super) fn of_name(dns_name: &str) -> Ipv4Addr {
    dns_name.parse().ok().filter(Ipv4Addr::is_loopback).unwrap_or(Ipv4Addr::LOCALHOST)
}

/// Binds the declared port, or, where that is not possible (a port below 1024 without the right to it, a port that
/// something else holds), any free one. The second value says why, if so.
///
/// # Errors
/// Of the system, when not even a free port can be bound.
pub(super) fn bind(address: Ipv4Addr, port: u16) -> io::Result<(TcpListener, Option<io::Error>)> {
    match TcpListener::bind(SocketAddr::from((address, port))) {
        Ok(listener) => Ok((listener, None)),
        Err(reason) => Ok((TcpListener::bind(SocketAddr::from((address, 0)))?, Some(reason))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn two_simulators_never_share_an_address() {
        let (one, two) = (Addresses::claim(7), Addresses::claim(7));
        if one.network.is_some() {
            assert_ne!(one.tasks(), two.tasks());
            let names: BTreeSet<_> = one.dns_names().into_iter().chain(two.dns_names()).collect();
            assert_eq!(names.len(), 2 * BALANCERS.count());
        }
    }

    #[test]
    fn every_claim_is_a_loopback_address_away_from_the_common_one() {
        for start in [0, 1, 255, 256, 63_999, 64_000, u32::MAX] {
            let addresses = Addresses::claim(start);
            for name in addresses.dns_names() {
                assert!(of_name(&name).is_loopback());
                assert_eq!(of_name(&name).to_string(), name);
            }
        }
        assert_eq!(of_name("shop.elb.localhost"), Ipv4Addr::LOCALHOST);
        assert_eq!(of_name("8.8.8.8"), Ipv4Addr::LOCALHOST);
    }

    #[test]
    fn a_port_that_is_taken_is_replaced_and_said() {
        let address = of_name(&Addresses::claim(100).dns_names()[0]);
        let (first, why) = bind(address, 0).expect("bound");
        assert!(why.is_none());
        let taken = first.local_addr().expect("an address");
        let (second, why) = bind(address, taken.port()).expect("bound");
        assert!(why.is_some());
        assert_ne!(second.local_addr().expect("an address"), taken);
    }
}

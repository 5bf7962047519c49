//! Whom the library may speak to: a pure decision on the bytes of a socket address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What becomes of an address that the library wants to reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The recorder, on whatever port, or the kernel itself.
    Allowed,
    /// Somebody else; in words for the journal.
    Refused(String),
    /// Not an address.
    Nonsense,
}

/// What an address is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// `connect`: no family means the end of a connection.
    Connect,
    /// A send: no family means an Internet address to the kernel.
    Send,
}

/// Judges a `sockaddr` as the kernel would read it.
pub fn judge(address: &[u8], purpose: Purpose, recorder: &[IpAddr]) -> Verdict {
    let Some((family, rest)) = address.split_first_chunk::<2>() else {
        return Verdict::Nonsense;
    };
    let port = || {
        rest.first_chunk::<2>()
            .map(|port| u16::from_be_bytes(*port))
    };
    let (ip, port) = match i32::from(u16::from_ne_bytes(*family)) {
        libc::AF_UNSPEC if purpose == Purpose::Connect => return Verdict::Allowed,
        // The kernel's list of network cards: other families of such sockets cannot be made.
        libc::AF_NETLINK => return Verdict::Allowed,
        libc::AF_INET => {
            let Some(bytes) = rest.get(2..6).and_then(|four| four.first_chunk::<4>()) else {
                return Verdict::Nonsense;
            };
            (IpAddr::V4(Ipv4Addr::from(*bytes)), port())
        }
        libc::AF_INET6 => {
            let Some(bytes) = rest.get(6..22).and_then(|ip| ip.first_chunk::<16>()) else {
                return Verdict::Nonsense;
            };
            (IpAddr::V6(Ipv6Addr::from(*bytes)).to_canonical(), port())
        }
        other => return Verdict::Refused(format!("an address of family {other}")),
    };
    if recorder.iter().any(|known| known.to_canonical() == ip) {
        Verdict::Allowed
    } else {
        Verdict::Refused(format!("{ip} port {}", port.unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn v4(ip: [u8; 4], port: u16) -> Vec<u8> {
        let mut bytes = (libc::AF_INET as u16).to_ne_bytes().to_vec();
        bytes.extend(port.to_be_bytes());
        bytes.extend(ip);
        bytes.extend([0; 8]);
        bytes
    }

    fn v6(ip: &str, port: u16) -> Vec<u8> {
        let mut bytes = (libc::AF_INET6 as u16).to_ne_bytes().to_vec();
        bytes.extend(port.to_be_bytes());
        bytes.extend([0; 4]);
        bytes.extend(ip.parse::<Ipv6Addr>().unwrap().octets());
        bytes.extend([0; 4]);
        bytes
    }

    #[test]
    fn only_the_recorder_is_reached() {
        let recorder = [
            "192.0.2.10".parse().unwrap(),
            "2001:db8::10".parse().unwrap(),
        ];
        let refused = |text: &str| Verdict::Refused(text.to_owned());
        for (address, verdict) in [
            (v4([192, 0, 2, 10], 8000), Verdict::Allowed),
            (v4([192, 0, 2, 10], 554), Verdict::Allowed),
            (v4([192, 0, 2, 11], 8000), refused("192.0.2.11 port 8000")),
            (v4([0, 0, 0, 0], 22), refused("0.0.0.0 port 22")),
            (v6("2001:db8::10", 8000), Verdict::Allowed),
            (v6("::ffff:192.0.2.10", 8000), Verdict::Allowed),
            (v6("::ffff:192.0.2.11", 1), refused("192.0.2.11 port 1")),
            (v6("::1", 8080), refused("::1 port 8080")),
            (vec![0; 16], Verdict::Allowed),
            (vec![1, 0, b'/', b'r'], refused("an address of family 1")),
            (vec![2, 0, 31], Verdict::Nonsense),
            (vec![2], Verdict::Nonsense),
            (vec![], Verdict::Nonsense),
        ] {
            assert_eq!(
                judge(&address, Purpose::Connect, &recorder),
                verdict,
                "{address:?}"
            );
        }
        assert_eq!(
            judge(&v4([192, 0, 2, 10], 8000), Purpose::Connect, &[]),
            refused("192.0.2.10 port 8000")
        );
        // UDP takes it for an Internet address.
        let unnamed = judge(&[0; 16], Purpose::Send, &recorder);
        assert_eq!(unnamed, refused("an address of family 0"));
    }

    proptest! {
        /// What a hostile library hands over ends in a verdict; an Internet address that is not the recorder's never
        /// in leave to go there.
        #[test]
        fn nothing_else_is_ever_reached(mut address in proptest::collection::vec(any::<u8>(), 0..128), inet: bool, send: bool) {
            let recorder: IpAddr = "192.0.2.10".parse().unwrap();
            if inet && address.len() >= 2 {
                address[..2].copy_from_slice(&(libc::AF_INET as u16).to_ne_bytes());
            }
            let family = address.first_chunk::<2>().map(|two| i32::from(u16::from_ne_bytes(*two)));
            let purpose = if send { Purpose::Send } else { Purpose::Connect };
            if judge(&address, purpose, &[recorder]) == Verdict::Allowed {
                match family {
                    Some(libc::AF_INET) => prop_assert_eq!(&address[4..8], &[192, 0, 2, 10][..]),
                    Some(libc::AF_INET6) => prop_assert_eq!(&address[8..24], &Ipv4Addr::new(192, 0, 2, 10).to_ipv6_mapped().octets()[..]),
                    Some(libc::AF_UNSPEC) => prop_assert!(!send),
                    other => prop_assert_eq!(other, Some(libc::AF_NETLINK)),
                }
            }
        }
    }
}

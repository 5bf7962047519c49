//! Sockets: what every long-lived connection of ours sets, and addresses as people write them.

use std::io;

use nix::sys::socket::{setsockopt, sockopt};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;

/// Seconds of silence before the kernel asks whether the other side still lives.
const KEEPALIVE_IDLE_S: u32 = 30;
/// Seconds between its questions.
const KEEPALIVE_INTERVAL_S: u32 = 10;
/// Unanswered questions until the connection counts as dead: with the above after a minute.
const KEEPALIVE_PROBES: u32 = 3;

/// No delay for small writes, and a dead peer is noticed within a minute although nothing is sent.
pub fn long_lived(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    setsockopt(stream, sockopt::KeepAlive, &true)?;
    setsockopt(stream, sockopt::TcpKeepIdle, &KEEPALIVE_IDLE_S)?;
    setsockopt(stream, sockopt::TcpKeepInterval, &KEEPALIVE_INTERVAL_S)?;
    setsockopt(stream, sockopt::TcpKeepCount, &KEEPALIVE_PROBES)?;
    Ok(())
}

/// `host:port`, with IPv6 addresses in brackets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort {
    /// Name or address, without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
}

/// A text that is no `host:port`.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not an address like relay.example:8444 or [::1]:8444")]
pub struct BadHostPort(String);

impl HostPort {
    /// What TLS checks the certificate against.
    pub fn server_name(&self) -> Result<ServerName<'static>, BadHostPort> {
        ServerName::try_from(self.host.clone()).map_err(|_| BadHostPort(self.to_string()))
    }

    /// Connects, with the options of [`long_lived`].
    pub async fn connect(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        long_lived(&stream)?;
        Ok(stream)
    }
}

impl std::fmt::Display for HostPort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl std::str::FromStr for HostPort {
    type Err = BadHostPort;
    fn from_str(text: &str) -> Result<Self, BadHostPort> {
        let bad = || BadHostPort(text.chars().take(120).collect());
        let (host, port) = text.rsplit_once(':').ok_or_else(bad)?;
        let host = match host.strip_prefix('[') {
            Some(inner) => inner.strip_suffix(']').ok_or_else(bad)?,
            None if host.contains(':') => return Err(bad()),
            None => host,
        };
        let it = Self {
            host: host.to_owned(),
            port: port.parse().map_err(|_| bad())?,
        };
        it.server_name().map_err(|_| bad())?;
        Ok(it)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_as_people_write_them() {
        for good in ["relay.example:8444", "127.0.0.1:1", "[::1]:8883"] {
            assert_eq!(good.parse::<HostPort>().unwrap().to_string(), good);
        }
        for bad in [
            "",
            "relay",
            "relay:",
            ":1",
            "::1:8883",
            "[::1:1",
            "relay:70000",
            "re lay:1",
        ] {
            assert!(bad.parse::<HostPort>().is_err(), "{bad}");
        }
    }
}

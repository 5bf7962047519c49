//! Where a recorder is: its name made into addresses, which are then all that its worker can reach.

use std::net::{IpAddr, SocketAddr};

use super::driver::{FailureKind, RecorderError};

/// Addresses and port of one recorder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// Each once, in the order in which they were told.
    pub addresses: Vec<IpAddr>,
    /// None: no recorder.
    pub port: Option<u16>,
}

impl Reach {
    /// Nobody at all, for a worker that only tries the library.
    pub fn nobody() -> Self {
        Self {
            addresses: Vec::new(),
            port: None,
        }
    }

    /// Resolves a recorder's address. The library is told no names: it would have to ask a name server, which could be
    /// anybody.
    pub async fn of(address: &str, port: u16) -> Result<Self, RecorderError> {
        let error = |why: String| {
            let message = format!(
                "{address} is not an address and not a name that is known here{why}: check it for typing errors"
            );
            RecorderError::new(FailureKind::Network, message)
        };
        let mut addresses: Vec<IpAddr> = Vec::new();
        for told in tokio::net::lookup_host((address, port))
            .await
            .map_err(|cause| error(format!(" ({cause})")))?
        {
            if !addresses.contains(&told.ip()) {
                addresses.push(told.ip());
            }
        }
        if addresses.is_empty() {
            return Err(error(String::new()));
        }
        Ok(Self {
            addresses,
            port: Some(port),
        })
    }

    /// With the port.
    pub fn sockets(&self) -> Vec<SocketAddr> {
        let port = self.port.unwrap_or_default();
        let with_port = |&address| SocketAddr::new(address, port);
        self.addresses.iter().map(with_port).collect()
    }

    /// What the library is told in place of `address`: an address as it was written, a name as its first address.
    pub fn literal(&self, address: &str) -> String {
        match (address.parse::<IpAddr>(), self.addresses.first()) {
            (Err(_), Some(first)) => first.to_string(),
            _ => address.to_owned(),
        }
    }

    /// Whether a worker that reaches this can serve that recorder: the same port, and an address in common.
    pub fn covers(&self, other: &Self) -> bool {
        self.port == other.port
            && other
                .addresses
                .iter()
                .any(|address| self.addresses.contains(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_is_resolved_and_an_address_stays_as_written() {
        let reach = Reach::of("localhost", 8000).await.unwrap();
        assert!(reach.addresses.iter().all(IpAddr::is_loopback), "{reach:?}");
        assert!(reach.literal("localhost").parse::<IpAddr>().is_ok());
        assert_eq!(reach.literal("192.0.2.10"), "192.0.2.10");
        let moved = Reach::of("192.0.2.10", 8000).await.unwrap();
        assert!(reach.covers(&reach) && !reach.covers(&moved) && !reach.covers(&Reach::nobody()));
        let error = Reach::of("no such host", 8000).await.unwrap_err();
        assert_eq!(error.kind, FailureKind::Network);
    }
}

//! Finding recorders without knowing their address: ONVIF WS-Discovery (SOAP over UDP multicast, OASIS WS-Discovery
//! 1.0 as ONVIF Core §7 profiles it). No account is needed and nothing is changed anywhere.
//!
//! An answer is anybody's datagram: bounded, read strictly, taken only when it relates to our question, and believed
//! only about the address that it came from.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};

use super::isapi::xml::Element;

/// Where devices listen.
const GROUP: SocketAddr =
    SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::new(239, 255, 255, 250), 3702));
/// Largest answer that is read.
const DATAGRAM_BYTES_MAX: usize = 16 << 10;
/// Most datagrams that are looked at for one question.
const DATAGRAMS_MAX: usize = 2_000;
/// Most devices that are told.
const FOUND_MAX: usize = 256;
/// UDP gets lost: the question is asked so often.
const ASKED: u32 = 3;
/// Longest text that is kept.
const TEXT_CHARS_MAX: usize = 64;

/// A device that answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where its answer came from.
    pub address: IpAddr,
    /// Port of its web service, which is mostly the one for ISAPI too.
    pub port: u16,
    /// Its name, where it tells one.
    pub name: Option<String>,
    /// Its model, where it tells one.
    pub model: Option<String>,
}

/// One device in an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    xaddrs: Vec<String>,
    scopes: Vec<String>,
}

/// Asks on every network of this box and collects answers for `patience`.
pub async fn discover(patience: Duration) -> io::Result<Vec<Found>> {
    let networks = sysinfo::Networks::new_with_refreshed_list();
    let mut from: Vec<Ipv4Addr> = networks
        .values()
        .flat_map(|network| network.ip_networks())
        .filter_map(|network| match network.addr {
            IpAddr::V4(address) if !address.is_loopback() => Some(address),
            _ => None,
        })
        .collect();
    from.sort_unstable();
    from.dedup();
    if from.is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::NetworkUnreachable,
            "this box has no network address: check its cable",
        ));
    }
    let asking = from
        .into_iter()
        .map(|address| ask(GROUP, address, patience));
    let mut found = BTreeMap::new();
    let mut failure = None;
    for outcome in futures_util::future::join_all(asking).await {
        match outcome {
            Ok(devices) => found.extend(devices.into_iter().map(|device| (device.address, device))),
            Err(error) => failure = Some(error),
        }
    }
    match (found.is_empty(), failure) {
        (true, Some(error)) => Err(error),
        _ => Ok(found.into_values().take(FOUND_MAX).collect()),
    }
}

/// Asks at one address, from one network.
async fn ask(to: SocketAddr, from: Ipv4Addr, patience: Duration) -> io::Result<Vec<Found>> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    socket.set_multicast_if_v4(&from)?;
    // The site's own network and no further.
    socket.set_multicast_ttl_v4(1)?;
    socket.bind(&SocketAddr::from((from, 0)).into())?;
    let socket = UdpSocket::from_std(socket.into())?;
    let id = format!("urn:uuid:{}", uuid::Uuid::new_v4());
    let question = probe(&id);
    let begun = Instant::now();
    let mut found: BTreeMap<IpAddr, Found> = BTreeMap::new();
    let mut datagram = vec![0; DATAGRAM_BYTES_MAX + 1];
    let mut seen = 0;
    for round in 1..=ASKED {
        socket.send_to(question.as_bytes(), to).await?;
        let until = begun + patience * round / ASKED;
        while let Ok(received) = timeout_at(until, socket.recv_from(&mut datagram)).await {
            let (bytes, sender) = received?;
            seen += 1;
            if seen > DATAGRAMS_MAX {
                return Ok(found.into_values().collect());
            }
            let Some(device) = read(&datagram[..bytes], sender.ip(), &id) else {
                continue;
            };
            if found.len() < FOUND_MAX {
                found.insert(device.address, device);
            }
        }
    }
    Ok(found.into_values().collect())
}

/// What an answer says about its sender.
fn read(datagram: &[u8], sender: IpAddr, id: &str) -> Option<Found> {
    if datagram.len() > DATAGRAM_BYTES_MAX {
        return None;
    }
    let root = Element::parse(datagram).ok()?;
    let matches = matches(&root, Some(id));
    // Only what it says about the address that it came from: nobody speaks for others here.
    let (device, port) = matches.iter().find_map(|device| {
        let port = device
            .xaddrs
            .iter()
            .find_map(|xaddr| port_at(xaddr, sender))?;
        Some((device, port))
    })?;
    Some(Found {
        address: sender,
        port,
        name: device.scope("name"),
        model: device.scope("hardware"),
    })
}

/// The port of an `http://` address, if its host is this one.
fn port_at(xaddr: &str, host: IpAddr) -> Option<u16> {
    let url = reqwest::Url::parse(xaddr).ok()?;
    let told: IpAddr = url.host_str()?.trim_matches(['[', ']']).parse().ok()?;
    (url.scheme() == "http" && told == host).then(|| url.port_or_known_default())?
}

/// The devices in a `ProbeMatches` that answers this question (any, without one).
pub fn matches(root: &Element, id: Option<&str>) -> Vec<Match> {
    let relates = root
        .text_at(&["Header", "RelatesTo"])
        .is_some_and(|relates| id.is_none_or(|id| relates == id));
    let list = root
        .child("Body")
        .and_then(|body| body.child("ProbeMatches"));
    let words = |entry: &Element, name: &str| -> Vec<String> {
        let text = entry.text_at(&[name]).unwrap_or_default();
        text.split_whitespace()
            .take(64)
            .map(str::to_owned)
            .collect()
    };
    list.filter(|_| root.is("Envelope") && relates)
        .iter()
        .flat_map(|list| list.all("ProbeMatch"))
        .take(8)
        .map(|entry| Match {
            xaddrs: words(entry, "XAddrs"),
            scopes: words(entry, "Scopes"),
        })
        .collect()
}

impl Match {
    /// The value of `onvif://www.onvif.org/<key>/<value>`.
    fn scope(&self, key: &str) -> Option<String> {
        let beginning = format!("onvif://www.onvif.org/{key}/");
        let value = self
            .scopes
            .iter()
            .find_map(|scope| scope.strip_prefix(beginning.as_str()))?;
        let text = base::untrusted::one_line(&unescape(value), TEXT_CHARS_MAX);
        (!text.is_empty()).then_some(text)
    }
}

/// `%20` and the like.
fn unescape(text: &str) -> String {
    let (mut out, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let [first, after @ ..] = rest {
        let digits = match (first, after) {
            (b'%', [high, low, ..]) => {
                let digit = |c: &u8| char::from(*c).to_digit(16);
                digit(high)
                    .zip(digit(low))
                    .map(|(high, low)| (high * 16 + low) as u8)
            }
            _ => None,
        };
        match digits {
            Some(byte) => {
                out.push(byte);
                rest = &after[2..];
            }
            None => {
                out.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn probe(id: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><e:Envelope xmlns:e=\"http://www.w3.org/2003/05/soap-envelope\" \
         xmlns:w=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" \
         xmlns:d=\"http://schemas.xmlsoap.org/ws/2005/04/discovery\" \
         xmlns:dn=\"http://www.onvif.org/ver10/network/wsdl\"><e:Header><w:MessageID>{id}</w:MessageID>\
         <w:To e:mustUnderstand=\"true\">urn:schemas-xmlsoap-org:ws:2005:04:discovery</w:To>\
         <w:Action e:mustUnderstand=\"true\">http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</w:Action></e:Header>\
         <e:Body><d:Probe><d:Types>dn:NetworkVideoTransmitter</d:Types></d:Probe></e:Body></e:Envelope>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(relates: &str, xaddrs: &str) -> String {
        format!(
            "<SOAP-ENV:Envelope><SOAP-ENV:Header><wsa:RelatesTo>{relates}</wsa:RelatesTo></SOAP-ENV:Header>\
             <SOAP-ENV:Body><d:ProbeMatches><d:ProbeMatch><d:Scopes>onvif://www.onvif.org/type/video_encoder \
             onvif://www.onvif.org/hardware/DS-7608NI-K2 onvif://www.onvif.org/name/Lager%20S%C3%BCd</d:Scopes>\
             <d:XAddrs>{xaddrs}</d:XAddrs></d:ProbeMatch></d:ProbeMatches></SOAP-ENV:Body></SOAP-ENV:Envelope>"
        )
    }

    #[test]
    fn an_answer_is_believed_about_its_sender_only() {
        let sender: IpAddr = "192.168.1.64".parse().unwrap();
        let well = answer(
            "urn:uuid:1",
            "http://[fe80::1]/onvif/device_service http://192.168.1.64:8080/onvif/device_service",
        );
        let found = read(well.as_bytes(), sender, "urn:uuid:1").unwrap();
        assert_eq!((found.address, found.port), (sender, 8080));
        assert_eq!(found.name.as_deref(), Some("Lager Süd"));
        assert_eq!(found.model.as_deref(), Some("DS-7608NI-K2"));
        for (datagram, id) in [
            (answer("urn:uuid:2", "http://192.168.1.64/"), "urn:uuid:1"),
            (answer("urn:uuid:1", "http://203.0.113.9/"), "urn:uuid:1"),
            (answer("urn:uuid:1", "file:///etc/passwd"), "urn:uuid:1"),
            (answer("urn:uuid:1", ""), "urn:uuid:1"),
            ("<Envelope/>".to_owned(), "urn:uuid:1"),
            ("\u{0}".repeat(10), "urn:uuid:1"),
        ] {
            assert_eq!(read(datagram.as_bytes(), sender, id), None, "{datagram}");
        }
        let large = format!(
            "{}{}",
            answer("urn:uuid:1", "http://192.168.1.64/"),
            " ".repeat(DATAGRAM_BYTES_MAX)
        );
        assert_eq!(read(large.as_bytes(), sender, "urn:uuid:1"), None);
    }

    #[tokio::test]
    async fn a_device_that_answers_is_found_once() {
        let device = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let at = device.local_addr().unwrap();
        let answering = tokio::spawn(async move {
            let mut bytes = vec![0; 4_096];
            loop {
                let (count, from) = device.recv_from(&mut bytes).await.unwrap();
                let root = Element::parse(&bytes[..count]).unwrap();
                assert!(root.find("Probe").is_some());
                let id = root.text_at(&["Header", "MessageID"]).unwrap();
                for text in [
                    "<junk".to_owned(),
                    answer("urn:uuid:other", "http://127.0.0.1/"),
                    answer(id, "http://127.0.0.1:8080/onvif/device_service"),
                ] {
                    device.send_to(text.as_bytes(), from).await.unwrap();
                }
            }
        });
        let found = ask(at, Ipv4Addr::LOCALHOST, Duration::from_millis(900))
            .await
            .unwrap();
        answering.abort();
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].port, 8080);
    }
}

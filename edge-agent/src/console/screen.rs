//! What the screen shows: text and QR codes, of what is known. Pure.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};

use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};
use wire::resource::{Claim, ClaimState};
use wire::time::UtcTime;

use super::Told;

/// What is known without the agent.
pub struct Around {
    /// The box's name.
    pub name: String,
    /// It answers to `<name>.local`.
    pub mdns: bool,
    /// Its addresses.
    pub addresses: Vec<Ipv4Addr>,
    /// The present.
    pub now: UtcTime,
}

/// The whole screen: at most 24 lines of 80 columns as long as there are two addresses.
pub fn screen(told: Option<&Told>, around: &Around) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let mut text = format!("Holdfast {version} on {}\n\n", around.name);
    let Some(told) = told else {
        text.push_str("The agent is starting. What the system journal says helps if this stays.\n");
        return text;
    };
    let pages = pages(told.listen, around);
    text.push_str(&match pages.as_slice() {
        [] => "No network: connect this box to a network that gives it an address (DHCP).\n"
            .to_owned(),
        pages => format!("Its page:    {}\n", pages.join("   ")),
    });
    text.push_str(&claim_line(&told.claim, around.now));
    let codes: Vec<Vec<String>> = pages
        .first()
        .into_iter()
        .chain(&told.claim.code)
        .filter_map(|what| qr(what))
        .collect();
    text.push('\n');
    text.push_str(&side_by_side(&codes));
    text
}

/// Where the page is, the address first: it works everywhere.
fn pages(listen: SocketAddr, around: &Around) -> Vec<String> {
    let port = match listen.port() {
        80 => String::new(),
        port => format!(":{port}"),
    };
    let mut hosts: Vec<String> = match listen {
        SocketAddr::V4(v4) if !v4.ip().is_unspecified() => vec![v4.ip().to_string()],
        _ => around.addresses.iter().map(Ipv4Addr::to_string).collect(),
    };
    if around.mdns && !hosts.is_empty() {
        hosts.push(format!("{}.local", around.name));
    }
    hosts
        .into_iter()
        .map(|host| format!("http://{host}{port}"))
        .collect()
}

fn claim_line(claim: &Claim, now: UtcTime) -> String {
    let failure = claim
        .failure
        .as_ref()
        .map_or(String::new(), |failure| format!("             {failure}\n"));
    let line = match (claim.state, &claim.code) {
        (ClaimState::NoRelay, _) => {
            "Relay:       none; set one on the page, under System\n".to_owned()
        }
        (ClaimState::Waiting, None) => "Relay:       is being asked\n".to_owned(),
        (ClaimState::Waiting, Some(code)) => {
            let minutes = claim
                .code_expires_at
                .map_or(0, |until| (until.ms_since(now).max(0) + 59_999) / 60_000);
            format!("Claim code:  {code}   (type it at the relay; it changes in {minutes} min)\n")
        }
        (ClaimState::Claimed, _) => format!(
            "Site:        {}, {}\n",
            claim.site_name.as_deref().unwrap_or("without a name"),
            match claim.connected {
                true => "connected to its relay",
                false => "its relay is not reached",
            }
        ),
    };
    line + &failure
}

/// A QR code as lines of half blocks, light on dark as screens are; None: the text is too long for one.
fn qr(text: &str) -> Option<Vec<String>> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    let drawn = code
        .render::<Dense1x2>()
        .dark_color(Dense1x2::Light)
        .light_color(Dense1x2::Dark)
        .build();
    Some(drawn.lines().map(str::to_owned).collect())
}

fn side_by_side(blocks: &[Vec<String>]) -> String {
    let mut text = String::new();
    let height = blocks.iter().map(Vec::len).max().unwrap_or(0);
    for row in 0..height {
        for (nth, block) in blocks.iter().enumerate() {
            let width = block.first().map_or(0, |line| line.chars().count());
            let line = block.get(row).map_or("", String::as_str);
            let gap = if nth == 0 { "" } else { "    " };
            let _ = write!(text, "{gap}{line:width$}"); // a String takes everything
        }
        text.truncate(text.trim_end_matches(' ').len());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn around(addresses: &[&str]) -> Around {
        Around {
            name: "holdfast-7c0ffee1".into(),
            mdns: true,
            addresses: addresses.iter().map(|a| a.parse().unwrap()).collect(),
            now: "2026-11-03T12:00:00Z".parse().unwrap(),
        }
    }

    fn told(state: ClaimState, code: Option<&str>) -> Told {
        Told {
            listen: "0.0.0.0:80".parse().unwrap(),
            claim: Claim {
                state,
                code: code.map(str::to_owned),
                code_expires_at: code.map(|_| "2026-11-03T12:14:01Z".parse().unwrap()),
                relay_url: None,
                connected: false,
                site_name: None,
                failure: None,
            },
        }
    }

    #[test]
    fn it_shows_where_the_page_is_and_the_code_and_fits() {
        let told = told(ClaimState::Waiting, Some("ABCD-1234"));
        let text = screen(Some(&told), &around(&["192.168.100.120"]));
        for wanted in [
            "Holdfast ",
            "http://192.168.100.120   http://holdfast-7c0ffee1.local\n",
            "Claim code:  ABCD-1234   (type it at the relay; it changes in 15 min)",
        ] {
            assert!(text.contains(wanted), "{text}");
        }
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines.len() <= 24, "{} lines:\n{text}", lines.len());
        assert!(lines.iter().all(|l| l.chars().count() < 80), "{text}");
        // Two codes beside each other, each with a light border, which is ink on a dark screen.
        let codes: Vec<_> = lines.iter().filter(|l| l.starts_with("████")).collect();
        assert!(codes.len() >= 15, "{text}");
    }

    #[test]
    fn another_port_and_a_single_address_are_told() {
        let mut told = told(ClaimState::NoRelay, None);
        told.listen = "10.0.0.7:8080".parse().unwrap();
        let mut around = around(&["192.168.1.2"]);
        around.mdns = false;
        let text = screen(Some(&told), &around);
        assert!(
            text.contains("Its page:    http://10.0.0.7:8080\n"),
            "{text}"
        );
        assert!(text.contains("none; set one on the page"), "{text}");
    }

    #[test]
    fn what_is_missing_is_said() {
        let text = screen(None, &around(&["192.168.1.2"]));
        assert!(text.contains("The agent is starting"), "{text}");
        let text = screen(Some(&told(ClaimState::NoRelay, None)), &around(&[]));
        assert!(text.contains("No network"), "{text}");
        let mut away = told(ClaimState::Claimed, None);
        away.claim.site_name = Some("Harbour".into());
        away.claim.failure = Some("the relay cannot be reached: connection refused".into());
        let text = screen(Some(&away), &around(&["192.168.1.2"]));
        assert!(
            text.contains("Harbour, its relay is not reached\n"),
            "{text}"
        );
        assert!(text.contains("connection refused"), "{text}");
    }
}

//! The way to the relay: whether the appliance belongs to one, and whether its doors can be reached from here.

use std::io;
use std::path::Path;
use std::time::Duration;

use base::net::HostPort;
use wire::claim::Membership;
use wire::time::UtcTime;

use super::finding::Finding;
use crate::uplink::claim::membership::{renew_at, validity};

/// How long a connection may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Looks at the membership in the state folder.
pub async fn relay(state: &Path, now: UtcTime) -> Vec<Finding> {
    let path = state.join("membership.json");
    let membership = match std::fs::read(&path) {
        Ok(text) => serde_json::from_slice::<Membership>(&text).map_err(io::Error::other),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return vec![Finding::note(
                "membership",
                "the appliance belongs to no organisation: it works on the site's network only",
                "To see it from far away, set the relay's address under *System* on the page, and type the claim code there.",
            )];
        }
        Err(error) => Err(error),
    };
    let membership = match membership {
        Ok(membership) => membership,
        Err(error) => {
            return vec![Finding::wrong(
                "membership",
                format!("{} cannot be read: {error}", path.display()),
                "Run this as root or as the agent's user. If the file is damaged, remove it: the relay gives it again.",
            )];
        }
    };
    let mut findings = vec![certificate(&membership, now)];
    for (about, address) in [
        ("relay's broker", &membership.mqtt),
        ("relay's tunnel", &membership.tunnel),
    ] {
        findings.push(match reached(address).await {
            Ok(()) => Finding::well(about, format!("{address} can be reached")),
            Err(why) => Finding::wrong(
                about,
                format!("{address} cannot be reached: {why}"),
                "Let this box make connections to it (outgoing TCP only). Nothing is lost meanwhile: reports wait.",
            ),
        });
    }
    findings
}

fn certificate(membership: &Membership, now: UtcTime) -> Finding {
    let about = "certificate for the relay";
    let (Some((_, to)), Some(renewed)) = (validity(membership), renew_at(membership)) else {
        return Finding::wrong(
            about,
            "it cannot be read",
            "Remove membership.json from the state folder: the relay gives it again.",
        );
    };
    match now {
        now if now >= to => Finding::wrong(
            about,
            format!("it has ended at {to}"),
            "Is this box's clock right? Otherwise the relay must let the appliance in again: claim it anew.",
        ),
        now if now >= renewed => Finding::note(
            about,
            format!("valid until {to}, and not renewed although it was time to"),
            "The relay could not be asked since; see below.",
        ),
        _ => Finding::well(about, format!("valid until {to}")),
    }
}

async fn reached(address: &str) -> Result<(), String> {
    let address: HostPort = address
        .parse()
        .map_err(|e: base::net::BadHostPort| e.to_string())?;
    match tokio::time::timeout(PATIENCE, address.connect()).await {
        Ok(connected) => connected.map(drop).map_err(|e| e.to_string()),
        Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
    }
}

//! A Mosquitto that was there before, with a CA of its operator's own.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};

use crate::eventually::eventually;
use crate::process::Process;

/// The broker's process and what the relay needs to know of it.
#[derive(Debug)]
pub struct Mosquitto {
    _process: Process,
    settings: toml::Table,
}

/// The rules that docs/ref/mqtt.md asks of an operator.
const RULES: &str = "\
user relay
topic read holdfast/1/device/+/state/#
topic read holdfast/1/device/+/event/+
topic read holdfast/1/device/+/telemetry/+
topic write holdfast/1/device/+/ack
topic write holdfast/1/device/+/poke
topic write holdfast/1/site/#
pattern write holdfast/1/device/%u/state/#
pattern write holdfast/1/device/%u/event/+
pattern write holdfast/1/device/%u/telemetry/+
pattern read holdfast/1/device/%u/ack
pattern read holdfast/1/device/%u/poke
";

impl Mosquitto {
    /// Starts it below `folder`; appliances are known by certificates of the relay's CA.
    pub async fn start(folder: &Path, relay_ca_pem: &str) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let port = std::net::TcpListener::bind("127.0.0.1:0")?
            .local_addr()?
            .port();
        let file = |name: &str| folder.join(name);

        let ca_key = KeyPair::generate()?;
        let mut ca = CertificateParams::new(Vec::new())?;
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca.distinguished_name
            .push(DnType::CommonName, "operator's CA");
        let ca_pem = ca.self_signed(&ca_key)?.pem();
        let issuer = Issuer::new(ca, ca_key);
        let leaf = |name: &str, purpose: ExtendedKeyUsagePurpose| -> Result<(String, String)> {
            let mut params = CertificateParams::new(vec!["localhost".into(), "127.0.0.1".into()])?;
            params.distinguished_name.push(DnType::CommonName, name);
            params.extended_key_usages = vec![purpose];
            let key = KeyPair::generate()?;
            Ok((params.signed_by(&key, &issuer)?.pem(), key.serialize_pem()))
        };
        let (server, server_key) = leaf("broker", ExtendedKeyUsagePurpose::ServerAuth)?;
        let (relay, relay_key) = leaf("relay", ExtendedKeyUsagePurpose::ClientAuth)?;
        for (name, text) in [
            ("ca.pem", ca_pem.clone()),
            ("clients.pem", format!("{ca_pem}\n{relay_ca_pem}")),
            ("server.pem", server),
            ("server.key", server_key),
            ("relay.pem", relay),
            ("relay.key", relay_key),
            ("acl", RULES.to_owned()),
        ] {
            std::fs::write(file(name), text)?;
        }
        let config = format!(
            "listener {port} 127.0.0.1\n\
             user root\n\
             allow_anonymous false\n\
             cafile {clients}\n\
             certfile {server}\n\
             keyfile {key}\n\
             require_certificate true\n\
             use_identity_as_username true\n\
             acl_file {acl}\n\
             max_packet_size 262144\n\
             log_dest stderr\n",
            clients = file("clients.pem").display(),
            server = file("server.pem").display(),
            key = file("server.key").display(),
            acl = file("acl").display(),
        );
        std::fs::write(file("mosquitto.conf"), config)?;
        let mut command = Command::new("mosquitto");
        // Debian keeps daemons where an ordinary user's PATH does not look.
        let path = std::env::var("PATH").unwrap_or_default();
        command
            .env("PATH", format!("{path}:/usr/sbin"))
            .arg("-c")
            .arg(file("mosquitto.conf"));
        let process = Process::start("mosquitto", &command, &file("mosquitto.log"))?;
        eventually("the broker listens", || async {
            tokio::net::TcpStream::connect(("127.0.0.1", port)).await
        })
        .await
        .with_context(|| process.tail())?;
        let mut settings = toml::Table::new();
        settings.insert("mode".into(), "external".into());
        settings.insert("host".into(), "127.0.0.1".into());
        settings.insert("port".into(), i64::from(port).into());
        for (key, name) in [
            ("ca", "ca.pem"),
            ("certificate", "relay.pem"),
            ("key", "relay.key"),
        ] {
            settings.insert(key.into(), file(name).display().to_string().into());
        }
        Ok(Self {
            _process: process,
            settings,
        })
    }

    /// `[broker]` of a relay that uses it.
    pub fn relay_settings(&self) -> toml::Table {
        self.settings.clone()
    }
}

//! The TOML file. It is read completely, and refused with a sentence, before any port is bound.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use base::net::HostPort;
use serde::Deserialize;

/// Where the file is looked for unless `--config` says otherwise.
pub const PATH: &str = "/etc/holdfast/relay.toml";

/// Everything that can be set. All of it has a default: an empty file is a working relay.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `[state]`: what the relay keeps.
    pub state: State,
    /// `[web]`: people, API clients and enrolment.
    pub web: Web,
    /// `[tunnel]`: appliances dial in here.
    pub tunnel: Tunnel,
    /// `[broker]`: the MQTT broker.
    pub broker: Broker,
}

/// `[state]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct State {
    /// Folder of the database, the keys, the broker's files and the run-time addresses.
    pub folder: PathBuf,
}

/// `[web]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Web {
    /// Address of the HTTPS listener; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Host name or address that people and appliances reach the relay by. Default: the first of `names`, or else the
    /// machine's host name.
    pub public_host: Option<String>,
    /// Further names and addresses that the certificates issued by our CA are good for.
    pub names: Vec<String>,
    /// Certificate chain (PEM) of the web listener; default: one that the relay's own CA issues.
    pub certificate: Option<PathBuf>,
    /// Private key (PEM) that belongs to `certificate`.
    pub key: Option<PathBuf>,
    /// Most TLS handshakes under way at once; more wait in the kernel's queue.
    pub handshakes_max: usize,
    /// Most connections open at once; more are closed as they come.
    pub connections_max: usize,
    /// Most of them from one address (IPv6: network of 64 bits); a whole office may share one.
    pub connections_per_address_max: usize,
}

/// `[tunnel]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tunnel {
    /// Address of the tunnel listener; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Port that appliances are told; default: the one that is listened on (another behind a port forward).
    pub public_port: Option<u16>,
    /// Most connections of one appliance.
    pub connections_per_appliance_max: usize,
}

/// `[broker]`: `mode = "managed"` (default) or `mode = "external"`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "BrokerTable")]
pub enum Broker {
    /// Mosquitto as a supervised child.
    Managed(ManagedBroker),
    /// An MQTT 5 broker that runs elsewhere.
    External(ExternalBroker),
}

/// A broker that the relay runs itself.
#[derive(Debug, Clone, PartialEq)]
pub struct ManagedBroker {
    /// Address of its TLS listener; port 0 lets the relay choose a free one.
    pub listen: SocketAddr,
    /// Port that appliances are told; default: the one that is listened on.
    pub public_port: Option<u16>,
    /// Program to run.
    pub program: PathBuf,
}

/// A broker that runs elsewhere; its ACL is the operator's (docs/ref/mqtt.md).
#[derive(Debug, Clone, PartialEq)]
pub struct ExternalBroker {
    /// Host name or address.
    pub host: String,
    /// TLS port.
    pub port: u16,
    /// CA certificates (PEM) that its certificate is checked against.
    pub ca: PathBuf,
    /// The relay's client certificate (PEM).
    pub certificate: PathBuf,
    /// Its key (PEM).
    pub key: PathBuf,
}

impl Default for State {
    fn default() -> Self {
        Self {
            folder: "/var/lib/holdfast-relay".into(),
        }
    }
}

impl Default for Web {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([0, 0, 0, 0], 8443)),
            public_host: None,
            names: Vec::new(),
            certificate: None,
            key: None,
            handshakes_max: 64,
            connections_max: 4096,
            connections_per_address_max: 512,
        }
    }
}

impl Default for Tunnel {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([0, 0, 0, 0], 8444)),
            public_port: None,
            // 64 of its pool, and some that it has not noticed to be closed.
            connections_per_appliance_max: 80,
        }
    }
}

impl Default for Broker {
    fn default() -> Self {
        Self::Managed(ManagedBroker {
            listen: DEFAULT_BROKER_LISTEN,
            public_port: None,
            program: DEFAULT_BROKER_PROGRAM.into(),
        })
    }
}

const DEFAULT_BROKER_LISTEN: SocketAddr =
    SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 8883);
const DEFAULT_BROKER_PROGRAM: &str = "mosquitto";

/// `[broker]` as written; which keys belong together is checked when it becomes a [`Broker`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BrokerTable {
    #[serde(default)]
    mode: BrokerMode,
    listen: Option<SocketAddr>,
    public_port: Option<u16>,
    program: Option<PathBuf>,
    host: Option<String>,
    port: Option<u16>,
    ca: Option<PathBuf>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum BrokerMode {
    #[default]
    Managed,
    External,
}

impl TryFrom<BrokerTable> for Broker {
    type Error = String;

    fn try_from(t: BrokerTable) -> Result<Self, String> {
        let stray = |keys: &[(&str, bool)], mode: &str| match keys.iter().find(|(_, set)| *set) {
            Some((key, _)) => Err(format!("`{key}` has no meaning with mode = \"{mode}\"")),
            None => Ok(()),
        };
        let missing = |key: &str| format!("mode = \"external\" needs `{key}`");
        match t.mode {
            BrokerMode::Managed => {
                stray(
                    &[
                        ("host", t.host.is_some()),
                        ("port", t.port.is_some()),
                        ("ca", t.ca.is_some()),
                        ("certificate", t.certificate.is_some()),
                        ("key", t.key.is_some()),
                    ],
                    "managed",
                )?;
                Ok(Self::Managed(ManagedBroker {
                    listen: t.listen.unwrap_or(DEFAULT_BROKER_LISTEN),
                    public_port: t.public_port,
                    program: t.program.unwrap_or_else(|| DEFAULT_BROKER_PROGRAM.into()),
                }))
            }
            BrokerMode::External => {
                stray(
                    &[
                        ("listen", t.listen.is_some()),
                        ("public_port", t.public_port.is_some()),
                        ("program", t.program.is_some()),
                    ],
                    "external",
                )?;
                Ok(Self::External(ExternalBroker {
                    host: t.host.ok_or_else(|| missing("host"))?,
                    port: t.port.unwrap_or(8883),
                    ca: t.ca.ok_or_else(|| missing("ca"))?,
                    certificate: t.certificate.ok_or_else(|| missing("certificate"))?,
                    key: t.key.ok_or_else(|| missing("key"))?,
                }))
            }
        }
    }
}

/// A configuration that cannot be used: which file, where in it, and why.
#[derive(Debug, thiserror::Error)]
pub struct BadConfig {
    path: PathBuf,
    why: String,
}

impl fmt::Display for BadConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the configuration {} cannot be used: {}",
            self.path.display(),
            self.why.trim_end()
        )
    }
}

impl Config {
    /// Reads and checks the file. A missing file is an error: a relay with forgotten settings would listen to the world.
    pub fn read(path: &Path) -> Result<Self, BadConfig> {
        let bad = |why: String| BadConfig {
            path: path.to_owned(),
            why,
        };
        let text = std::fs::read_to_string(path).map_err(|e| bad(e.to_string()))?;
        let config: Self = toml::from_str(&text).map_err(|e| bad(e.to_string()))?;
        config.check().map_err(bad)?;
        Ok(config)
    }

    fn check(&self) -> Result<(), String> {
        let web = &self.web;
        if web.certificate.is_some() != web.key.is_some() {
            return Err(
                "[web] `certificate` and `key` belong together: give both or neither".into(),
            );
        }
        for name in web.public_host.iter().chain(&web.names) {
            if !is_host(name) {
                return Err(format!(
                    "[web] {name:?} is neither a host name nor an IP address (no scheme, no port)"
                ));
            }
        }
        for (key, value) in [
            ("[web] handshakes_max", web.handshakes_max),
            ("[web] connections_max", web.connections_max),
            (
                "[web] connections_per_address_max",
                web.connections_per_address_max,
            ),
            (
                "[tunnel] connections_per_appliance_max",
                self.tunnel.connections_per_appliance_max,
            ),
        ] {
            if value == 0 {
                return Err(format!("{key} must be at least 1"));
            }
        }
        if self.state.folder.as_os_str().is_empty() {
            return Err("[state] `folder` must not be empty".into());
        }
        Ok(())
    }

    /// Host name or address that people and appliances reach the relay by.
    pub fn public_host(&self) -> String {
        let named = self.web.public_host.as_ref().or(self.web.names.first());
        named.cloned().unwrap_or_else(|| {
            std::fs::read_to_string("/proc/sys/kernel/hostname")
                .map(|name| name.trim().to_owned())
                .ok()
                .filter(|name| is_host(name))
                .unwrap_or_else(|| "localhost".into())
        })
    }

    /// `host:port` that appliances dial for a listener of ours on this port.
    pub fn told(&self, public_port: Option<u16>, bound_port: u16) -> String {
        HostPort {
            host: self.public_host(),
            port: public_port.unwrap_or(bound_port),
        }
        .to_string()
    }

    /// Every name and address that server certificates issued by our CA are good for, the public one first. The
    /// machine's own are among them, so that a health check on the relay itself needs no exception.
    pub fn server_names(&self) -> Vec<String> {
        let own = ["localhost", "127.0.0.1", "::1"].map(String::from);
        let mut names = vec![self.public_host()];
        for name in self.web.names.iter().cloned().chain(own) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }
}

fn is_host(name: &str) -> bool {
    name.parse::<IpAddr>().is_ok()
        || (!name.is_empty()
            && name.len() <= 253
            && name.split('.').all(|label| {
                !label.is_empty()
                    && label.len() <= 63
                    && !label.starts_with('-')
                    && label
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || b == b'-')
            }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("relay.toml");
        std::fs::write(&path, text).unwrap();
        Config::read(&path).map_err(|e| e.to_string())
    }

    #[test]
    fn an_empty_file_is_a_working_relay() {
        let config = parse("").unwrap();
        assert_eq!(config, Config::default());
        assert_eq!(config.web.listen.port(), 8443);
        assert!(config.server_names().contains(&"localhost".to_owned()));
    }

    #[test]
    fn the_documented_file_is_the_defaults() {
        let documented = include_str!("../../docs/ref/relay.toml");
        assert_eq!(parse(documented).unwrap(), Config::default());
        // What is commented out is right too.
        let (managed, external) = documented
            .split_once("instead of the three above.")
            .unwrap();
        let full = parse(&uncommented(managed)).unwrap();
        assert!(full.web.public_host.is_some() && full.web.key.is_some());
        assert!(full.tunnel.public_port.is_some());
        let full = parse(&format!("[broker]\n{}", uncommented(external))).unwrap();
        assert!(matches!(full.broker, Broker::External(_)));
    }

    /// With the settings that stand in comments.
    fn uncommented(text: &str) -> String {
        let setting = |line: &&str| {
            let key = line.split(" = ").next().unwrap_or_default();
            line.contains(" = ") && key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
        };
        let lines = text.lines().map(|line| match line.strip_prefix("# ") {
            Some(rest) if setting(&rest) => rest,
            _ => line,
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn sections_are_nested_and_both_brokers_can_be_had() {
        let config = parse(
            "[state]\nfolder = \"/x\"\n[web]\nlisten = \"127.0.0.1:0\"\npublic_host = \"relay.example.org\"\n\
             names = [\"10.0.0.1\"]\n[broker]\nlisten = \"127.0.0.1:0\"\n",
        )
        .unwrap();
        assert_eq!(
            config.server_names()[..2],
            ["relay.example.org".to_owned(), "10.0.0.1".to_owned()]
        );
        assert!(matches!(config.broker, Broker::Managed(b) if b.listen.port() == 0));
        let config = parse(
            "[broker]\nmode = \"external\"\nhost = \"mqtt\"\nca = \"a\"\ncertificate = \"b\"\nkey = \"c\"\n",
        )
        .unwrap();
        assert!(matches!(config.broker, Broker::External(b) if b.port == 8883));
    }

    #[test]
    fn a_bad_file_is_refused_with_what_is_wrong() {
        for (text, says) in [
            ("[web]\nlisen = \"0.0.0.0:1\"", "lisen"),
            ("nonsense", "relay.toml"),
            ("[web]\nlisten = \"8443\"", "listen"),
            ("[web]\ncertificate = \"a\"", "belong together"),
            ("[web]\npublic_host = \"https://x\"", "no scheme"),
            ("[web]\nhandshakes_max = 0", "at least 1"),
            ("[broker]\nmode = \"external\"\nhost = \"x\"", "needs `ca`"),
            ("[broker]\nhost = \"x\"", "has no meaning"),
            ("[broker]\nmode = \"none\"", "external"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(says), "{text:?} gave {error:?}");
        }
        assert!(Config::read(Path::new("/nonexistent/relay.toml")).is_err());
    }
}

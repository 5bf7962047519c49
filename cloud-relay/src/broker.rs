//! The MQTT broker: Mosquitto as a supervised child, or one that runs elsewhere.
//!
//! The managed broker's configuration is written anew at every start into `<state>/broker/`: mutual TLS under the
//! relay's CA, the certificate's CN as user name *and* as client id (so that nobody can push another off by taking its
//! client id), topics by ACL: an appliance writes its own tree and reads its own `ack` and `poke`; the relay reads what
//! appliances write, writes `ack` and `poke`, and owns the consumers' tree. What a revoked appliance could do is denied
//! by name, at once.
//!
//! An external broker needs the same rules from its operator (docs/ref/mqtt.md); ingest validates everything anyway.

use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use base::backoff::Backoff;
use base::child::NoLeakChild;
use base::durable;
use base::net::HostPort;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use wire::ids::ApplianceId;
use wire::topics::{
    CONSUMER_READ_PATTERN, DEVICE_READ_PATTERNS, DEVICE_WRITE_PATTERNS, INGEST_FILTERS,
    RELAY_WRITE_FILTERS,
};

use crate::pki::{Pki, PkiError, RELAY_CN};
use crate::store::{DbError, Store};

/// Where system packages put daemons, in case PATH does not say so.
const SBIN: [&str; 3] = ["/usr/sbin", "/usr/local/sbin", "/sbin"];

/// Longest time until a started broker listens.
const LISTEN_WAIT: Duration = Duration::from_secs(15);

/// Time to write its database when it is asked to end.
const STOP_WAIT: Duration = Duration::from_secs(8);

/// How often a running broker is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// A broker that has run this long has recovered.
const SETTLED: Duration = Duration::from_secs(60);

/// Why the managed broker cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// Not installed.
    #[error(
        "the MQTT broker {0:?} is not there: install the package `mosquitto`, name the program with [broker] program, \
         or use one that runs elsewhere with [broker] mode = \"external\""
    )]
    NoProgram(PathBuf),
    /// A file.
    #[error("cannot write {path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No free port.
    #[error("cannot find a free port on {0}: {1}")]
    Port(IpAddr, io::Error),
    /// Certificates.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// The store.
    #[error(transparent)]
    Store(#[from] DbError),
    /// A certificate or key of an external broker cannot be used.
    #[error("{path}: {why}")]
    External {
        /// Which file.
        path: PathBuf,
        /// Why.
        why: String,
    },
}

/// How the broker is, for `/ready` and the metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// Not listening yet.
    Starting,
    /// Listening.
    Running,
    /// It ended, and is started again.
    Down {
        /// How it ended.
        why: String,
    },
}

/// How a command is made one that dies with us ([`base::child::guarded`]; tests have another binary).
pub type Guard = fn(&Command) -> io::Result<Command>;

/// The managed broker, ready to run.
pub struct Managed {
    pki: Arc<Pki>,
    store: Store,
    names: Vec<String>,
    folder: PathBuf,
    program: PathBuf,
    address: SocketAddr,
    guard: Guard,
    health: watch::Sender<Health>,
    standing: Arc<Notify>,
}

impl Managed {
    /// Finds the program and a port. `names`: what the broker's certificate is good for, `127.0.0.1` among them.
    pub fn new(
        pki: Arc<Pki>,
        store: Store,
        names: Vec<String>,
        state: &Path,
        listen: SocketAddr,
        program: &Path,
        guard: Guard,
    ) -> Result<Self, BrokerError> {
        let program = find(program).ok_or_else(|| BrokerError::NoProgram(program.to_owned()))?;
        let mut address = listen;
        if address.port() == 0 {
            let free = std::net::TcpListener::bind(address).and_then(|l| l.local_addr());
            address = free.map_err(|e| BrokerError::Port(listen.ip(), e))?;
        }
        Ok(Self {
            pki,
            store,
            names,
            folder: state.join("broker"),
            program,
            address,
            guard,
            health: watch::Sender::new(Health::Starting),
            standing: Arc::new(Notify::new()),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How it is.
    #[cfg(test)]
    pub fn health(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    /// Notify this when an appliance was revoked or claimed: the rules are written again.
    pub fn standing(&self) -> Arc<Notify> {
        self.standing.clone()
    }

    /// How the relay itself reaches it.
    pub fn link(&self) -> Link {
        let here = match self.address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        Link::Managed {
            pki: self.pki.clone(),
            address: HostPort {
                host: IpAddr::to_string(&here),
                port: self.address.port(),
            },
        }
    }

    /// Runs it until stopped, starting it again whenever it ends.
    pub async fn run(self, stop: CancellationToken) -> Result<(), BrokerError> {
        let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(10));
        while !stop.is_cancelled() {
            let begun = Instant::now();
            let why = match self.run_once(&stop).await? {
                Some(why) => why,
                None => break,
            };
            if begun.elapsed() >= SETTLED {
                backoff.reset();
            }
            let delay = backoff.next_delay();
            tracing::warn!(broker.listen = %self.address, reason = why, retry_ms = delay.as_millis() as u64, "The MQTT broker ended and is started again");
            self.health.send_replace(Health::Down { why });
            stop.run_until_cancelled(tokio::time::sleep(delay)).await;
        }
        Ok(())
    }

    /// One life of the broker; how it ended, or none when it was asked to.
    async fn run_once(&self, stop: &CancellationToken) -> Result<Option<String>, BrokerError> {
        self.health.send_replace(Health::Starting);
        let mut renew_at = self.write_files().await?;
        let mut child = match self.start() {
            Ok(child) => child,
            Err(error) => return Ok(Some(format!("it cannot be started: {error}"))),
        };
        let begun = Instant::now();
        let mut look = tokio::time::interval(LOOK);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.standing.notified() => {
                    self.write_acl().await?;
                    reload(&child);
                    continue;
                }
                _ = look.tick() => {}
            }
            match child.inner().try_wait() {
                Ok(None) => {}
                Ok(Some(status)) => return Ok(Some(status.to_string())),
                Err(error) => return Ok(Some(error.to_string())),
            }
            if *self.health.borrow() == Health::Starting {
                if self.listens().await {
                    tracing::info!(broker.listen = %self.address, "The MQTT broker runs");
                    self.health.send_replace(Health::Running);
                } else if begun.elapsed() > LISTEN_WAIT {
                    return Ok(Some(format!("it does not listen on {}", self.address)));
                }
            }
            if wire::time::UtcTime::from(jiff::Timestamp::now()) >= renew_at {
                renew_at = self.write_files().await?;
                reload(&child);
            }
        }
        let ended = tokio::task::spawn_blocking(move || child.stop(STOP_WAIT)).await;
        match ended {
            Ok(Ok(status)) => tracing::debug!(%status, "The MQTT broker ended"),
            Ok(Err(error)) => tracing::warn!(%error, "The MQTT broker could not be ended"),
            Err(error) => tracing::warn!(%error, "The MQTT broker could not be ended"),
        }
        Ok(None)
    }

    fn start(&self) -> io::Result<NoLeakChild> {
        let mut plain = Command::new(&self.program);
        plain.arg("-c").arg(self.folder.join("mosquitto.conf"));
        plain.current_dir(&self.folder);
        // It would tell systemd that it is ready, as if it were the relay.
        plain.env_remove("NOTIFY_SOCKET");
        let mut command = (self.guard)(&plain)?;
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = base::child::spawn(command)?;
        drain(child.stdout.take())?;
        drain(child.stderr.take())?;
        Ok(NoLeakChild::new(child, "mosquitto"))
    }

    async fn listens(&self) -> bool {
        let Link::Managed { address, .. } = self.link() else {
            return false;
        };
        tokio::net::TcpStream::connect((address.host.as_str(), address.port))
            .await
            .is_ok()
    }

    /// Configuration, certificates, rules. Returns when the certificate is to be renewed.
    async fn write_files(&self) -> Result<wire::time::UtcTime, BrokerError> {
        let data = self.folder.join("data");
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&data)
            .map_err(|source| BrokerError::File { path: data, source })?;
        let made = self.pki.issue_server(&self.names)?;
        self.write("ca.pem", self.pki.ca_pem(), 0o644)?;
        self.write("server.key", &made.key_pem, 0o600)?;
        self.write("server.pem", &made.issued.certificate_pem, 0o644)?;
        self.write_acl().await?;
        self.write("mosquitto.conf", &self.configuration(), 0o600)?;
        Ok(made.issued.renew_at)
    }

    async fn write_acl(&self) -> Result<(), BrokerError> {
        let revoked = self.store.revoked_appliances().await?;
        self.write("acl", &acl(&revoked), 0o600)
    }

    fn write(&self, name: &str, text: &str, mode: u32) -> Result<(), BrokerError> {
        let path = self.folder.join(name);
        durable::replace(&path, text.as_bytes(), mode)
            .map_err(|source| BrokerError::File { path, source })
    }

    fn configuration(&self) -> String {
        let folder = self.folder.display();
        let mut text = format!(
            "# Written by the relay at every start; changes are lost.\n\
             listener {port} {ip}\n\
             cafile {folder}/ca.pem\n\
             certfile {folder}/server.pem\n\
             keyfile {folder}/server.key\n\
             tls_version tlsv1.3\n\
             require_certificate true\n\
             use_identity_as_username true\n\
             use_username_as_clientid true\n\
             allow_anonymous false\n\
             acl_file {folder}/acl\n\
             persistence true\n\
             persistence_location {folder}/data/\n\
             autosave_interval 60\n\
             persistent_client_expiration 14d\n\
             max_packet_size {packet}\n\
             message_size_limit {packet}\n\
             max_inflight_messages {INFLIGHT}\n\
             max_queued_messages {QUEUED}\n\
             max_queued_bytes {QUEUED_BYTES}\n\
             max_keepalive 300\n\
             set_tcp_nodelay true\n\
             connection_messages false\n\
             log_dest stderr\n\
             log_timestamp false\n\
             log_type error\n\
             log_type warning\n\
             log_type notice\n",
            port = self.address.port(),
            ip = self.address.ip(),
            packet = base::mqtt::PACKET_BYTES_MAX,
        );
        // As root Mosquitto would become another user, who may read neither this file nor the keys.
        if nix::unistd::geteuid().is_root() {
            text.push_str("user root\n");
        }
        text
    }
}

/// Deliveries to a client that it has not acknowledged, at most.
const INFLIGHT: u16 = 256;
/// Messages that wait for a client that is away (the relay, between two starts), at most.
const QUEUED: u32 = 100_000;
/// Their bytes, at most.
const QUEUED_BYTES: u64 = 256 * 1024 * 1024;

/// The rules, as Mosquitto reads them: those of a user by name count before the patterns for all.
fn acl(revoked: &[ApplianceId]) -> String {
    let mut text = format!("user {RELAY_CN}\n");
    for filter in INGEST_FILTERS {
        let _ = writeln!(text, "topic read {filter}");
    }
    for filter in RELAY_WRITE_FILTERS {
        let _ = writeln!(text, "topic write {filter}");
    }
    for appliance in revoked {
        let _ = writeln!(text, "user {appliance}\ntopic deny #");
    }
    for pattern in DEVICE_WRITE_PATTERNS {
        let _ = writeln!(text, "pattern write {pattern}");
    }
    for pattern in DEVICE_READ_PATTERNS
        .into_iter()
        .chain([CONSUMER_READ_PATTERN])
    {
        let _ = writeln!(text, "pattern read {pattern}");
    }
    text
}

/// Asks it to read rules and certificates again.
fn reload(child: &NoLeakChild) {
    let pid = Pid::from_raw(child.id() as i32);
    if let Err(error) = kill(pid, Signal::SIGHUP) {
        tracing::warn!(%error, "The MQTT broker cannot be told to read its rules again");
    }
}

/// Puts what it prints into our journal, from a thread that ends with it.
fn drain(output: Option<impl Read + Send + 'static>) -> io::Result<()> {
    let Some(output) = output else { return Ok(()) };
    std::thread::Builder::new()
        .name("broker-output".into())
        .spawn(move || {
            for line in BufReader::new(output).lines() {
                match line {
                    Ok(line) if line.starts_with("Error") => {
                        tracing::warn!(broker.line = line, "The MQTT broker reports an error")
                    }
                    Ok(line) => tracing::debug!(broker.line = line, "The MQTT broker says"),
                    Err(_) => break, // not UTF-8, or closed
                }
            }
        })?;
    Ok(())
}

/// A program by path, or by name in PATH and where daemons lie.
fn find(program: &Path) -> Option<PathBuf> {
    if program.components().count() > 1 {
        return program.is_file().then(|| program.to_owned());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(SBIN.map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}

/// How the relay reaches its broker.
#[derive(Debug, Clone)]
pub enum Link {
    /// Our own child: a fresh certificate of our CA for each connection.
    Managed {
        /// Issues it.
        pki: Arc<Pki>,
        /// Where it listens, from here.
        address: HostPort,
    },
    /// Elsewhere, with files that its operator renews.
    External {
        /// Where.
        address: HostPort,
        /// CA certificates (PEM).
        ca: PathBuf,
        /// The relay's certificate (PEM).
        certificate: PathBuf,
        /// Its key (PEM).
        key: PathBuf,
    },
}

impl Link {
    /// Address and TLS of the next connection.
    pub fn broker(&self) -> Result<base::mqtt::Broker, BrokerError> {
        let (address, tls) = match self {
            Self::Managed { pki, address } => {
                let made = pki.issue_relay_client()?;
                let chain = &made.issued.certificate_pem;
                let tls = base::tls::mutual_client(pki.ca_pem(), chain, &made.key_pem);
                (address, tls.map_err(PkiError::from)?)
            }
            Self::External {
                address,
                ca,
                certificate,
                key,
            } => {
                let read = |path: &PathBuf| {
                    std::fs::read_to_string(path).map_err(|e| BrokerError::External {
                        path: path.clone(),
                        why: e.to_string(),
                    })
                };
                let tls = base::tls::mutual_client(&read(ca)?, &read(certificate)?, &read(key)?);
                let tls = tls.map_err(|e| BrokerError::External {
                    path: certificate.clone(),
                    why: e.to_string(),
                })?;
                (address, tls)
            }
        };
        Ok(base::mqtt::Broker {
            address: address.clone(),
            tls: Arc::new(tls),
        })
    }
}

#[cfg(test)]
pub(crate) mod tests;

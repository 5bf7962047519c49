//! Wires everything in one readable list; starts, watches and joins the tasks; drains in order.

use std::fs::Permissions;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use base::clock::Clock;
use base::net::HostPort;
use base::tasks::Tasks;
use rustls::server::ResolvesServerCert;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::api::{self, App, Parts};
use crate::audit::Audit;
use crate::broker::{Link, Managed};
use crate::changes::Changes;
use crate::claim::Claims;
use crate::config::{self, Config, Web};
use crate::identity::Identity;
use crate::ingest::{self, Ingest};
use crate::mqtt::Pokes;
use crate::pki::{Pki, ServerCertificate};
use crate::store::Store;
use crate::tenancy;
use crate::tunnel::hub::{Hub, Limits};
use crate::tunnel::listener;
use crate::updates::deliver::{self, Deliverer};

/// How long tasks may take to end once they were told.
const DRAIN: Duration = Duration::from_secs(10);

/// How long answers through the tunnel may go on once the web listener has closed.
const TUNNEL_DRAIN: Duration = Duration::from_secs(2);

/// What the web listener speaks.
const WEB_ALPN: &[&[u8]] = &[b"http/1.1"];

/// Runs until a signal or the end of a task.
pub async fn run(config: Config) -> anyhow::Result<()> {
    let shutdown = base::shutdown::on_signals().context("listen for signals")?;
    let mut tasks = Tasks::new(shutdown.clone());
    let clock = Clock::system();
    let folder = &config.state.folder;
    make_state_folder(folder)?;

    // What is kept: the database, the first person, the CA.
    let store = Store::open(folder)?;
    tenancy::first_start(&store, &clock, folder).await?;
    let pki = Arc::new(Pki::open(folder, clock.clone())?);
    let own_certificate = ServerCertificate::new(pki.clone(), config.server_names())?;

    // Ports, before anything is promised to anybody.
    let web = bind(config.web.listen, "web").await?;
    let tunnel = bind(config.tunnel.listen, "tunnel").await?;
    let mut broker = Broker::new(&config, &pki, &store)?;
    let addresses = Addresses {
        web: web.local_addr()?,
        tunnel: tunnel.local_addr()?,
        broker: broker.address().to_string(),
    };

    // The way to appliances. It outlives the web listener, so that answers under way come to their end.
    let tunnel_stop = CancellationToken::new();
    let limits = Limits {
        connections_max: config.tunnel.connections_per_appliance_max,
        ..Limits::default()
    };
    let hub = Hub::new(limits, tunnel_stop.clone());
    let tunnel_tls =
        base::tls::mutual_server(pki.ca_pem(), own_certificate.clone(), &[wire::tunnel::ALPN])?;

    // People.
    let changes = Changes::new();
    let identity = Identity::new(
        store.clone(),
        clock.clone(),
        tenancy::first_password_file(folder),
    );
    let audit = Audit::new(store.clone(), clock.clone());
    let claims = Claims::new(
        store.clone(),
        pki.clone(),
        clock.clone(),
        config.told(config.tunnel.public_port, addresses.tunnel.port()),
        broker.told(&config),
        broker.ca()?.as_deref(),
    );
    let (pokes, poked) = Pokes::new();
    let ingest = Ingest::new(ingest::Parts {
        store: store.clone(),
        clock: clock.clone(),
        changes: changes.clone(),
        hub: hub.clone(),
        pki: pki.clone(),
        link: broker.link(),
        socket_folder: folder.join("run/mqtt"),
        pokes: poked,
        patience: Default::default(),
    });
    let mut reports = ingest.connected();
    let (ready, is_ready) = watch::channel(false);
    let deliveries = Arc::<Notify>::default();
    let app = App::new(Parts {
        clock: clock.clone(),
        store: store.clone(),
        identity,
        audit: audit.clone(),
        changes,
        hub: hub.clone(),
        pki: pki.clone(),
        claims,
        standing: broker.standing(),
        reports: reports.clone(),
        pokes,
        deliveries: deliveries.clone(),
        ready: is_ready,
    });
    // Newer systems go to sites that were told to take one.
    let deliverer = Deliverer::new(deliver::Parts {
        store: store.clone(),
        hub: hub.clone(),
        pki: pki.clone(),
        clock,
        audit: audit.clone(),
        state: folder.clone(),
        wake: deliveries,
    });
    let web_certificate = web_certificate(&config.web, &own_certificate)?;
    let web_tls = Arc::new(base::tls::server(web_certificate, WEB_ALPN)?);

    // Tasks: the first that ends takes the relay down with its name.
    tasks.spawn(
        "web",
        api::serve::run(
            web,
            web_tls,
            config.web.clone(),
            api::router::router(app),
            shutdown.clone(),
        ),
    );
    // Reports first, then the broker: what it has acknowledged is stored before it ends.
    let broker_stop = CancellationToken::new();
    if let Some(managed) = broker.take_managed() {
        let run = managed.run(broker_stop.clone());
        tasks.spawn("broker", async move { Ok(run.await?) });
    }
    let take_in = ingest.run(shutdown.clone());
    tasks.spawn("ingest", async move {
        take_in.await;
        broker_stop.cancel();
        Ok(())
    });
    tasks.spawn("updates", deliverer.run(shutdown.clone()));
    tasks.spawn("audit", audit.clone().run(shutdown.clone()));
    let certificates = own_certificate.keep_renewed(shutdown.clone());
    tasks.spawn("certificates", async move {
        certificates.await;
        Ok(())
    });
    let keep_alive = hub.clone().keep_alive();
    let until = shutdown.clone();
    tasks.spawn("tunnel-keep-alive", async move {
        until.run_until_cancelled(keep_alive).await;
        Ok(())
    });
    let accept = listener::run(
        tunnel,
        Arc::new(tunnel_tls),
        store,
        hub.clone(),
        shutdown.clone(),
    );
    tasks.spawn("tunnel", async move {
        accept.await;
        Ok(())
    });

    addresses.write(folder)?;
    tracing::info!(
        web.address = %addresses.web,
        tunnel.address = %addresses.tunnel,
        broker.address = addresses.broker,
        state.folder = %folder.display(),
        ca.sha256 = pki.ca_sha256_hex(),
        version = env!("CARGO_PKG_VERSION"),
        "Started"
    );

    let stopping = shutdown.clone();
    tokio::spawn(async move {
        // Ready once reports come in. A broker that goes away later stops nobody from watching.
        let begun = reports.wait_for(|connected| *connected);
        if let Some(Ok(_)) = stopping.run_until_cancelled(begun).await {
            ready.send_replace(true);
            notify(&[sd_notify::NotifyState::Ready]);
        }
        stopping.cancelled().await;
        ready.send_replace(false);
        notify(&[sd_notify::NotifyState::Stopping]);
    });
    let outcome = tasks.watch(DRAIN).await;
    hub.drain(TUNNEL_DRAIN).await;
    // The bodies that the drain ended have counted their last bytes.
    audit.flush().await?;
    outcome?;
    tracing::info!("Stopped");
    Ok(())
}

/// Makes the state folder, for our eyes only: it holds keys, and digests of passwords.
pub fn make_state_folder(folder: &Path) -> anyhow::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    base::durable::create_dir_all(folder)
        .and_then(|()| std::fs::set_permissions(folder, Permissions::from_mode(0o700)))
        .with_context(|| format!("make the state folder {}", folder.display()))
}

async fn bind(address: SocketAddr, name: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("listen on {address} ([{name}] listen)"))
}

/// What the web listener shows: the operator's certificate, or one of our CA with the CA behind it.
fn web_certificate(
    web: &Web,
    own: &Arc<ServerCertificate>,
) -> anyhow::Result<Arc<dyn ResolvesServerCert>> {
    let (Some(certificate), Some(key)) = (&web.certificate, &web.key) else {
        return Ok(own.clone());
    };
    let read = |path: &Path| {
        std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))
    };
    let certified: CertifiedKey = base::tls::certified(&read(certificate)?, &read(key)?)
        .with_context(|| {
            format!(
                "use the certificate {} with the key {}",
                certificate.display(),
                key.display()
            )
        })?;
    Ok(Arc::new(SingleCertAndKey::from(certified)))
}

/// The broker as it is configured, with what the others need to know of it.
enum Broker {
    Managed(Option<Box<Managed>>, Box<Known>),
    External(config::ExternalBroker),
}

/// What is known of a managed broker after it was handed to its task.
struct Known {
    address: SocketAddr,
    link: Link,
    standing: Arc<Notify>,
}

impl Broker {
    fn new(config: &Config, pki: &Arc<Pki>, store: &Store) -> anyhow::Result<Self> {
        let wanted = match &config.broker {
            config::Broker::External(external) => return Ok(Self::External(external.clone())),
            config::Broker::Managed(wanted) => wanted,
        };
        let managed = Managed::new(
            pki.clone(),
            store.clone(),
            config.server_names(),
            &config.state.folder,
            wanted.listen,
            &wanted.program,
            base::child::guarded,
        )?;
        let known = Box::new(Known {
            address: managed.address(),
            link: managed.link(),
            standing: managed.standing(),
        });
        Ok(Self::Managed(Some(Box::new(managed)), known))
    }

    /// Where it listens.
    fn address(&self) -> HostPort {
        match self {
            Self::Managed(_, known) => HostPort {
                host: known.address.ip().to_string(),
                port: known.address.port(),
            },
            Self::External(external) => HostPort {
                host: external.host.clone(),
                port: external.port,
            },
        }
    }

    /// `host:port` that appliances dial.
    fn told(&self, config: &Config) -> String {
        match (self, &config.broker) {
            (Self::Managed(_, known), config::Broker::Managed(wanted)) => {
                config.told(wanted.public_port, known.address.port())
            }
            _ => self.address().to_string(),
        }
    }

    /// What an external broker's certificate is checked against, by appliances too.
    fn ca(&self) -> anyhow::Result<Option<String>> {
        match self {
            Self::Managed(..) => Ok(None),
            Self::External(external) => std::fs::read_to_string(&external.ca)
                .with_context(|| format!("read {}", external.ca.display()))
                .map(Some),
        }
    }

    /// How the relay itself reaches it.
    fn link(&self) -> Link {
        match self {
            Self::Managed(_, known) => known.link.clone(),
            Self::External(external) => Link::External {
                address: self.address(),
                ca: external.ca.clone(),
                certificate: external.certificate.clone(),
                key: external.key.clone(),
            },
        }
    }

    /// To be told when an appliance was claimed or revoked.
    fn standing(&self) -> Arc<Notify> {
        match self {
            Self::Managed(_, known) => known.standing.clone(),
            // The rules of an external one are its operator's.
            Self::External(_) => Arc::default(),
        }
    }

    /// The one to run, once.
    fn take_managed(&mut self) -> Option<Box<Managed>> {
        match self {
            Self::Managed(managed, _) => managed.take(),
            Self::External(_) => None,
        }
    }
}

/// The addresses that are really listened on.
#[derive(Debug, serde::Serialize)]
struct Addresses {
    web: SocketAddr,
    tunnel: SocketAddr,
    broker: String,
}

impl Addresses {
    /// For harnesses and scripts that let the system choose the ports.
    fn write(&self, state: &Path) -> anyhow::Result<()> {
        let folder = state.join("run");
        base::durable::create_dir_all(&folder)
            .with_context(|| format!("make {}", folder.display()))?;
        let path = folder.join("address.json");
        let json = serde_json::to_vec_pretty(self).context("write the addresses as JSON")?;
        base::durable::replace(&path, &json, 0o644)
            .with_context(|| format!("write {}", path.display()))
    }
}

fn notify(state: &[sd_notify::NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "systemd cannot be told how the relay does");
    }
}

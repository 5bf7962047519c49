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
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::api::{self, App, Parts};
use crate::audit::Audit;
use crate::changes::Changes;
use crate::claim::Claims;
use crate::config::{Broker, Config, Web};
use crate::identity::Identity;
use crate::pki::{Pki, ServerCertificate};
use crate::store::Store;
use crate::tenancy;
use crate::tunnel::hub::{Hub, Limits};
use crate::tunnel::listener;

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
    let addresses = Addresses {
        web: web.local_addr()?,
        tunnel: tunnel.local_addr()?,
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
        told_broker(&config),
        external_broker_ca(&config.broker)?.as_deref(),
    );
    let (ready, is_ready) = watch::channel(false);
    let app = App::new(Parts {
        clock,
        store: store.clone(),
        identity,
        audit: audit.clone(),
        changes,
        hub: hub.clone(),
        pki: pki.clone(),
        claims,
        ready: is_ready,
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
    ready.send_replace(true);
    notify(&[sd_notify::NotifyState::Ready]);
    tracing::info!(
        web.address = %addresses.web,
        tunnel.address = %addresses.tunnel,
        state.folder = %folder.display(),
        ca.sha256 = pki.ca_sha256_hex(),
        version = env!("CARGO_PKG_VERSION"),
        "Started"
    );

    let stopping = shutdown.clone();
    tokio::spawn(async move {
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

/// `host:port` that appliances dial for MQTT.
fn told_broker(config: &Config) -> String {
    match &config.broker {
        Broker::Managed(broker) => config.told(broker.public_port, broker.listen.port()),
        Broker::External(broker) => HostPort {
            host: broker.host.clone(),
            port: broker.port,
        }
        .to_string(),
    }
}

/// What an external broker's certificate is checked against, for appliances too.
fn external_broker_ca(broker: &Broker) -> anyhow::Result<Option<String>> {
    match broker {
        Broker::Managed(_) => Ok(None),
        Broker::External(broker) => std::fs::read_to_string(&broker.ca)
            .with_context(|| format!("read {}", broker.ca.display()))
            .map(Some),
    }
}

/// The addresses that are really listened on.
#[derive(Debug, serde::Serialize)]
struct Addresses {
    web: SocketAddr,
    tunnel: SocketAddr,
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

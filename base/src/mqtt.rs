//! An MQTT 5 session over our own TLS. The only file that knows the MQTT client.
//!
//! The client (rumqttc) would bring a TLS of its own with open advisories, so it is built without any: it speaks through
//! a Unix socket in a private folder to a task that has dialled TLS with our rustls. The socket's name is gone once both
//! ends have met, and only this process may be the other end.
//!
//! What the client does differently from what one would guess, and what is done about it here:
//! - Its event loop must always be polled, or pings stop: a task of its own does nothing else.
//! - After an error it would connect again by itself, at once, and forget what was not acknowledged: a session here
//!   lives for one connection. Whoever owns it connects again, with a back-off, and says again what matters.
//! - Incoming packets above 10 KiB are an error by default: [`PACKET_BYTES_MAX`] instead.
//! - It acknowledges what it has merely received: here the owner does, after it has stored it ([`Client::ack`]). The
//!   broker then holds back what is beyond `receive_max`, so the inbox is bounded without losing anything but
//!   [`Qos::AtMostOnce`].
//! - Its publishing waits when its channel is full, and the channel empties only while the loop is polled. So the loop
//!   never waits for the owner, who may be publishing: an inbox that is full all the same ends the session.

use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rumqttc::Transport;
use rumqttc::v5::mqttbytes::QoS as ClientQos;
use rumqttc::v5::mqttbytes::v5::{
    ConnectProperties, Filter, LastWill, LastWillProperties, Packet, Publish, PublishProperties,
    SubscribeReasonCode,
};
use rumqttc::v5::{AsyncClient, ConnectionError, Event, EventLoop, MqttOptions};
use rustls::ClientConfig;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use crate::net::HostPort;

/// Largest packet in either direction, in bytes.
pub const PACKET_BYTES_MAX: u32 = 256 * 1024;

/// Longest time for TCP, TLS and the broker's greeting, each.
const CONNECT_WAIT: Duration = Duration::from_secs(10);

/// Publications handed over and not yet written; more make the publisher wait.
const OUTGOING_MAX: usize = 64;

/// Publications written and not yet acknowledged by the broker; more make the publisher wait.
const UNACKNOWLEDGED_MAX: u16 = 100;

/// Places in the inbox for what may be dropped when the owner is slow.
const FLEETING_MAX: usize = 64;

/// Places for what may not, as a multiple of `receive_max`: Mosquitto 2.0 was seen to deliver twice as much without our
/// acknowledgement.
const INBOX_FACTOR: usize = 8;

/// How sure a delivery is. There is no third: what must arrive once is numbered by us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Qos {
    /// May be lost.
    AtMostOnce,
    /// May come twice.
    AtLeastOnce,
}

impl From<Qos> for ClientQos {
    fn from(qos: Qos) -> Self {
        match qos {
            Qos::AtMostOnce => Self::AtMostOnce,
            Qos::AtLeastOnce => Self::AtLeastOnce,
        }
    }
}

/// Something to publish.
#[derive(Debug, Clone)]
pub struct Message {
    /// Topic.
    pub topic: String,
    /// Payload.
    pub payload: Vec<u8>,
    /// How sure.
    pub qos: Qos,
    /// Kept by the broker for whoever subscribes later; an empty payload clears it.
    pub retain: bool,
    /// Seconds after which the broker may forget it.
    pub expiry_s: Option<u32>,
}

/// Where the broker is and how we show ourselves.
#[derive(Debug, Clone)]
pub struct Broker {
    /// Its TLS listener.
    pub address: HostPort,
    /// Trusts its CA, shows our certificate.
    pub tls: Arc<ClientConfig>,
}

/// How to connect.
#[derive(Debug, Clone)]
pub struct Options {
    /// Identity of the session at the broker.
    pub client_id: String,
    /// Published by the broker when we vanish.
    pub will: Option<Message>,
    /// Seconds that the broker keeps our subscriptions and what is queued for us; none: nothing is kept, and nothing of
    /// an earlier session is taken up.
    pub session_s: Option<u32>,
    /// Deliveries that we have not acknowledged, at most.
    pub receive_max: u16,
    /// Silence after which either side asks for a sign of life.
    pub keep_alive: Duration,
}

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// TCP or TLS.
    #[error("cannot connect to {address}: {source}")]
    Dial {
        /// Where.
        address: HostPort,
        /// Why.
        source: io::Error,
    },
    /// The private socket.
    #[error("cannot use the socket folder {folder}: {source}")]
    Socket {
        /// Where.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The broker refused, or broke off.
    #[error("the broker {address} does not take us: {reason}")]
    Refused {
        /// Where.
        address: HostPort,
        /// In its words.
        reason: String,
    },
}

/// The session is over.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the MQTT session ended: {0}")]
pub struct Ended(pub String);

/// Something that came in.
#[derive(Debug)]
pub struct Received {
    /// Topic.
    pub topic: String,
    /// Payload.
    pub payload: Bytes,
    /// From the broker's memory, not fresh.
    pub retained: bool,
    publish: Publish,
}

/// Publishes and subscribes. Cheap to clone; of no use after the session ended.
#[derive(Clone)]
pub struct Client {
    client: AsyncClient,
}

/// What comes in, and the end of the session. Dropped, it ends the session without a good-bye (the will is published).
pub struct Inbox {
    incoming: mpsc::Receiver<Received>,
    ended: oneshot::Receiver<Ended>,
    pump: JoinHandle<()>,
    bridge: JoinHandle<()>,
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.pump.abort();
        self.bridge.abort();
    }
}

/// A session that has begun.
pub struct Session {
    /// To speak.
    pub client: Client,
    /// To listen.
    pub inbox: Inbox,
    /// The broker kept an earlier session of ours: its subscriptions hold.
    pub resumed: bool,
}

/// Connects. `folder` is made private (0700) and holds the socket for a moment.
pub async fn connect(
    broker: &Broker,
    options: Options,
    folder: &Path,
) -> Result<Session, ConnectError> {
    let dialled = tokio::time::timeout(CONNECT_WAIT, dial(broker)).await;
    let tls = dialled
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        .map_err(|source| ConnectError::Dial {
            address: broker.address.clone(),
            source,
        })?;
    let meeting = Meeting::open(folder).map_err(|source| ConnectError::Socket {
        folder: folder.to_owned(),
        source,
    })?;
    let receive_max = options.receive_max;
    let (client, events) =
        AsyncClient::new(client_options(options, &meeting.address), OUTGOING_MAX);
    let (broken, why_broken) = oneshot::channel();
    let bridge = tokio::spawn(async move {
        let why = match meeting.accept().await {
            Ok(mut inside) => {
                let mut outside = tls;
                match tokio::io::copy_bidirectional(&mut inside, &mut outside).await {
                    Ok(_) => "the connection was closed".to_owned(),
                    Err(error) => error.to_string(),
                }
            }
            Err(error) => error.to_string(),
        };
        // Nobody asks any more when the owner has gone.
        let _ = broken.send(why);
    });
    let mut pump = Pump {
        events,
        why_broken: Some(why_broken),
    };
    let resumed = match pump.greeting().await {
        Ok(resumed) => resumed,
        Err(reason) => {
            bridge.abort();
            return Err(ConnectError::Refused {
                address: broker.address.clone(),
                reason,
            });
        }
    };
    let (inbox, incoming) = mpsc::channel(INBOX_FACTOR * usize::from(receive_max) + FLEETING_MAX);
    let (end, ended) = oneshot::channel();
    let pump = tokio::spawn(async move {
        let why = pump.run(inbox).await;
        // As above.
        let _ = end.send(Ended(why));
    });
    Ok(Session {
        client: Client { client },
        inbox: Inbox {
            incoming,
            ended,
            pump,
            bridge,
        },
        resumed,
    })
}

async fn dial(
    broker: &Broker,
) -> io::Result<tokio_rustls::client::TlsStream<tokio::net::TcpStream>> {
    let name = broker
        .address
        .server_name()
        .map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e))?;
    let tcp = broker.address.connect().await?;
    TlsConnector::from(broker.tls.clone())
        .connect(name, tcp)
        .await
}

fn client_options(options: Options, socket: &str) -> MqttOptions {
    let mut it = MqttOptions::new(options.client_id, socket, 0);
    let mut properties = ConnectProperties::new();
    properties.session_expiry_interval = options.session_s;
    properties.receive_maximum = Some(options.receive_max);
    properties.max_packet_size = Some(PACKET_BYTES_MAX);
    it.set_transport(Transport::Unix)
        .set_clean_start(options.session_s.is_none())
        .set_keep_alive(options.keep_alive.max(Duration::from_secs(5)))
        .set_connection_timeout(CONNECT_WAIT.as_secs())
        .set_connect_properties(properties)
        .set_manual_acks(true)
        .set_outgoing_inflight_upper_limit(UNACKNOWLEDGED_MAX);
    if let Some(will) = options.will {
        let properties = LastWillProperties {
            delay_interval: None,
            payload_format_indicator: None,
            message_expiry_interval: will.expiry_s,
            content_type: None,
            response_topic: None,
            correlation_data: None,
            user_properties: Vec::new(),
        };
        it.set_last_will(LastWill::new(
            will.topic,
            will.payload,
            will.qos.into(),
            will.retain,
            Some(properties),
        ));
    }
    it
}

impl Client {
    /// Hands over a message. Waits while too many are under way; that it was handed over says nothing about its arrival.
    pub async fn publish(&self, message: Message) -> Result<(), Ended> {
        let properties = PublishProperties {
            message_expiry_interval: message.expiry_s,
            ..PublishProperties::default()
        };
        self.client
            .publish_with_properties(
                message.topic,
                message.qos.into(),
                message.retain,
                message.payload,
                properties,
            )
            .await
            .map_err(gone)
    }

    /// Subscribes, at least once each. A refusal ends the session.
    pub async fn subscribe(&self, filters: &[String]) -> Result<(), Ended> {
        let filters = filters
            .iter()
            .map(|f| Filter::new(f.clone(), ClientQos::AtLeastOnce));
        self.client.subscribe_many(filters).await.map_err(gone)
    }

    /// Says that a delivery was stored and need not come again.
    pub async fn ack(&self, received: &Received) -> Result<(), Ended> {
        if received.publish.qos == ClientQos::AtMostOnce {
            return Ok(());
        }
        self.client.ack(&received.publish).await.map_err(gone)
    }

    /// Says good-bye: no will is published. The end is seen at the inbox, after everything that was handed over.
    pub async fn disconnect(&self) -> Result<(), Ended> {
        self.client.disconnect().await.map_err(gone)
    }
}

impl Inbox {
    /// The next delivery. Safe to cancel.
    pub async fn receive(&mut self) -> Result<Received, Ended> {
        match self.incoming.recv().await {
            Some(received) => Ok(received),
            None => Err((&mut self.ended)
                .await
                .unwrap_or_else(|_| Ended("it was given up".into()))),
        }
    }

    /// A delivery that is there already.
    pub fn receive_waiting(&mut self) -> Option<Received> {
        self.incoming.try_recv().ok()
    }
}

fn gone(error: rumqttc::v5::ClientError) -> Ended {
    match error {
        rumqttc::v5::ClientError::Request(_) | rumqttc::v5::ClientError::TryRequest(_) => {
            Ended("nothing can be sent any more".into())
        }
    }
}

/// Polls the client.
struct Pump {
    events: EventLoop,
    why_broken: Option<oneshot::Receiver<String>>,
}

impl Pump {
    /// The broker's first word: whether it kept our session.
    async fn greeting(&mut self) -> Result<bool, String> {
        match tokio::time::timeout(2 * CONNECT_WAIT, self.events.poll()).await {
            Ok(Ok(Event::Incoming(Packet::ConnAck(greeting)))) => Ok(greeting.session_present),
            Ok(Ok(other)) => Err(format!("it begins with {other:?}")),
            Ok(Err(error)) => Err(self.explain(error).await),
            Err(_) => Err("it says nothing".into()),
        }
    }

    /// Runs until the session ends, and says why.
    async fn run(&mut self, inbox: mpsc::Sender<Received>) -> String {
        let mut leaving = false;
        loop {
            match self.events.poll().await {
                Ok(Event::Incoming(Packet::Publish(publish))) => {
                    let fleeting = publish.qos == ClientQos::AtMostOnce;
                    let Ok(topic) = String::from_utf8(publish.topic.to_vec()) else {
                        return "a topic that is not UTF-8".into();
                    };
                    let received = Received {
                        topic,
                        payload: publish.payload.clone(),
                        retained: publish.retain,
                        publish,
                    };
                    if fleeting && inbox.max_capacity() - inbox.capacity() >= FLEETING_MAX {
                        continue;
                    }
                    match inbox.try_send(received) {
                        Ok(()) => {}
                        Err(mpsc::error::TrySendError::Full(_)) => {
                            return "the broker delivers more than it may".into();
                        }
                        Err(mpsc::error::TrySendError::Closed(_)) => {
                            return "nobody listens any more".into();
                        }
                    }
                }
                Ok(Event::Incoming(Packet::SubAck(answer))) => {
                    let good = |code: &SubscribeReasonCode| {
                        matches!(code, SubscribeReasonCode::Success(_))
                    };
                    if !answer.return_codes.iter().all(good) {
                        return format!("a subscription was refused: {:?}", answer.return_codes);
                    }
                }
                Ok(Event::Outgoing(rumqttc::Outgoing::Disconnect)) => leaving = true,
                Ok(_) => {}
                Err(_) if leaving => return "we said good-bye".into(),
                Err(error) => return self.explain(error).await,
            }
        }
    }

    /// The client sees a Unix socket that closed; the bridge knows why.
    async fn explain(&mut self, error: ConnectionError) -> String {
        let io = matches!(
            &error,
            ConnectionError::Io(_)
                | ConnectionError::MqttState(rumqttc::v5::StateError::Io(_))
                | ConnectionError::MqttState(rumqttc::v5::StateError::ConnectionAborted)
        );
        if let (true, Some(why)) = (io, self.why_broken.take())
            && let Ok(Ok(why)) = tokio::time::timeout(Duration::from_secs(1), why).await
        {
            return why;
        }
        match error {
            ConnectionError::ConnectionRefused(code) => format!("{code:?}"),
            other => other.to_string(),
        }
    }
}

/// A socket in a private folder where the client and the bridge meet once.
struct Meeting {
    listener: UnixListener,
    path: PathBuf,
    /// How the client names the socket: short enough for a socket address wherever the folder lies.
    address: String,
    _folder: std::fs::File,
}

impl Meeting {
    fn open(folder: &Path) -> io::Result<Self> {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
        let held = std::fs::File::open(folder)?;
        let name = format!(
            "{}.sock",
            data_encoding::HEXLOWER.encode(&crate::token::random::<8>())
        );
        let address = format!("/proc/self/fd/{}/{name}", held.as_raw_fd());
        Ok(Self {
            listener: UnixListener::bind(&address)?,
            path: folder.join(name),
            address,
            _folder: held,
        })
    }

    /// Waits for the client; anybody else is turned away. The name is removed.
    async fn accept(self) -> io::Result<UnixStream> {
        loop {
            let (stream, _) = self.listener.accept().await?;
            let peer = stream.peer_cred()?.pid();
            if peer.and_then(|pid| u32::try_from(pid).ok()) == Some(std::process::id()) {
                return Ok(stream);
            }
        }
    }
}

impl Drop for Meeting {
    fn drop(&mut self) {
        if let Err(error) = crate::durable::remove_if_there(&self.path) {
            tracing::warn!(file.path = %self.path.display(), %error, "A socket could not be removed");
        }
    }
}

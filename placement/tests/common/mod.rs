//! A placement server on a port of its own, and clients of it.

#![allow(dead_code, reason = "each test file uses its part")]
#![allow(unreachable_pub, reason = "no library")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may fail loudly"
)]

use std::{net::SocketAddr, time::Duration};

use axum::{body::Body, extract::ConnectInfo};
use http::StatusCode;
use placement::{
    Config, Gauges, Keepalive, Mandate, Namespaces, Role, Rpc, Sessions, Stay, routes, serve,
};
use placement_core::Settings;
use proto::placement::v1::{
    Host, HostOperation, PlacementOrder, placement_client::PlacementClient,
};
use serde_json::Value;
use tokio::{net::TcpListener, sync::mpsc, sync::watch, task::JoinSet, time::timeout};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tokio_util::sync::CancellationToken;
use tonic::{
    Code, Status, Streaming,
    transport::{Channel, Endpoint},
};
use tower::ServiceExt;

/// Longer than anything here takes, unless it fails.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Virtual nodes of a host.
const FACTOR: i64 = 100;

pub struct Server {
    pub address: SocketAddr,
    pub gauges: Gauges,
    pub namespaces: Namespaces,
    pub role: watch::Sender<Role>,
    pub rpc: Rpc,
    pub stopping: CancellationToken,
    /// The file of the token of the state endpoint.
    pub token: tempfile::NamedTempFile,
    pub tasks: JoinSet<()>,
}

pub struct Client {
    sender: Option<mpsc::Sender<Host>>,
    orders: Streaming<PlacementOrder>,
    pub host: Host,
}

impl Server {
    pub async fn start(budget: Duration) -> Self {
        Self::start_with(budget, Stay::default()).await
    }

    pub async fn start_with(budget: Duration, stay: Stay) -> Self {
        let gauges = Gauges::default();
        let settings = Settings {
            budget,
            window: Duration::ZERO,
        };
        let config = Config {
            settings,
            replication_factor: FACTOR,
            gauges: gauges.clone(),
            mandate: Mandate::forever(),
        };
        let (namespaces, supervisor) = Namespaces::new(config);
        let role = watch::Sender::new(Role::Leader);
        let rpc = Rpc::new(sessions(&role, &namespaces), false);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stopping = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let until = stopping.clone();
        tasks.spawn(async move { supervisor.run(until).await.unwrap() });
        let second = Duration::from_secs(1);
        let keepalive = Keepalive {
            time: second,
            timeout: second,
        };
        let incoming = TcpListenerStream::new(listener);
        let server = serve(incoming, rpc.clone(), keepalive, stay, stopping.clone());
        tasks.spawn(async move { server.await.unwrap() });
        Self {
            address,
            gauges,
            namespaces,
            role,
            rpc,
            stopping,
            token: tempfile::NamedTempFile::new().unwrap(),
            tasks,
        }
    }

    pub fn endpoint(&self) -> Endpoint {
        Endpoint::from_shared(format!("http://{}", self.address)).unwrap()
    }

    pub async fn connect(&self) -> PlacementClient<Channel> {
        PlacementClient::new(self.endpoint().connect().await.unwrap())
    }

    /// A stream on a connection of its own that waits for its first order.
    pub async fn join(&self, host: Host) -> Client {
        Client::open(&mut self.connect().await, host).await.unwrap()
    }

    pub async fn state(&self) -> Value {
        let (_, body) = self.state_for("127.0.0.1:1", None).await;
        serde_json::from_slice(&body).unwrap()
    }

    /// What a caller at this address is answered, who has perhaps a token.
    pub async fn state_for(&self, address: &str, token: Option<&str>) -> (StatusCode, Vec<u8>) {
        let file = Some(self.token.path().to_owned());
        let router = routes(self.role.subscribe(), self.namespaces.clone(), file);
        let mut request = http::Request::get("/placement/state");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let address: SocketAddr = address.parse().unwrap();
        let request = request.extension(ConnectInfo(address)).body(Body::empty());
        let response = router.oneshot(request.unwrap()).await.unwrap();
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await;
        (status, body.unwrap().to_vec())
    }

    /// Waits until the names of the hosts of `default` are these.
    pub async fn lists(&self, names: &[&str]) {
        let listed = async {
            while self.names().await != names {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let waited = timeout(PATIENCE, listed).await;
        assert!(
            waited.is_ok(),
            "expected {names:?}, state {}",
            self.state().await
        );
    }

    async fn names(&self) -> Vec<String> {
        let state = self.state().await;
        let hosts = state["tables"]["default"]["hosts"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        hosts
            .iter()
            .map(|host| host["name"].as_str().unwrap_or_default().to_owned())
            .collect()
    }
}

pub fn sessions(role: &watch::Sender<Role>, namespaces: &Namespaces) -> Sessions {
    Sessions {
        id: "replica-1".into(),
        role: role.subscribe(),
        namespaces: namespaces.clone(),
        patience: Duration::from_millis(500),
    }
}

impl Client {
    /// Returns when the server has answered: with an order or a refusal.
    pub async fn open(server: &mut PlacementClient<Channel>, host: Host) -> Result<Self, Status> {
        let (sender, messages) = mpsc::channel(16);
        sender.send(host.clone()).await.unwrap();
        let call = server.report_dapr_status(ReceiverStream::new(messages));
        let answer = timeout(PATIENCE, call).await.expect("an answer in time");
        let mut client = Self {
            sender: Some(sender),
            orders: answer?.into_inner(),
            host,
        };
        if client.host.operation() == HostOperation::Report {
            client.introduced().await?;
        }
        Ok(client)
    }

    /// Takes what a client is told first that says what its messages are for.
    async fn introduced(&mut self) -> Result<(), Status> {
        let (lock, preview) = (self.next().await?, self.next().await?);
        assert_eq!((&*lock.operation, &*preview.operation), ("lock", "update"));
        let tables = preview.tables.unwrap_or_default();
        assert_ne!(tables.replication_factor, FACTOR, "other rings than any");
        Ok(())
    }

    pub async fn say(&self, message: Host) {
        self.sender.as_ref().unwrap().send(message).await.unwrap();
    }

    /// Ends this side only.
    pub fn close(&mut self) {
        self.sender = None;
    }

    pub async fn next(&mut self) -> Result<PlacementOrder, Status> {
        let order = timeout(PATIENCE, self.orders.message())
            .await
            .expect("an order in time");
        order.map(|order| order.expect("a stream never ends without a status"))
    }

    pub async fn end(&mut self) -> (Code, String) {
        loop {
            if let Err(status) = self.next().await {
                return (status.code(), status.message().to_owned());
            }
        }
    }

    pub async fn expect(&mut self, operation: &str, version: u64) -> PlacementOrder {
        let order = self.next().await.unwrap();
        assert_eq!((&*order.operation, order.version), (operation, version));
        order
    }

    pub async fn answer(&self, operation: HostOperation, version: u64) {
        let (id, namespace) = (self.host.id.clone(), self.host.namespace.clone());
        let operation = operation.into();
        self.say(Host {
            id,
            namespace,
            operation,
            version: Some(version),
            ..Host::default()
        })
        .await;
    }

    /// Answers whatever comes until an UNLOCK of `version` or later was answered; the table.
    pub async fn unlocked(&mut self, version: u64) -> PlacementOrder {
        self.answer_until(|table| table.version >= version).await
    }

    /// Answers whatever comes until it is unlocked with a table of just these types.
    pub async fn settled(&mut self, types: &[&str]) -> PlacementOrder {
        let types_of = |table: &PlacementOrder| {
            let tables = table.tables.as_ref();
            tables.is_some_and(|tables| tables.entries.keys().eq(types))
        };
        self.answer_until(types_of).await
    }

    /// Answers whatever comes until it is unlocked with such a table.
    pub async fn answer_until(&mut self, done: impl Fn(&PlacementOrder) -> bool) -> PlacementOrder {
        let mut table = PlacementOrder::default();
        loop {
            let order = self.next().await.unwrap();
            let answer = match &*order.operation {
                "lock" => HostOperation::Lock,
                "update" => HostOperation::Update,
                _ => HostOperation::Unlock,
            };
            self.answer(answer, order.version).await;
            match answer {
                HostOperation::Update => table = order,
                HostOperation::Unlock if done(&table) => return table,
                _ => {}
            }
        }
    }
}

pub fn host(name: &str, entities: &[&str]) -> Host {
    Host {
        name: name.into(),
        id: "app".into(),
        namespace: "default".into(),
        entities: entities.iter().map(ToString::to_string).collect(),
        operation: HostOperation::Report.into(),
        ..Host::default()
    }
}

/// The value of a series of `default`.
pub fn sample(server: &Server, name: &str) -> Option<String> {
    let mut registry = prometheus_client::registry::Registry::default();
    server.gauges.register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    let prefix = format!("{name}{{host_namespace=\"default\"}} ");
    text.lines()
        .find_map(|line| line.strip_prefix(&prefix).map(ToOwned::to_owned))
}

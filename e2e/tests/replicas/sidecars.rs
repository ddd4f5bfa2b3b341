//! Sidecars that look for the leader as real ones do, and note down what each replica sends.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use e2e::Reigns;
use parking_lot::Mutex;
use proto::placement::v1::{
    Host, HostOperation, PlacementOrder, placement_client::PlacementClient,
};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, transport::Endpoint};

use crate::replicas::{Life, Replica, Replicas};

/// What one sidecar was sent.
struct Sent {
    at: Instant,
    by: Life,
    /// How many hosts the table had.
    hosts: Option<usize>,
}

#[derive(Default)]
struct Journal {
    sent: Vec<Sent>,
    /// By which replica each sidecar is unlocked, with how many hosts.
    unlocked: Vec<Option<(Life, usize)>>,
}

/// What the sidecars share.
#[derive(Clone)]
struct World {
    replicas: Arc<Vec<Replica>>,
    journal: Arc<Mutex<Journal>>,
}

pub(crate) struct Sidecars {
    journal: Arc<Mutex<Journal>>,
    _tasks: JoinSet<()>,
    count: usize,
    since: Instant,
}

const KIND: &str = "actor";

impl Sidecars {
    pub(crate) fn start(count: usize, replicas: &Replicas) -> Self {
        let journal = Arc::new(Mutex::new(Journal {
            unlocked: vec![None; count],
            ..Journal::default()
        }));
        let world = World {
            replicas: replicas.replicas(),
            journal: Arc::clone(&journal),
        };
        let mut tasks = JoinSet::new();
        for index in 0..count {
            tasks.spawn(live(index, world.clone()));
        }
        Self {
            journal,
            _tasks: tasks,
            count,
            since: Instant::now(),
        }
    }

    /// Waits until one replica, other than the one in this life, has unlocked all sidecars with a
    /// table of all of them.
    pub(crate) async fn settled_within(&self, time: Duration, gone: Option<Life>) {
        let settled = async {
            while !self.is_settled(gone) {
                sleep(Duration::from_millis(10)).await;
            }
        };
        let waited = timeout(time, settled).await;
        assert!(
            waited.is_ok(),
            "not settled: {:?}",
            self.journal.lock().unlocked
        );
    }

    fn is_settled(&self, gone: Option<Life>) -> bool {
        let journal = self.journal.lock();
        let by = journal.unlocked.iter().flatten().map(|(by, _)| *by);
        let by: BTreeSet<_> = by.collect();
        let full = |unlocked: &Option<(Life, usize)>| {
            unlocked.is_some_and(|(_, hosts)| hosts == self.count)
        };
        by.len() == 1 && by.first() != gone.as_ref() && journal.unlocked.iter().all(full)
    }

    pub(crate) fn orders(&self) -> usize {
        self.journal.lock().sent.len()
    }

    pub(crate) fn partial_tables_after(&self, order: usize) -> usize {
        let journal = self.journal.lock();
        let tables = journal.sent[order..].iter().filter_map(|sent| sent.hosts);
        tables.filter(|hosts| *hosts < self.count).count()
    }

    /// No two replicas sent orders at once.
    pub(crate) fn check_one_leader(&self) {
        let mut reigns = Reigns::default();
        for sent in &self.journal.lock().sent {
            reigns.note(sent.by, sent.at.duration_since(self.since));
        }
        assert_eq!(reigns.overlap(), None, "two led at once");
    }
}

async fn live(index: usize, world: World) {
    let mut next = index;
    loop {
        let replica = next % world.replicas.len();
        let status = serve(index, replica, &world).await;
        world.journal.lock().unlocked[index] = None;
        next += 1;
        // As real sidecars do: a pause only if nobody was there.
        let pause = if status.is_none() {
            250 + 40 * index
        } else {
            5
        };
        sleep(Duration::from_millis(u64::try_from(pause).unwrap())).await;
    }
}

/// One stream; its status, or nothing if the replica could not be reached.
async fn serve(index: usize, replica: usize, world: &World) -> Option<Status> {
    let address = world.replicas[replica].address();
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    let channel = endpoint
        .connect_timeout(Duration::from_millis(500))
        .connect()
        .await
        .ok()?;
    let (sender, messages) = mpsc::channel(8);
    let host = Host {
        name: format!("10.0.0.{index}:50002"),
        id: format!("app-{index}"),
        namespace: "default".into(),
        entities: vec![KIND.into()],
        operation: HostOperation::Report.into(),
        ..Host::default()
    };
    sender.send(host.clone()).await.unwrap();
    let call = PlacementClient::new(channel);
    let call = { call }
        .report_dapr_status(ReceiverStream::new(messages))
        .await;
    let mut orders = match call {
        Ok(answer) => answer.into_inner(),
        Err(status) => return Some(status),
    };
    let by = (replica, world.replicas[replica].restarts());
    let mut hosts = 0;
    loop {
        let order = match orders.message().await {
            Ok(Some(order)) => order,
            Ok(None) => return Some(Status::ok("")),
            Err(status) => return Some(status),
        };
        hosts = table_size(&order).unwrap_or(hosts);
        world.note(index, by, hosts, &order);
        let answer = Host {
            operation: operation(&order).into(),
            version: Some(order.version),
            entities: vec![],
            ..host.clone()
        };
        if sender.send(answer).await.is_err() {
            return Some(Status::unknown("the stream ended"));
        }
    }
}

impl World {
    fn note(&self, index: usize, by: Life, hosts: usize, order: &PlacementOrder) {
        let (at, hosts_sent) = (Instant::now(), table_size(order));
        let mut journal = self.journal.lock();
        journal.sent.push(Sent {
            at,
            by,
            hosts: hosts_sent,
        });
        journal.unlocked[index] = (order.operation == "unlock").then_some((by, hosts));
    }
}

fn table_size(order: &PlacementOrder) -> Option<usize> {
    let tables = order.tables.as_ref()?;
    Some(
        tables
            .entries
            .get(KIND)
            .map_or(0, |table| table.load_map.len()),
    )
}

pub(crate) fn operation(order: &PlacementOrder) -> HostOperation {
    match &*order.operation {
        "lock" => HostOperation::Lock,
        "update" => HostOperation::Update,
        _ => HostOperation::Unlock,
    }
}

//! A sidecar that takes part in rounds until it falls silent after the table.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use proto::placement::v1::{Host, HostOperation, placement_client::PlacementClient};
use tokio::{sync::mpsc, task::JoinSet};
use tokio_stream::wrappers::ReceiverStream;

use crate::sidecars::operation;

/// While this lives, its stream does, as far as the server has it so.
pub(crate) struct Blocker {
    silent: Arc<AtomicBool>,
    _stream: JoinSet<()>,
}

// === impl Blocker ===

impl Blocker {
    /// Joins the leader at this address; returns when it was unlocked.
    pub(crate) async fn join(address: String) -> Self {
        let silent = Arc::new(AtomicBool::new(false));
        let (unlocked, mut news) = mpsc::channel(8);
        let mut stream = JoinSet::new();
        stream.spawn(take_part(address, Arc::clone(&silent), unlocked));
        news.recv().await.expect("the blocker is served");
        Self {
            silent,
            _stream: stream,
        }
    }

    pub(crate) fn fall_silent(&self) {
        self.silent.store(true, Ordering::Release);
    }
}

async fn take_part(address: String, silent: Arc<AtomicBool>, unlocked: mpsc::Sender<()>) {
    let client = PlacementClient::connect(format!("http://{address}")).await;
    let (sender, messages) = mpsc::channel(8);
    let host = Host {
        name: "10.0.0.1:50002".into(),
        id: "blocker".into(),
        namespace: "default".into(),
        entities: vec!["blocker".into()],
        operation: HostOperation::Report.into(),
        ..Host::default()
    };
    sender.send(host.clone()).await.unwrap();
    let messages = ReceiverStream::new(messages);
    let orders = client.unwrap().report_dapr_status(messages).await;
    let mut orders = orders.unwrap().into_inner();
    while let Ok(Some(order)) = orders.message().await {
        let operation = operation(&order);
        if operation == HostOperation::Unlock {
            let _ = unlocked.try_send(());
        }
        if operation == HostOperation::Update && silent.load(Ordering::Acquire) {
            continue;
        }
        let answer = Host {
            operation: operation.into(),
            version: Some(order.version),
            entities: vec![],
            ..host.clone()
        };
        if sender.send(answer).await.is_err() {
            return;
        }
    }
}

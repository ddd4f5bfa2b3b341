//! One replica of Dapr's own placement.

use std::{io, sync::Arc, time::Duration};

use futures::{SinkExt, StreamExt, stream};
use identity::Socket;
use proto::placement::v1::{Host, placement_client::PlacementClient};
use rustls::ClientConfig;
use tokio::time::timeout;
use tonic::Code;

use super::hashicorp::{Answer, Call, Line, line};

/// One that has answered.
pub(super) struct Stranger {
    /// Whether it leads the others of its kind, as far as it could be learned.
    pub(super) leads: Option<bool>,
    term: u64,
    line: Line<Box<dyn Socket>>,
}

/// Where it may be, and how it is spoken to.
#[derive(Debug)]
pub(super) struct Door {
    /// `host:port` of the port for replicas.
    pub(super) peer: String,
    /// `host:port` of the port for sidecars.
    pub(super) api: String,
    pub(super) tls: Option<Arc<ClientConfig>>,
}

/// For each question.
const PATIENCE: Duration = Duration::from_millis(500);

// === impl Stranger ===

impl Stranger {
    /// The stranger behind a door; nobody if there is one of us, or no answer.
    pub(super) async fn meet(door: &Door) -> Option<Self> {
        let meeting = timeout(PATIENCE, greet(door)).await;
        let (line, term) = meeting.ok()?.ok()?;
        let leads = timeout(PATIENCE, leads(door)).await;
        Some(Self {
            leads: leads.ok().flatten(),
            term,
            line,
        })
    }

    /// Makes it stand for election at once, which it would do by itself within four seconds. It
    /// must not lead. A candidate does not listen to that, so it is made a follower first.
    pub(super) async fn stand(mut self) -> io::Result<()> {
        let term = self.term.saturating_add(1);
        let standing = async {
            ask(&mut self.line, Call::Follow { term }).await?;
            ask(&mut self.line, Call::StandNow).await
        };
        timeout(PATIENCE, standing).await??;
        Ok(())
    }
}

async fn greet(door: &Door) -> io::Result<(Line<Box<dyn Socket>>, u64)> {
    let mut line = line(identity::dial(&door.peer, door.tls.as_ref()).await?);
    let answer = ask(&mut line, Call::Follow { term: 0 }).await?;
    Ok((line, answer.term))
}

async fn ask(line: &mut Line<Box<dyn Socket>>, call: Call) -> io::Result<Answer> {
    line.send(call).await?;
    line.next()
        .await
        .unwrap_or_else(|| Err(io::ErrorKind::UnexpectedEof.into()))
}

/// A leader looks at the first message, which says nothing and is refused; others don't look.
async fn leads(door: &Door) -> Option<bool> {
    let channel = identity::channel(&door.api, door.tls.clone(), PATIENCE).await;
    let mut client = PlacementClient::new(channel.ok()?);
    let nobody = stream::iter([Host::default()]);
    let answer = match client.report_dapr_status(nobody).await {
        Ok(mut answers) => answers.get_mut().message().await.err(),
        Err(status) => Some(status),
    };
    match answer?.code() {
        Code::FailedPrecondition => Some(false),
        Code::InvalidArgument => Some(true),
        _ => None,
    }
}

//! The life of one stream, as the client's messages tell it.

use std::{future::poll_fn, sync::Arc, time::Duration};

use placement_core::{Client, Host, Refusal, authorize};
use proto::placement::v1;
use tokio::{sync::watch, time::timeout};
use tonic::{Status, Streaming};

use crate::{
    line::Line,
    namespaces::{Membership, Namespaces},
    standing::Role,
    wire,
};

/// What every stream is served by.
#[derive(Clone, Debug)]
pub struct Sessions {
    /// The ID of this replica.
    pub id: Arc<str>,
    /// Whether this replica leads.
    pub role: watch::Receiver<Role>,
    /// Where streams join.
    pub namespaces: Namespaces,
    /// How long a client may take to say who it is.
    pub patience: Duration,
}

// === impl Sessions ===

impl Sessions {
    /// Serves a stream until one side ends it; says why it ended.
    pub(crate) async fn serve(
        self,
        client: Client,
        mut inbound: Streaming<v1::Host>,
        line: Arc<Line>,
    ) -> Status {
        match self.join(&client, &mut inbound, &line).await {
            Ok(membership) => tokio::select! {
                status = poll_fn(|context| line.poll_end(context)) => status,
                status = converse(&client, &mut inbound, &line, &membership) => status,
            },
            Err(status) => status,
        }
    }

    async fn join(
        &self,
        client: &Client,
        inbound: &mut Streaming<v1::Host>,
        line: &Arc<Line>,
    ) -> Result<Membership, Status> {
        self.refuse_unless_leading()?;
        let first = timeout(self.patience, next(client, inbound)).await;
        let host = first.map_err(|_| silent_from_the_start())??;
        // Operators and Dapr's tests look for this line.
        tracing::info!(
            "Received status report connection from new namespace={} id={} host={}",
            host.namespace,
            host.id,
            host.name
        );
        self.namespaces.join(host, Arc::clone(line))
    }

    /// Sidecars come back at once, over and over, until they find the leader: this is cheap.
    fn refuse_unless_leading(&self) -> Result<(), Status> {
        if *self.role.borrow() == Role::Leader && self.namespaces.config().mandate.holds() {
            return Ok(());
        }
        Err(Status::failed_precondition(format!(
            "node id={} is not a leader",
            self.id
        )))
    }
}

/// Passes on what the client says. A stream that still waits for its place is not read, so that
/// its early answers count for the round it will be asked in.
async fn converse(
    client: &Client,
    inbound: &mut Streaming<v1::Host>,
    line: &Line,
    membership: &Membership,
) -> Status {
    poll_fn(|context| line.poll_registered(context)).await;
    loop {
        match next(client, inbound).await {
            Ok(host) => membership.send(host).await,
            Err(status) => return status,
        }
    }
}

/// The next message, authorised. The client's end of its side ends the stream.
async fn next(client: &Client, inbound: &mut Streaming<v1::Host>) -> Result<Host, Status> {
    let message = inbound
        .message()
        .await?
        .ok_or_else(|| Status::unknown("EOF"))?;
    let host = wire::host(message)?;
    authorize(client, &host).map_err(|refusal| refused(&refusal))?;
    Ok(host)
}

fn refused(refusal: &Refusal) -> Status {
    let text = refusal.to_string();
    match refusal {
        Refusal::Unidentified => Status::unauthenticated(text),
        Refusal::VersionWithoutOperation | Refusal::Anonymous | Refusal::Types => {
            Status::invalid_argument(text)
        }
        _ => Status::permission_denied(text),
    }
}

fn silent_from_the_start() -> Status {
    Status::deadline_exceeded("the stream was opened, but no host was reported")
}

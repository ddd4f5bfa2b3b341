//! The gRPC service `dapr.proto.placement.v1.Placement`.

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};

use futures::future::BoxFuture;
use http::{HeaderMap, Request, Response};
use identity::Peer;
use identity_core::Workload;
use placement_core::{Client, MESSAGE_LIMIT};
use proto::placement::v1;
use tonic::{
    Status, Streaming,
    body::Body,
    codec::{BufferSettings, Codec},
};
use tonic_prost::ProstCodec;
use tower::Service;

use crate::{exchange::Exchange, line::Line, session::Sessions, visitor::Visitor};

const REPORT_DAPR_STATUS: &str = "/dapr.proto.placement.v1.Placement/ReportDaprStatus";

/// Most messages of a sidecar are short answers; a buffer of tonic's size for each stream would
/// be most of the memory the process uses.
const READ_BUFFER: usize = 256;

/// The service as tonic serves it.
#[derive(Clone, Debug)]
pub struct Rpc {
    sessions: Sessions,
    tls: bool,
}

// === impl Rpc ===

impl Rpc {
    /// With `tls`, clients are who their certificates say; else who they claim to be.
    pub fn new(sessions: Sessions, tls: bool) -> Self {
        Self { sessions, tls }
    }

    fn exchange(&self, request: Request<Body>) -> Exchange {
        let visitor = request.extensions().get::<Visitor>();
        let (client, open) = (self.client(visitor), visitor.map(Visitor::open));
        let gzip = takes_gzip(request.headers());
        let buffers = BufferSettings::new(READ_BUFFER, READ_BUFFER);
        let decoder = <ProstCodec<v1::PlacementOrder, v1::Host> as Codec>::Decoder::new(buffers);
        let limit = Some(MESSAGE_LIMIT);
        let inbound = Streaming::new_request(decoder, request.into_body(), None, limit);
        let line = Arc::new(Line::new(gzip));
        let session = self
            .sessions
            .clone()
            .serve(client, inbound, Arc::clone(&line));
        let mandate = self.sessions.namespaces.config().mandate.clone();
        Exchange::new(Box::pin(session), line, mandate, open)
    }

    fn client(&self, visitor: Option<&Visitor>) -> Client {
        if !self.tls {
            return Client::Plain;
        }
        let id = visitor.and_then(Visitor::peer).and_then(Peer::spiffe_id);
        let workload = id.and_then(|id| Workload::try_from(id).ok());
        workload.map_or(Client::Unidentified, Client::Workload)
    }
}

/// Sidecars do, since grpc-go's compressor is linked into them.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let encodings = headers.get_all("grpc-accept-encoding");
    let mut encodings = encodings.iter().filter_map(|value| value.to_str().ok());
    encodings.any(|list| list.split(',').any(|encoding| encoding.trim() == "gzip"))
}

impl Service<Request<Body>> for Rpc {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if request.uri().path() != REPORT_DAPR_STATUS {
            let status = Status::unimplemented(format!("unknown method {}", request.uri().path()));
            return Box::pin(std::future::ready(Ok(status.into_http())));
        }
        let exchange = self.exchange(request);
        Box::pin(async move { Ok(exchange.respond().await) })
    }
}

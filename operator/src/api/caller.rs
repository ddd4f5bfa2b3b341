//! Who calls, by certificate alone.

use identity::Peer;
use identity_core::Workload;
use operator_core::caller::{Denied, authorize};
use tonic::{Request, Status};

/// The caller, if the request is for its own namespace. Its trust domain may be any that the
/// trust anchors vouch for.
pub(super) fn caller<T>(
    request: &Request<T>,
    namespace: impl FnOnce(&T) -> &str,
) -> Result<Workload, Status> {
    let identified = request.extensions().get::<Peer>().and_then(Peer::spiffe_id);
    let workload = identified
        .and_then(|id| Workload::try_from(id).ok())
        .filter(|workload| !workload.namespace.is_empty() && !workload.app_id.is_empty())
        .ok_or_else(|| denied(&Denied::Anonymous))?;
    authorize(&workload.namespace, namespace(request.get_ref())).map_err(|error| denied(&error))?;
    Ok(workload)
}

fn denied(error: &Denied) -> Status {
    Status::permission_denied(error.to_string())
}

//! By what the instances agree on who delivers what all of them get.

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use proxy_core::exclusive::EXCLUSIVE;

use super::super::plan::Plan;
use super::{Surroundings, metadata};

/// Who leads is written by the instances. Which bindings are exclusive stands here, too: they
/// follow the Lease, so they hear of it at once, without a restart and without a further right.
pub(super) fn lease(
    plan: &Plan,
    surroundings: &Surroundings,
) -> Result<Option<Lease>, serde_json::Error> {
    if !plan.has_app() {
        return Ok(None);
    }
    let bindings = serde_json::to_string(&surroundings.exclusive.routes)?;
    Ok(Some(Lease {
        metadata: ObjectMeta {
            annotations: Some([(EXCLUSIVE.to_owned(), bindings)].into()),
            ..metadata(plan, plan.names.instance())
        },
        spec: None,
    }))
}

//! The samples hold one of each kind, and say nothing that the types would lose.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::fs;
use std::path::Path;

use crds::component::Component;
use crds::configuration::Configuration;
use crds::http_endpoint::HttpEndpoint;
use crds::mcp_server::McpServer;
use crds::resiliency::Resiliency;
use crds::shared_instance::SharedInstance;
use crds::subscription::Subscription;
use crds::workflow_access_policy::WorkflowAccessPolicy;
use kube_core::Resource;
use rstest::rstest;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

fn sample<K: Resource<DynamicType = ()>>() -> Value {
    let file = format!("../config/samples/{}.yaml", K::kind(&()).to_lowercase());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    serde_yaml::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

#[rstest]
#[case(keeps_everything::<Component>)]
#[case(keeps_everything::<Configuration>)]
#[case(keeps_everything::<HttpEndpoint>)]
#[case(keeps_everything::<McpServer>)]
#[case(keeps_everything::<Resiliency>)]
#[case(keeps_everything::<SharedInstance>)]
#[case(keeps_everything::<Subscription>)]
#[case(keeps_everything::<WorkflowAccessPolicy>)]
fn types_keep_what_the_samples_say(#[case] check: fn()) {
    check();
}

fn keeps_everything<K: Resource<DynamicType = ()> + Serialize + DeserializeOwned>() {
    let mut read = sample::<K>();
    assert_eq!(read["apiVersion"], json!(K::api_version(&())));
    assert_eq!(read["kind"], json!(K::kind(&())));
    let typed: K = serde_json::from_value(read.clone()).unwrap();
    let fields = read.as_object_mut().unwrap();
    fields.remove("apiVersion");
    fields.remove("kind");
    assert_eq!(serde_json::to_value(typed).unwrap(), read);
}

#[rstest]
#[case(json!({"metadata": {"name": "c"}, "spec": {"type": "x", "version": "v1", "metadata": null}}))]
#[case(json!({"spec": {"metadata": [{"name": "a", "value": {"b": [1, 2.5, null]}}]}, "scopes": null}))]
#[case(json!({}))]
fn objects_that_no_server_checked_can_be_read(#[case] object: Value) {
    serde_json::from_value::<Component>(object).unwrap();
}

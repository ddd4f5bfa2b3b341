//! The definition that the API server is given: what people see in tables.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceColumnDefinition, CustomResourceDefinition,
};

use super::SharedInstance;
use crate::SchemaError;
use crate::resource;

/// Name, type and path of each column.
const COLUMNS: [(&str, &str, &str); 7] = [
    ("Strategy", "string", ".spec.strategy"),
    (
        "Ready",
        "string",
        r#".status.conditions[?(@.type=="Ready")].status"#,
    ),
    ("Instances", "integer", ".status.readyInstances"),
    ("Wanted", "integer", ".status.desiredInstances"),
    ("Pods", "integer", ".status.boundPods"),
    (
        "Reason",
        "string",
        r#".status.conditions[?(@.type=="Ready")].reason"#,
    ),
    ("Age", "date", ".metadata.creationTimestamp"),
];

pub(crate) fn definition() -> Result<CustomResourceDefinition, SchemaError> {
    let mut definition = resource::definition::<SharedInstance>(&[])?;
    definition.spec.names.short_names = Some(vec!["shared".to_owned()]);
    for version in &mut definition.spec.versions {
        version.additional_printer_columns = Some(COLUMNS.map(column).into());
    }
    Ok(definition)
}

fn column((name, type_, json_path): (&str, &str, &str)) -> CustomResourceColumnDefinition {
    CustomResourceColumnDefinition {
        name: name.to_owned(),
        type_: type_.to_owned(),
        json_path: json_path.to_owned(),
        ..CustomResourceColumnDefinition::default()
    }
}

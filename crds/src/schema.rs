//! From the schema of a type to the structural schema that the API server asks for.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

/// A type whose schema the API server could not hold.
#[derive(Debug, thiserror::Error)]
#[error("write the schema of {kind}")]
pub struct SchemaError {
    kind: String,
    #[source]
    source: serde_json::Error,
}

/// A field that holds any JSON.
pub(crate) fn any(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"x-kubernetes-preserve-unknown-fields": true})
}

/// A field that holds an object of any content.
pub(crate) fn any_object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}

/// A field that holds an object whose content the API server knows by itself.
pub(crate) fn object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "object"})
}

/// The structural schema of a type.
pub(crate) fn structural<K: JsonSchema>(kind: &str) -> Result<JSONSchemaProps, SchemaError> {
    let settings = SchemaSettings::openapi3().with(|settings| {
        settings.inline_subschemas = true;
        settings.transforms.clear();
        settings.meta_schema = None;
    });
    let mut schema = settings
        .into_generator()
        .into_root_schema_for::<K>()
        .to_value();
    restructure(&mut schema);
    if let Some(root) = schema.as_object_mut() {
        describe_root(root);
    }
    serde_json::from_value(schema).map_err(|source| SchemaError {
        kind: kind.to_owned(),
        source,
    })
}

/// Adds the fields that every object has, and requires none of them.
fn describe_root(root: &mut Map<String, Value>) {
    root.remove("required");
    if let Some(properties) = root.get_mut("properties").and_then(Value::as_object_mut) {
        properties.insert("apiVersion".to_owned(), json!({"type": "string"}));
        properties.insert("kind".to_owned(), json!({"type": "string"}));
        properties.insert("metadata".to_owned(), json!({"type": "object"}));
    }
}

/// Rewrites a schema and the schemas inside it. Names of properties are never taken for keywords.
fn restructure(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    drop_null(object);
    join_constants(object);
    rewrite_keywords(object);
    for (_, property) in object
        .get_mut("properties")
        .and_then(Value::as_object_mut)
        .into_iter()
        .flatten()
    {
        restructure(property);
    }
    for keyword in ["items", "additionalProperties"] {
        if let Some(inner) = object.get_mut(keyword) {
            restructure(inner);
        }
    }
}

/// An option is a field that may be absent. The API server drops `null` by itself where it can.
fn drop_null(object: &mut Map<String, Value>) {
    if let Some(types) = object.get("type").and_then(Value::as_array) {
        let named: Vec<Value> = types
            .iter()
            .filter(|name| **name != "null")
            .cloned()
            .collect();
        if let [name] = named.as_slice() {
            object.insert("type".to_owned(), name.clone());
        }
    }
    if let Some(Value::Array(choices)) = object.remove("anyOf") {
        let chosen = choices.into_iter().find(|choice| choice["type"] != "null");
        for (key, value) in chosen
            .as_ref()
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            object.entry(key).or_insert_with(|| value.clone());
        }
    }
}

/// Unit variants with their own descriptions become one list of values.
fn join_constants(object: &mut Map<String, Value>) {
    let Some(Value::Array(variants)) = object.remove("oneOf") else {
        return;
    };
    let values: Vec<Value> = variants
        .iter()
        .map(|variant| variant["const"].clone())
        .collect();
    object.insert("type".to_owned(), json!("string"));
    object.insert("enum".to_owned(), Value::Array(values));
}

/// Keeps what the API server understands, and only defaults that were asked for.
fn rewrite_keywords(object: &mut Map<String, Value>) {
    for keyword in ["title", "default", "nullable"] {
        object.remove(keyword);
    }
    if object.get("format").is_some_and(|format| format == "int64") {
        object.remove("format");
    }
    if let Some(value) = object.remove("x-default") {
        object.insert("default".to_owned(), value);
    }
}

//! One resource as the API server sent it: compact JSON, and the few facts decisions need.

use std::fmt;

use crds::status::Condition;
use serde_json::{Map, Value};

use crate::kind::Kind;
use crate::secrets;

/// One resource. Its JSON goes to sidecars as it came, so that no field is lost on the way.
#[derive(PartialEq, Eq)]
pub struct Resource {
    kind: Kind,
    namespace: Box<str>,
    name: Box<str>,
    version: Box<str>,
    scopes: Box<[Box<str>]>,
    secrets: Box<[Box<str>]>,
    generation: Option<i64>,
    conditions: Box<[Condition]>,
    typed: bool,
    json: Box<[u8]>,
}

/// An object that is not a namespaced resource.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("read a {} without {missing}", kind.name())]
pub struct Malformed {
    kind: Kind,
    missing: &'static str,
}

// === impl Resource ===

impl Resource {
    /// Reads an object of the API server. Who manages which field is of no use to a sidecar and
    /// is dropped, and so is the status, which is kept apart.
    ///
    /// # Errors
    ///
    /// If the object has no name or no namespace.
    pub fn new(kind: Kind, mut object: Value) -> Result<Self, Malformed> {
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("managedFields");
        }
        let conditions = object.as_object_mut().and_then(|it| it.remove("status"));
        let text = |field| Some(Box::from(object["metadata"][field].as_str()?));
        Ok(Self {
            kind,
            namespace: text("namespace").ok_or(Malformed {
                kind,
                missing: "a namespace",
            })?,
            name: text("name").ok_or(Malformed {
                kind,
                missing: "a name",
            })?,
            version: text("resourceVersion").unwrap_or_default(),
            scopes: scopes(kind, &object),
            generation: object["metadata"]["generation"].as_i64(),
            conditions: self::conditions(conditions),
            typed: is_typed(kind, &object),
            json: object.to_string().into_bytes().into_boxed_slice(),
            secrets: secrets::referenced(kind, &mut object),
        })
    }

    /// Its kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Its namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The Kubernetes Secrets of its namespace that it refers to.
    pub fn secrets(&self) -> &[Box<str>] {
        &self.secrets
    }

    /// The generation of its content, if the API server counts it.
    pub fn generation(&self) -> Option<i64> {
        self.generation
    }

    /// What its status says.
    pub fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    /// The app IDs that may see it; all if there are none.
    pub fn scopes(&self) -> &[Box<str>] {
        &self.scopes
    }

    /// Whether an app may see it: no scopes, or one that is its ID.
    pub fn is_visible_to(&self, app_id: &str) -> bool {
        self.scopes.is_empty() || self.scopes.iter().any(|scope| **scope == *app_id)
    }

    /// Whether a change to `newer` is none: a replay, or the same content under another version,
    /// as after a write to the status. A missing version says nothing.
    pub fn is_same_as(&self, newer: &Self) -> bool {
        let replayed = !self.version.is_empty() && self.version == newer.version;
        replayed || self.json == newer.json || self.content() == newer.content()
    }

    fn content(&self) -> Value {
        let mut object = self.to_value();
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("resourceVersion");
        }
        object
    }

    /// The JSON as it came.
    pub fn json(&self) -> &[u8] {
        &self.json
    }

    /// The resource as a value, to be completed.
    pub fn to_value(&self) -> Value {
        // What was written by `new` can be read; an empty object stands for the impossible.
        serde_json::from_slice(&self.json).unwrap_or_else(|_| Value::Object(Map::new()))
    }

    /// The JSON with its type, as answers to single calls carry it.
    pub fn typed_json(&self) -> Vec<u8> {
        if self.typed {
            return self.json.to_vec();
        }
        typed(self.kind, self.to_value()).to_string().into_bytes()
    }
}

/// Says its name and nothing of its content, which may be private.
impl fmt::Debug for Resource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} {}/{}",
            self.kind.name(),
            self.namespace,
            self.name
        )
    }
}

/// The object with its type, which lists of the API server may leave out.
pub fn typed(kind: Kind, mut object: Value) -> Value {
    if let Some(fields) = object.as_object_mut() {
        fields.insert("apiVersion".to_owned(), kind.api_version().into());
        fields.insert("kind".to_owned(), kind.name().into());
    }
    object
}

fn is_typed(kind: Kind, object: &Value) -> bool {
    object["apiVersion"] == kind.api_version() && object["kind"] == kind.name()
}

/// Whatever else a status holds is of no use here.
fn conditions(status: Option<Value>) -> Box<[Condition]> {
    let conditions = status.and_then(|mut status| Some(status.get_mut("conditions")?.take()));
    conditions
        .and_then(|conditions| serde_json::from_value(conditions).ok())
        .unwrap_or_default()
}

/// A Configuration has no scopes; sidecars name the one they want.
fn scopes(kind: Kind, object: &Value) -> Box<[Box<str>]> {
    match (kind, object["scopes"].as_array()) {
        (Kind::Configuration, _) | (_, None) => Box::default(),
        (_, Some(scopes)) => scopes
            .iter()
            .filter_map(Value::as_str)
            .map(Box::from)
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;
    use crate::fixtures::{component, component_with};

    #[rstest]
    #[case(json!({}), true)]
    #[case(json!({"scopes": null}), true)]
    #[case(json!({"scopes": []}), true)]
    #[case(json!({"scopes": ["other", "app"]}), true)]
    #[case(json!({"scopes": ["other"]}), false)]
    fn scopes_decide_who_sees(#[case] fields: Value, #[case] visible: bool) {
        assert_eq!(component_with("c", &fields).is_visible_to("app"), visible);
    }

    #[rstest]
    #[case(json!({"resourceVersion": "1"}), json!({"resourceVersion": "1", "uid": "u"}), true)]
    #[case(json!({"resourceVersion": "1"}), json!({"resourceVersion": "2", "uid": "u"}), false)]
    #[case(json!({}), json!({}), true)]
    #[case(json!({}), json!({"uid": "u"}), false)]
    #[case(json!({"managedFields": [1]}), json!({"managedFields": [2]}), true)]
    fn replays_are_no_change(#[case] old: Value, #[case] new: Value, #[case] same: bool) {
        let with = |metadata: Value| component_with("c", &json!({"metadata": metadata}));
        assert_eq!(with(old).is_same_as(&with(new)), same);
    }

    #[rstest]
    #[case::status(json!({"metadata": {"resourceVersion": "2"}, "status": {"conditions": []}}), true)]
    #[case::label(json!({"metadata": {"resourceVersion": "2", "labels": {"a": "b"}}}), false)]
    #[case::spec(json!({"metadata": {"resourceVersion": "2"}, "spec": {"type": "x"}}), false)]
    #[case::scopes(json!({"metadata": {"resourceVersion": "2"}, "scopes": ["a"]}), false)]
    fn a_write_to_the_status_is_no_change(#[case] newer: Value, #[case] same: bool) {
        let older = component_with("c", &json!({"metadata": {"resourceVersion": "1"}}));
        assert_eq!(older.is_same_as(&component_with("c", &newer)), same);
    }

    #[test]
    fn the_status_is_kept_apart() {
        let condition = json!({"type": "Valid", "status": "True"});
        let fields = json!({"status": {"conditions": [condition], "more": 1}});
        let resource = component_with("c", &fields);
        assert_eq!(resource.to_value().get("status"), None);
        assert_eq!(resource.conditions()[0].type_, "Valid");
    }

    #[test]
    fn what_came_typed_is_answered_as_it_came() {
        let fields = json!({"apiVersion": "dapr.io/v1alpha1", "kind": "Component"});
        let resource = component_with("c", &fields);
        assert_eq!(resource.typed_json(), resource.json());
    }

    #[test]
    fn type_is_added_only_where_asked() {
        let untyped = component("c");
        assert_eq!(untyped.to_value().get("kind"), None);
        let typed: Value = serde_json::from_slice(&untyped.typed_json()).unwrap();
        assert_eq!(typed["kind"], "Component");
        assert_eq!(typed["apiVersion"], "dapr.io/v1alpha1");
    }

    #[test]
    fn any_json_passes_through() {
        let object = json!({
            "metadata": {"name": "c", "namespace": "n", "creationTimestamp": null},
            "spec": {"metadata": [{"name": "a", "value": {"deep": [1, 2.5, "<&>", null]}}]},
            "unknown": {"kept": true},
        });
        let resource = Resource::new(Kind::Component, object.clone()).unwrap();
        assert_eq!(resource.to_value(), object);
    }

    #[rstest]
    #[case(json!({"metadata": {"name": "c"}}), "read a Component without a namespace")]
    #[case(json!({"metadata": {"namespace": "n"}}), "read a Component without a name")]
    #[case(json!("text"), "read a Component without a namespace")]
    fn objects_without_a_place_are_refused(#[case] object: Value, #[case] message: &str) {
        let error = Resource::new(Kind::Component, object).unwrap_err();
        assert_eq!(error.to_string(), message);
    }

    #[test]
    fn debug_shows_no_content() {
        let resource = component_with("c", &json!({"spec": {"metadata": [{"value": "hush"}]}}));
        assert_eq!(format!("{resource:?}"), "Component default/c");
    }
}

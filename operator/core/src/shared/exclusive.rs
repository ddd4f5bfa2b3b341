//! Which input bindings of an app give each of its instances its own copy of an event.
//!
//! Of those, one instance delivers and the others answer theirs (`proxy-core`). Of a source that
//! hands each event to one reader nothing may be answered that was not delivered, so such a binding
//! is never exclusive, whoever asks for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::resource::Resource;

/// Each daprd has a clock, or a watch, of its own (Dapr: `components-contrib/bindings`).
const TO_EACH: [&str; 3] = ["cron", "kubernetes", "rethinkdb.statechange"];

/// Readers share what there is: queues, consumer groups, one URL that events are posted to. What
/// is in neither list depends on its settings, as `mqtt3` does, or is not Dapr's.
const TO_ONE: [&str; 15] = [
    "alicloud.dingtalk.webhook",
    "dingtalk.webhook",
    "aws.kinesis",
    "aws.sqs",
    "azure.eventgrid",
    "azure.eventhubs",
    "azure.servicebus.queues",
    "azure.servicebusqueues",
    "azure.storagequeues",
    "gcp.pubsub",
    "kafka",
    "kubemq",
    "rabbitmq",
    "rocketmq",
    "zeebe.jobworker",
];

/// The exclusive bindings of an app.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExclusiveBindings {
    /// The route of each, by its name.
    pub routes: BTreeMap<String, String>,
    /// What was asked for and can't be.
    pub warnings: Vec<String>,
}

// === impl ExclusiveBindings ===

impl ExclusiveBindings {
    /// Those among the Components that an app may see: the ones that `asked` names, and those that
    /// are exclusive by nature.
    pub fn of(components: &[Arc<Resource>], app_id: &str, asked: &[String]) -> Self {
        let mut all = Self::default();
        let visible = components.iter().filter(|one| one.is_visible_to(app_id));
        for component in visible {
            all.add(component, asked);
        }
        all
    }

    fn add(&mut self, component: &Resource, asked: &[String]) {
        let (name, object) = (component.name(), component.to_value());
        let spec = &object["spec"];
        let type_ = spec["type"].as_str().unwrap_or_default();
        let Some(type_) = type_.strip_prefix("bindings.") else {
            return;
        };
        let is_asked = asked.iter().any(|one| one == name);
        if is_asked && TO_ONE.contains(&type_) {
            self.warnings.push(format!(
                "exclusiveBindings: binding \"{name}\" of type bindings.{type_} hands each event to \
                 one instance already, so an instance that leaves it to another would lose it: \
                 remove \"{name}\""
            ));
        } else if is_asked || TO_EACH.contains(&type_) {
            self.routes.insert(name.to_owned(), route(name, spec));
        }
    }
}

/// Where daprd posts events (Dapr: `pkg/runtime/processor/binding/binding.go`). A route from a
/// Secret can't be read here; nobody keeps one there.
fn route(name: &str, spec: &Value) -> String {
    let mut items = spec["metadata"].as_array().into_iter().flatten();
    let route = items.find(|item| item["name"] == "route");
    let route = route.and_then(|item| item["value"].as_str());
    route
        .filter(|route| !route.is_empty())
        .unwrap_or(name)
        .to_owned()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;
    use crate::kind::Kind;

    fn component(name: &str, type_: &str, more: &Value) -> Arc<Resource> {
        let mut object = json!({
            "metadata": {"name": name, "namespace": "shop"}, "spec": {"type": type_, "metadata": []},
        });
        for (key, value) in more.as_object().unwrap() {
            object[key] = value.clone();
        }
        Arc::new(Resource::new(Kind::Component, object).unwrap())
    }

    fn names(components: &[Arc<Resource>], asked: &[&str]) -> (Vec<String>, usize) {
        let asked: Vec<String> = asked.iter().map(ToString::to_string).collect();
        let all = ExclusiveBindings::of(components, "checkout", &asked);
        (all.routes.into_keys().collect(), all.warnings.len())
    }

    #[rstest]
    #[case::clock("bindings.cron", false, true, 0)]
    #[case::watch("bindings.kubernetes", false, true, 0)]
    #[case::depends("bindings.mqtt3", false, false, 0)]
    #[case::depends_and_asked("bindings.mqtt3", true, true, 0)]
    #[case::nobody_knows("bindings.ours", true, true, 0)]
    #[case::queue("bindings.kafka", false, false, 0)]
    #[case::queue_asked("bindings.kafka", true, false, 1)]
    #[case::no_binding("pubsub.in-memory", true, false, 0)]
    fn only_copies_are_exclusive(
        #[case] type_: &str,
        #[case] asked: bool,
        #[case] expected: bool,
        #[case] warnings: usize,
    ) {
        let asked = if asked { &["tick"][..] } else { &[] };
        let (names, said) = names(&[component("tick", type_, &json!({}))], asked);
        assert_eq!(
            (names.contains(&"tick".to_owned()), said),
            (expected, warnings)
        );
    }

    #[test]
    fn scopes_count() {
        let scoped = |name, scope| component(name, "bindings.cron", &json!({"scopes": [scope]}));
        let all = [scoped("ours", "checkout"), scoped("theirs", "cart")];
        assert_eq!(names(&all, &[]), (vec!["ours".to_owned()], 0));
    }

    #[test]
    fn a_route_may_have_another_name() {
        let route = json!({"spec": {"type": "bindings.cron", "metadata": [
            {"name": "schedule", "value": "@daily"}, {"name": "route", "value": "/jobs/daily"},
        ]}});
        let all = [
            component("tick", "", &route),
            component("tock", "bindings.cron", &json!({})),
        ];
        let routes = ExclusiveBindings::of(&all, "checkout", &[]).routes;
        assert_eq!(
            (&*routes["tick"], &*routes["tock"]),
            ("/jobs/daily", "tock")
        );
    }
}

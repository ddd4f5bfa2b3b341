//! Boards, rules and the lists in `docs` name what the code really tells.

use std::{collections::BTreeSet, fs, path::Path};

use cluster::DaprModule;
use rstest::rstest;
use serde_json::Value;

use crate::{objects, of_kind, workspace};

fn text(file: &str) -> String {
    fs::read_to_string(workspace().join(file)).unwrap()
}

/// The code itself, without the tests at its end.
fn code(file: &str) -> String {
    let text = text(file);
    text.split("#[cfg(test)]")
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// Texts in double quotes of which this holds.
fn quoted(code: &str, holds: impl Fn(&str) -> bool) -> BTreeSet<String> {
    let parts = code.split('"').skip(1).step_by(2);
    parts
        .filter(|part| holds(part))
        .map(str::to_owned)
        .collect()
}

fn is_metric(word: &str) -> bool {
    ["dapr_", "trilby_", "process_"]
        .iter()
        .any(|start| word.starts_with(start))
        && word.chars().all(|c| c.is_ascii_lowercase() || c == '_')
}

/// What a section of the list has: names, and whether each is a counter.
fn listed(section: &str) -> Vec<(String, bool)> {
    let all = text("docs/metrics.md");
    let (_, rest) = all.split_once(&format!("\n## {section}\n")).unwrap();
    let rows = rest.split("\n## ").next().unwrap_or_default().lines();
    rows.filter_map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let name = cells.get(1)?.trim_matches('`');
        is_metric(name).then(|| (name.to_owned(), cells[2] == "counter"))
    })
    .collect()
}

/// A counter is registered without the ending that its encoder gives it.
#[rstest]
#[case("All services", "process/src/collector.rs")]
#[case("sentry", "sentry/src/metrics.rs")]
#[case("operator", "operator/src/metrics.rs")]
#[case("injector", "injector/src/metrics.rs")]
#[case("placement", "placement/src/metrics.rs")]
#[case("proxy", "proxy/src/metrics.rs")]
fn the_list_of_metrics_is_true(#[case] section: &str, #[case] file: &str) {
    let code = code(file);
    let mut registered = quoted(&code, is_metric);
    if section == "proxy" {
        let names = code.split("register(name(\"").skip(1);
        let names = names.filter_map(|rest| rest.split('"').next());
        registered = names.map(|name| format!("trilby_proxy_{name}")).collect();
    }
    let listed = listed(section).into_iter().map(|(name, is_counter)| {
        let bare = name.strip_suffix("_total").map(str::to_owned);
        if is_counter { bare.unwrap() } else { name }
    });
    assert_eq!(listed.collect::<BTreeSet<_>>(), registered);
}

fn all_listed() -> BTreeSet<String> {
    let sections = [
        "All services",
        "sentry",
        "operator",
        "injector",
        "placement",
        "proxy",
    ];
    let all = sections.into_iter().flat_map(listed);
    all.map(|(name, _)| name).collect()
}

/// Metrics in an expression of Prometheus.
fn metrics_of(expression: &str) -> BTreeSet<String> {
    let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words
        .filter(|word| is_metric(word))
        .map(str::to_owned)
        .collect()
}

#[test]
fn boards_show_metrics_that_there_are() {
    let folder = workspace().join("charts/dapr/dashboards");
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let board: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let panels = board["panels"].as_array().unwrap();
        let targets = panels
            .iter()
            .filter_map(|panel| panel["targets"].as_array());
        for target in targets.flatten() {
            exist(&path, target["expr"].as_str().unwrap());
        }
    }
}

#[test]
fn rules_read_metrics_that_there_are() {
    let objects = objects(&[
        "dapr_operator.alerts.enabled=true",
        "dapr_placement.alerts.enabled=true",
        "dapr_sentry.alerts.enabled=true",
        "dapr_sidecar_injector.alerts.enabled=true",
    ]);
    let rules = of_kind(&objects, "PrometheusRule");
    assert_eq!(rules.len(), 4);
    for rule in rules {
        for alert in rule["spec"]["groups"][0]["rules"].as_array().unwrap() {
            exist(Path::new("rule"), alert["expr"].as_str().unwrap());
        }
    }
}

fn exist(place: &Path, expression: &str) {
    let named = metrics_of(expression);
    assert!(!named.is_empty(), "{}: {expression}", place.display());
    let unknown: Vec<_> = named.difference(&all_listed()).cloned().collect();
    assert!(unknown.is_empty(), "{}: {unknown:?}", place.display());
}

/// What only a program in Go has, and when a process started.
const NOT_HERE: [&str; 3] = [
    "go_goroutines",
    "go_memstats_alloc_bytes",
    "process_start_time_seconds",
];

/// By their names, which pods of the chart and of instances have.
#[rstest]
#[case::everywhere(&[], serde_json::json!({"any": true}))]
#[case::in_one_namespace(
    &["global.rbac.namespaced=true"],
    serde_json::json!({"matchNames": ["dapr-system"]})
)]
fn pod_monitors_ask_ports_that_there_are(#[case] values: &[&str], #[case] instances: Value) {
    let on = ["global.prometheus.podMonitor.enabled=true"];
    let objects = objects(&[&on[..], values].concat());
    let monitors = of_kind(&objects, "PodMonitor");
    let ports = monitors
        .iter()
        .map(|one| &one["spec"]["podMetricsEndpoints"][0]["port"]);
    assert_eq!(ports.collect::<Vec<_>>(), ["metrics", "proxy-metrics"]);
    let ours = code("injector/core/src/shared/template/proxy.rs");
    assert!(ours.contains("\"proxy-metrics\""));
    assert_eq!(monitors[1]["spec"]["namespaceSelector"], instances);
}

/// Dapr's own board of the control plane has data from us.
#[test]
fn the_board_of_the_original_shows_what_it_knows() {
    let module = DaprModule::find(&workspace()).unwrap();
    let board = module
        .dir
        .join("grafana/grafana-system-services-dashboard.json");
    let board = fs::read_to_string(board).unwrap();
    let expressions = board.split("\"expr\": \"").skip(1);
    let expressions: Vec<&str> = expressions.filter_map(|rest| rest.lines().next()).collect();
    assert!(expressions.len() > 10, "{}", expressions.len());
    let words = |text: &str| -> BTreeSet<String> {
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let metrics = words.filter(|word| is_metric(word) || word.starts_with("go_"));
        metrics.map(str::to_owned).collect()
    };
    let read: BTreeSet<String> = expressions.into_iter().flat_map(words).collect();
    let unknown: Vec<_> = read
        .difference(&all_listed())
        .filter(|name| !NOT_HERE.contains(&name.as_str()))
        .cloned()
        .collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

/// Where reasons are made, of Events and of conditions.
const MAKERS: [&str; 11] = [
    "injector/core/src/notice.rs",
    "operator/core/src/shared/conflict.rs",
    "operator/core/src/shared/decision.rs",
    "operator/core/src/shared/status.rs",
    "operator/core/src/status/report.rs",
    "operator/src/services/contest.rs",
    "operator/src/watchdog/mod.rs",
    "sentry/core/src/rotation/change.rs",
    "sentry/src/authority.rs",
    "sentry/src/kubernetes/warden.rs",
    "sentry/src/kubernetes/workload.rs",
];
/// What looks like a reason there, and is none.
const OTHERS: [&str; 5] = [
    "DaemonSet",
    "ReplicaSet",
    "StatefulSet",
    "Deployment",
    "SharedInstance",
];

#[test]
fn the_list_of_reasons_is_true() {
    let is_reason = |word: &str| {
        let capitals = word.chars().filter(char::is_ascii_uppercase).count();
        let starts = word.starts_with(|c: char| c.is_ascii_uppercase());
        starts && capitals > 1 && word.chars().all(|c| c.is_ascii_alphabetic())
    };
    let listed: BTreeSet<String> = text("docs/events.md")
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|word| is_reason(word))
        .map(str::to_owned)
        .collect();
    let made: BTreeSet<String> = MAKERS
        .into_iter()
        .flat_map(|file| quoted(&code(file), is_reason))
        .filter(|word| !OTHERS.contains(&word.as_str()))
        .collect();
    let missing: Vec<_> = made.difference(&listed).collect();
    assert!(missing.is_empty(), "not in docs/events.md: {missing:?}");
    let invented: Vec<_> = listed
        .difference(&made)
        .filter(|word| !OTHERS.contains(&word.as_str()))
        .collect();
    assert!(invented.is_empty(), "made nowhere: {invented:?}");
}

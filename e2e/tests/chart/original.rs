//! Whoever has values for Dapr's chart can keep them.

use std::{collections::BTreeSet, fs, path::Path};

use cluster::DaprModule;
use serde_json::{Map, Value};

use crate::{render, renderings::templates, workspace};

const SUBCHARTS: [&str; 7] = [
    "dapr_rbac",
    "dapr_operator",
    "dapr_placement",
    "dapr_scheduler",
    "dapr_sentry",
    "dapr_sidecar_injector",
    "dapr_config",
];

fn yaml(file: &Path) -> Value {
    config::yaml::from_str(&fs::read_to_string(file).unwrap()).unwrap()
}

#[test]
fn all_defaults_of_the_original_render() {
    let theirs = DaprModule::find(&workspace()).unwrap().chart();
    let folder = tempfile::tempdir().unwrap();
    let mut all = Map::new();
    for name in SUBCHARTS {
        let values = yaml(&theirs.join("charts").join(name).join("values.yaml"));
        all.insert(name.to_owned(), values);
    }
    let below = folder.path().join("values.yaml");
    fs::write(&below, Value::Object(all).to_string()).unwrap();
    let above = theirs.join("values.yaml");
    let words = [
        "--values",
        below.to_str().unwrap(),
        "--values",
        above.to_str().unwrap(),
    ];
    let rendered = render(&words).unwrap();
    assert!(rendered.contains("dapr-scheduler-server"));
}

/// Values without a default are in no values file, but in templates.
#[test]
fn every_value_that_the_original_reads_has_a_place_in_the_schema() {
    let theirs = DaprModule::find(&workspace()).unwrap().chart();
    let text = fs::read_to_string(workspace().join("charts/dapr/values.schema.json")).unwrap();
    let schema: Value = serde_json::from_str(&text).unwrap();
    let mut unknown = BTreeSet::new();
    for name in SUBCHARTS {
        for path in read_values(&theirs.join("charts").join(name)) {
            let parts: Vec<&str> = path.split('.').collect();
            let from_root = match parts.split_first() {
                Some((&"global", _)) => parts.clone(),
                _ => [vec![name], parts.clone()].concat(),
            };
            if !knows(&schema, &schema, &from_root) {
                unknown.insert(from_root.join("."));
            }
        }
    }
    assert!(unknown.is_empty(), "unknown: {unknown:#?}");
}

/// What templates below a folder read of `.Values`.
fn read_values(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for file in templates(folder) {
        let text = fs::read_to_string(file).unwrap();
        for rest in text.split(".Values.").skip(1) {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '_');
            let path = &rest[..end.unwrap_or(rest.len())];
            found.insert(path.trim_end_matches('.').to_owned());
        }
    }
    assert!(!found.is_empty(), "{} reads no values", folder.display());
    found
}

/// Whether a schema takes something at a path.
fn knows(root: &Value, schema: &Value, path: &[&str]) -> bool {
    if let Some(name) = schema["$ref"].as_str() {
        let pointed = root.pointer(name.trim_start_matches('#')).unwrap();
        return knows(root, pointed, path);
    }
    let Some((first, rest)) = path.split_first() else {
        return true;
    };
    match &schema["properties"][first] {
        Value::Null => schema["additionalProperties"] != false,
        below => knows(root, below, rest),
    }
}

/// Fields that the original's definitions have and ours lack, or have as something else.
fn lacking(theirs: &Value, ours: &Value, path: &str) -> Vec<String> {
    let mut found = Vec::new();
    for key in [
        "type",
        "format",
        "enum",
        "x-kubernetes-preserve-unknown-fields",
    ] {
        if theirs[key] != ours[key] {
            found.push(format!("{path}: {key}"));
        }
    }
    for (name, below) in theirs["properties"].as_object().into_iter().flatten() {
        let (own, path) = (&ours["properties"][name], format!("{path}.{name}"));
        if own.is_null() {
            found.push(path);
        } else {
            found.extend(lacking(below, own, &path));
        }
    }
    for key in ["items", "additionalProperties"] {
        if theirs[key].is_object() {
            found.extend(lacking(&theirs[key], &ours[key], &format!("{path}.{key}")));
        }
    }
    let required = theirs["required"].as_array().cloned().unwrap_or_default();
    let more = ours["required"].as_array().into_iter().flatten();
    let more = more.filter(|name| !required.contains(name));
    found.extend(more.map(|name| format!("{path}: {name} is required")));
    found
}

fn definitions(chart: &Path) -> Vec<Value> {
    let files = fs::read_dir(chart.join("crds")).unwrap();
    files.map(|file| yaml(&file.unwrap().path())).collect()
}

/// A resource that the original's definitions take is taken by ours, field for field.
#[test]
fn every_field_of_the_original_s_kinds_is_there() {
    let module = DaprModule::find(&workspace()).unwrap();
    let ours = definitions(&workspace().join("charts/dapr"));
    let theirs = definitions(&module.chart());
    assert_eq!(theirs.len(), 7);
    for kind in theirs {
        let name = &kind["metadata"]["name"];
        let own = ours.iter().find(|one| &one["metadata"]["name"] == name);
        let own = &own.unwrap()["spec"]["versions"];
        for version in kind["spec"]["versions"].as_array().unwrap() {
            let own = own.as_array().unwrap().iter();
            let mut same = own.filter(|own| own["name"] == version["name"]);
            let (theirs, ours) = (&version["schema"], &same.next().unwrap()["schema"]);
            let schema = "openAPIV3Schema";
            let lacking = lacking(&theirs[schema], &ours[schema], &name.to_string());
            assert!(lacking.is_empty(), "{lacking:#?}");
        }
    }
}

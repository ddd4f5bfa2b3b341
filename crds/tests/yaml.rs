//! The committed YAML is what the types say. `UPDATE_GENERATED=1` writes it anew.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::fs;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("yaml")
}

fn wanted() -> Vec<(PathBuf, String)> {
    crds::definitions()
        .unwrap()
        .into_iter()
        .map(|definition| {
            let file = format!("{}.yaml", definition.spec.names.plural);
            (
                folder().join(file),
                serde_yaml::to_string(&definition).unwrap(),
            )
        })
        .collect()
}

#[test]
fn committed_files_are_fresh() {
    for (path, text) in wanted() {
        if std::env::var_os("UPDATE_GENERATED").is_some_and(|value| value == "1") {
            fs::write(&path, &text).unwrap();
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(
            committed,
            text,
            "{} is stale: run with UPDATE_GENERATED=1",
            path.display()
        );
    }
}

#[test]
fn no_other_files_are_committed() {
    let wanted: Vec<PathBuf> = wanted().into_iter().map(|(path, _)| path).collect();
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        assert!(
            wanted.contains(&path),
            "{} belongs to no kind",
            path.display()
        );
    }
}

#[test]
fn subscriptions_are_stored_in_the_newer_version() {
    let definitions = crds::definitions().unwrap();
    let subscriptions = definitions
        .iter()
        .find(|definition| definition.spec.names.kind == "Subscription")
        .unwrap();
    let versions: Vec<(&str, bool)> = subscriptions
        .spec
        .versions
        .iter()
        .map(|version| (version.name.as_str(), version.storage))
        .collect();
    assert_eq!(versions, [("v1alpha1", false), ("v2alpha1", true)]);
}

#[test]
fn names_are_those_of_the_definitions() {
    let definitions = crds::definitions().unwrap();
    let named = definitions.into_iter().map(|it| it.metadata.name.unwrap());
    assert_eq!(named.collect::<Vec<_>>(), crds::names());
}

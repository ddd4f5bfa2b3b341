//! What the chart renders is taken by a real API server.

use std::{
    fs,
    path::{Path, PathBuf},
};

use cluster::ApiServer;

use crate::{render, workspace};

/// At least so many sets of values.
const SETS: usize = 20;

/// The kinds of others that the chart can make objects of, as far as a dry run looks at them.
const KINDS_OF_OTHERS: &str = include_str!("kinds-of-others.yaml");
const NAMESPACES: &str = "
{apiVersion: v1, kind: Namespace, metadata: {name: dapr-system}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: shop}}
";

#[test]
fn an_api_server_takes_every_set_of_values() {
    let folder = tempfile::tempdir().unwrap();
    let api = ApiServer::start(&workspace(), folder.path()).unwrap();
    api.apply("namespaces", NAMESPACES).unwrap();
    api.apply("kinds-of-others", KINDS_OF_OTHERS).unwrap();
    for definition in files(&workspace().join("charts/dapr/crds")) {
        api.apply("definition", &fs::read_to_string(definition).unwrap())
            .unwrap();
    }
    api.await_definitions().unwrap();
    let sets = sets();
    assert!(sets.len() >= SETS, "{} sets", sets.len());
    for values in sets {
        let manifest = render(&["--values", values.to_str().unwrap()]).unwrap();
        let said = api.judge("rendered", &manifest);
        let said = said.unwrap_or_else(|error| panic!("{}: {error:#}", values.display()));
        println!("{}: {} objects", values.display(), said.lines().count());
    }
}

/// Those that have committed renderings, and more.
fn sets() -> Vec<PathBuf> {
    let tests = workspace().join("charts/tests");
    let with_rendering = files(&tests)
        .into_iter()
        .filter(|case| case.join("rendered.yaml").exists())
        .map(|case| case.join("values.yaml"));
    with_rendering
        .chain(files(&tests.join("accepted")))
        .collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
}

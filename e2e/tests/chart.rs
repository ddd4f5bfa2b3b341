//! The chart renders what is committed, and refuses what it should.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use cluster::output;

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn cases(file: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(workspace().join("charts/tests")).unwrap();
    let cases: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    let found: Vec<_> = cases
        .into_iter()
        .filter(|case| case.join(file).exists())
        .collect();
    assert!(!found.is_empty(), "no case has a {file}");
    found
}

fn render(case: &Path) -> anyhow::Result<String> {
    let mut helm = Command::new(workspace().join(".cache/bin/helm"));
    helm.args(["template", "dapr"])
        .arg(workspace().join("charts/dapr"));
    helm.args([
        "--namespace",
        "dapr-system",
        "--kube-version",
        "1.36.0",
        "--values",
    ]);
    output(helm.arg(case.join("values.yaml")))
}

/// `UPDATE_GENERATED=1` writes the committed renderings anew.
#[test]
fn renders_what_is_committed() {
    for case in cases("rendered.yaml") {
        let (file, rendered) = (case.join("rendered.yaml"), render(&case).unwrap());
        if std::env::var_os("UPDATE_GENERATED").is_some() {
            fs::write(&file, &rendered).unwrap();
        }
        let committed = fs::read_to_string(&file).unwrap();
        assert!(rendered == committed, "{} is stale", file.display());
    }
}

#[test]
fn refuses_with_the_committed_words() {
    for case in cases("error.txt") {
        let words = fs::read_to_string(case.join("error.txt")).unwrap();
        let error = render(&case).expect_err("it rendered").to_string();
        assert!(error.contains(words.trim()), "{}: {error}", case.display());
    }
}

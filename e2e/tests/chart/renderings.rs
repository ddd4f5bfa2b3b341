//! Committed renderings and refusals, and that nothing but the values decides.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{render, workspace};

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

fn rendered(case: &Path) -> anyhow::Result<String> {
    render(&["--values", case.join("values.yaml").to_str().unwrap()])
}

/// `UPDATE_GENERATED=1` writes the committed renderings anew.
#[test]
fn renders_what_is_committed() {
    for case in cases("rendered.yaml") {
        let (file, rendered) = (case.join("rendered.yaml"), rendered(&case).unwrap());
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
        let error = rendered(&case).expect_err("it rendered").to_string();
        assert!(error.contains(words.trim()), "{}: {error}", case.display());
    }
}

/// What would make two renderings of the same values differ, or need a cluster.
const NOT_PURE: [&str; 11] = [
    "lookup",
    "genCA",
    "genSelfSignedCert",
    "genSignedCert",
    "genPrivateKey",
    "randAlpha",
    "randNumeric",
    "randAscii",
    "uuidv4",
    "now",
    "Release.IsUpgrade",
];

#[test]
fn asks_no_cluster_no_clock_and_no_chance() {
    for file in templates(&workspace().join("charts/dapr")) {
        let text = fs::read_to_string(&file).unwrap();
        for action in text.split("{{").skip(1) {
            let action = action.split("}}").next().unwrap_or_default();
            let mut words = action.split(|c: char| !c.is_alphanumeric() && c != '.');
            let found = words.find(|word| NOT_PURE.contains(&word.trim_start_matches('.')));
            let is_comment = action.trim_start_matches('-').trim().starts_with("/*");
            assert!(
                found.is_none() || is_comment,
                "{}: {found:?}",
                file.display()
            );
        }
    }
}

#[test]
fn renders_the_same_bytes_twice() {
    for case in cases("rendered.yaml") {
        assert!(
            rendered(&case).unwrap() == rendered(&case).unwrap(),
            "{} differs from itself",
            case.display()
        );
    }
}

/// The files of all `templates` folders below.
pub(crate) fn templates(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let entries = entries.map(|entry| entry.unwrap().path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let here = files.into_iter().filter(|_| folder.ends_with("templates"));
    here.chain(folders.iter().flat_map(|folder| templates(folder)))
        .collect()
}

//! Proves that the committed Rust is what the `.proto` files give.
//!
//! `UPDATE_GENERATED=1 cargo test --release -p proto` writes it anew.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::{collections::BTreeMap, fs, path::Path};

const SOURCES: [&str; 4] = [
    "sentry.proto",
    "operator.proto",
    "placement.proto",
    "runtime.proto",
];

fn generate() -> BTreeMap<String, String> {
    let out = tempfile::tempdir().unwrap();
    let descriptors = protox::compile(SOURCES, ["proto"]).unwrap();
    tonic_prost_build::configure()
        .emit_rerun_if_changed(false)
        .out_dir(out.path())
        // Orders are encoded once and shared; maps must come out in one order.
        .btree_map(".dapr.proto.placement.v1")
        .compile_fds(descriptors)
        .unwrap();
    files(out.path())
}

fn files(folder: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect()
}

#[test]
fn committed_code_is_fresh() {
    let fresh = generate();
    let folder = Path::new("src/gen");
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        for (name, text) in &fresh {
            fs::write(folder.join(name), text).unwrap();
        }
    }
    assert_eq!(
        files(folder),
        fresh,
        "run: UPDATE_GENERATED=1 cargo test --release -p proto"
    );
}

//! The built binaries as black boxes: flags, exit codes, health, metrics, signals.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

mod service;

use std::time::Duration;

use cluster::free_ports;
use rstest::rstest;
use service::{Service, program};

#[rstest]
fn an_unknown_flag_ends_with_2_and_the_usage(
    #[values("operator", "injector", "sentry", "placement")] name: &str,
) {
    let ended = program(name).arg("-nonsense").output().unwrap();
    assert_eq!(ended.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&ended.stderr).contains("nonsense"));
}

#[rstest]
fn an_unknown_log_level_ends_with_1_and_names_the_flag(
    #[values("operator", "injector", "sentry", "placement")] name: &str,
) {
    let ended = program(name).arg("-log-level=chatty").output().unwrap();
    assert_eq!(ended.status.code(), Some(1));
    let said = [ended.stdout, ended.stderr].concat();
    assert!(String::from_utf8_lossy(&said).contains("--log-level"));
}

/// `UPDATE_GENERATED=1` writes the list anew.
#[test]
fn the_list_of_flags_is_what_the_programs_say() {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/flags.md");
    let mut list =
        "# Flags\n\nWritten from what the programs say. In a cluster the chart sets them: \
                    [values](values.md).\n"
            .to_owned();
    for name in ["sentry", "operator", "injector", "placement", "proxy"] {
        let said = program(name).arg("--help").output().unwrap().stdout;
        let said = String::from_utf8(said).unwrap();
        let lines: Vec<&str> = said.trim().lines().map(str::trim_end).collect();
        list.extend(["\n## ", name, "\n\n```\n", &lines.join("\n"), "\n```\n"]);
    }
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        std::fs::write(&file, &list).unwrap();
    }
    assert!(
        std::fs::read_to_string(file).unwrap() == list,
        "it is stale"
    );
}

fn sentry(folder: &std::path::Path) -> Service {
    let [port, healthz, metrics] = free_ports().unwrap();
    std::fs::write(folder.join("config.yaml"), "").unwrap();
    let flags = [
        format!("-port={port}"),
        "-listen-address=127.0.0.1".to_owned(),
        format!("-healthz-port={healthz}"),
        format!("-metrics-port={metrics}"),
        format!("-issuer-credentials={}", folder.display()),
        format!("-config={}", folder.join("config.yaml").display()),
    ];
    Service::start("sentry", &flags, port, healthz, metrics)
}

#[test]
fn sentry_becomes_healthy_counts_and_ends_with_0() {
    let folder = tempfile::tempdir().unwrap();
    let mut sentry = sentry(folder.path());
    sentry.healthy();
    let metrics = sentry.metrics();
    assert!(
        metrics.contains("# TYPE dapr_sentry_issuercert_expiry_timestamp gauge"),
        "{metrics}"
    );
    assert!(
        metrics.contains("process_resident_memory_bytes"),
        "{metrics}"
    );
    assert_eq!(sentry.interrupt(), Some(0));
}

#[test]
fn placement_gets_its_identity_from_sentry() {
    let folder = tempfile::tempdir().unwrap();
    let sentry = sentry(folder.path());
    sentry.healthy();
    let [port, healthz, metrics, peer] = free_ports().unwrap();
    let flags = [
        format!("-port={port}"),
        format!("-healthz-port={healthz}"),
        format!("-metrics-port={metrics}"),
        "-id=one".to_owned(),
        format!("-initial-cluster=one=127.0.0.1:{peer}"),
        "-tls-enabled".to_owned(),
        format!("-sentry-address=127.0.0.1:{}", sentry.port()),
        format!(
            "-trust-anchors-file={}",
            folder.path().join("ca.crt").display()
        ),
    ];
    let mut placement = Service::start("placement", &flags, port, healthz, metrics);
    placement.healthy();
    assert!(
        placement
            .metrics()
            .contains("\ndapr_placement_leader_status 1\n")
    );
    assert_eq!(placement.interrupt(), Some(0));
}

#[test]
fn a_service_without_sentry_waits_unready_and_still_ends_with_0() {
    let folder = tempfile::tempdir().unwrap();
    let [port, healthz, metrics, peer, nobody] = free_ports().unwrap();
    let flags = [
        format!("-port={port}"),
        format!("-healthz-port={healthz}"),
        format!("-metrics-port={metrics}"),
        "-id=one".to_owned(),
        format!("-initial-cluster=one=127.0.0.1:{peer}"),
        "-tls-enabled".to_owned(),
        format!("-sentry-address=127.0.0.1:{nobody}"),
        format!(
            "-trust-anchors-file={}",
            folder.path().join("ca.crt").display()
        ),
    ];
    let mut placement = Service::start("placement", &flags, port, healthz, metrics);
    placement.answers(503);
    std::thread::sleep(Duration::from_millis(300));
    placement.answers(503);
    assert_eq!(placement.interrupt(), Some(0));
}

use std::{
    net::SocketAddr,
    process::{Child, Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::{
    backend::{Backend, nobody},
    client::{Caller, Http},
    setup::until,
};

/// The proxy's program, ended with this value.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An address of the machine's own whose port was free a moment ago.
async fn port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], nobody().await.port()))
}

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_proxy"));
    command.env_clear().stdout(Stdio::null());
    command
}

#[tokio::test]
async fn runs_drains_and_stops() {
    let app = Backend::echo().await;
    let [forwarder, guard, health] = [port().await, port().await, port().await];
    let child = program()
        .arg(format!("--app-address={}", app.address))
        .arg(format!("--forwarder-port={}", forwarder.port()))
        .arg(format!("--http-port={}", guard.port()))
        .arg(format!("--daprd-http-port={}", forwarder.port()))
        .arg(format!("--healthz-port={}", health.port()))
        .args([
            "--guard-listen-address=127.0.0.1",
            "--grpc-port=0",
            "--enable-metrics=false",
        ])
        .spawn()
        .unwrap();
    let mut running = Program(child);
    let connects = async |to| tokio::net::TcpStream::connect(to).await.is_ok();
    until("the ports", async || {
        connects(guard).await && connects(health).await
    })
    .await;
    let health = Caller::new(health, Http::One);
    until("readiness", async || {
        health.get("/healthz").await.status == 200
    })
    .await;

    // Through the guard, then through the forwarder, to the app.
    let caller = Caller::new(guard, Http::Two);
    assert_eq!(caller.get("/orders").await.status, 207);
    let scale: Value = serde_json::from_slice(&health.get("/scale").await.body).unwrap();
    assert_eq!(scale, json!({ "pending": 0, "ready": 1 }));

    let process = running.0.id();
    let asked = program()
        .arg(format!("--drain={process}"))
        .status()
        .unwrap();
    assert!(asked.success());
    until("unreadiness", async || {
        health.get("/healthz").await.status == 503
    })
    .await;
    assert_eq!(caller.get("/orders").await.status, 207, "it still serves");

    let pid = Pid::from_raw(i32::try_from(process).unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    let exit = tokio::task::spawn_blocking(move || running.0.wait()).await;
    assert!(exit.unwrap().unwrap().success());
}

#[test]
fn tells_what_it_does_not_understand() {
    for wrong in [
        "--app-address=http://orders",
        "--allow-from=pods",
        "--tls-cert-file=a",
    ] {
        let output = program().arg(wrong).stderr(Stdio::null()).status().unwrap();
        assert_eq!(output.code(), Some(2), "{wrong}");
    }
}

#[test]
fn nobody_can_be_asked_to_drain_who_is_not_there() {
    let status = program().arg("--drain=0").stderr(Stdio::null()).status();
    assert_eq!(status.unwrap().code(), Some(1));
}

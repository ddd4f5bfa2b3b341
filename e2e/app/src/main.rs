//! A small application for the demo and the tests: state, publish and subscribe, invoke, actors.

mod app;
mod callback;
mod flags;
mod http;
mod load;
mod sidecar;

use app::App;
use axum::http::Method;
use bytes::Bytes;
use clap::Parser;
use flags::{Flags, Protocol};
use sidecar::Sidecar;
use std::net::{Ipv6Addr, SocketAddr};
use std::sync::Arc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let flags = Flags::parse();
    if let Some(url) = &flags.get {
        return get(&flags, url).await;
    }
    let app = Arc::new(App::new(&flags));
    let http = http::serve(app.clone(), address(flags.http_port()), stopped());
    match flags.protocol {
        Protocol::Http => http.await,
        Protocol::Grpc => {
            let grpc = callback::serve(app, address(flags.app_port), stopped());
            tokio::try_join!(http, grpc).map(drop)
        }
    }
}

/// What a job does.
async fn get(flags: &Flags, url: &str) -> anyhow::Result<()> {
    let sidecar = Sidecar::new(flags);
    println!("{}", succeed(&sidecar, Method::GET, url).await?);
    if flags.shutdown {
        succeed(&sidecar, Method::POST, "/v1.0/shutdown").await?;
    }
    Ok(())
}

async fn succeed(sidecar: &Sidecar, method: Method, url: &str) -> anyhow::Result<String> {
    let answer = sidecar.answer(method, url, Bytes::new()).await;
    let (status, body) = answer.map_err(anyhow::Error::msg)?;
    let text = String::from_utf8_lossy(&body).into_owned();
    anyhow::ensure!(status.is_success(), "{url} answered {status}: {text}");
    Ok(text)
}

fn address(port: u16) -> SocketAddr {
    (Ipv6Addr::UNSPECIFIED, port).into()
}

/// Resolves when the process is asked to end. A container's first process must ask for the signal.
async fn stopped() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => drop(terminate.recv().await),
        Err(error) => eprintln!("SIGTERM can't be listened for: {error}"),
    }
}

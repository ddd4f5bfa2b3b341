//! Waiting for others.

use std::{net::Ipv4Addr, time::Duration};

use anyhow::{Result, bail};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep},
};

/// Longer than any start on a loaded machine.
pub(crate) const DEADLINE: Duration = Duration::from_mins(1);

/// Asks `probe` in this interval until it says yes; its error ends the wait at once.
pub(crate) async fn until(
    what: &str,
    interval: Duration,
    mut probe: impl AsyncFnMut() -> Result<bool>,
) -> Result<()> {
    let begun = Instant::now();
    while !probe().await? {
        if begun.elapsed() > DEADLINE {
            bail!("{what}: not within {} s", DEADLINE.as_secs());
        }
        sleep(interval).await;
    }
    Ok(())
}

/// Whether `/healthz` on a port of this machine answers 200 right now.
pub(crate) async fn is_healthy(port: u16) -> bool {
    let answer = get_healthz(port).await;
    answer.is_ok_and(|line| line.starts_with(b"HTTP/1.1 200 "))
}

/// The beginning of the status line; by hand, for a client would take longer than the answer.
async fn get_healthz(port: u16) -> std::io::Result<[u8; 13]> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    let request = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await?;
    let mut line = [0; 13];
    stream.read_exact(&mut line).await?;
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn serve(answer: &'static str) -> u16 {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
        tasks.detach_all();
        port
    }

    #[tokio::test]
    async fn only_200_is_healthy() {
        assert!(is_healthy(serve("HTTP/1.1 200 OK\r\n\r\n").await).await);
        assert!(!is_healthy(serve("HTTP/1.1 503 Not yet\r\n\r\n").await).await);
        assert!(!is_healthy(serve("").await).await);
    }

    #[tokio::test]
    async fn waits_for_yes_and_stops_at_an_error() {
        let mut left = 3;
        let countdown = async || {
            left -= 1;
            Ok(left == 0)
        };
        until("x", Duration::ZERO, countdown).await.unwrap();
        let broken = async || bail!("broken");
        let error = until("x", Duration::ZERO, broken).await.unwrap_err();
        assert_eq!(error.to_string(), "broken");
    }
}

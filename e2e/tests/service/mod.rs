//! One binary of the workspace as a child process.

use std::{
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Longer than any start; a slow machine under load is no failure.
const DEADLINE: Duration = Duration::from_secs(30);

/// A release binary with a nearly empty environment, as Dapr's harness starts it.
pub(crate) fn program(name: &str) -> Command {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/release");
    let mut command = Command::new(folder.join(name));
    command.env_clear().stdin(Stdio::null());
    command
}

pub(crate) struct Service {
    child: Child,
    port: u16,
    healthz: u16,
    metrics: u16,
}

impl Service {
    pub(crate) fn start(
        name: &str,
        flags: &[String],
        port: u16,
        healthz: u16,
        metrics: u16,
    ) -> Self {
        let mut command = program(name);
        let child = command.args(flags).stdout(Stdio::null()).spawn();
        let child = child.unwrap_or_else(|error| panic!("start {name}: {error}"));
        Self {
            child,
            port,
            healthz,
            metrics,
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn healthy(&self) {
        self.answers(200);
    }

    /// Waits until `/healthz` answers with a status.
    pub(crate) fn answers(&self, status: u16) {
        let wanted = format!("HTTP/1.1 {status} ");
        let begun = Instant::now();
        let mut last = String::new();
        while begun.elapsed() < DEADLINE {
            last = get(self.healthz, "/healthz").unwrap_or_else(|error| error.to_string());
            if last.starts_with(&wanted) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("no {status} from /healthz in time; last: {last}");
    }

    pub(crate) fn metrics(&self) -> String {
        get(self.metrics, "/metrics").unwrap()
    }

    /// Sends SIGINT and returns the exit code.
    pub(crate) fn interrupt(&mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-INT", &pid])
                .status()
                .unwrap()
                .success()
        );
        let begun = Instant::now();
        while begun.elapsed() < DEADLINE {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("it did not end in time");
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Ended already where the test interrupted it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn get(port: u16, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

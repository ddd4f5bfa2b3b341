use anyhow::{Result, anyhow};
use std::array;
use std::net::{Ipv4Addr, TcpListener};

/// Different ports of 127.0.0.1 that were free a moment ago.
///
/// # Errors
/// If there are none.
pub fn free_ports<const N: usize>() -> Result<[u16; N]> {
    let held: [_; N] = array::from_fn(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
    let mut ports = [0; N];
    for (port, listener) in ports.iter_mut().zip(&held) {
        let listener = listener
            .as_ref()
            .map_err(|error| anyhow!("a free port of this machine could not be found: {error}"))?;
        *port = listener.local_addr()?.port();
    }
    Ok(ports)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_differ() {
        let [a, b] = free_ports().unwrap();
        assert_ne!(a, b);
    }
}

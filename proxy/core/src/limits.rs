//! What one client may use at once, so that none starves the others.

use std::{collections::HashMap, net::IpAddr};

/// The bounds of each client.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Connections at once.
    pub connections: u32,
    /// Requests and streams at once.
    pub requests: u32,
}

/// Who uses how much.
#[derive(Debug)]
pub struct Limits {
    bounds: Bounds,
    clients: HashMap<IpAddr, Usage>,
}

#[derive(Debug, Default)]
struct Usage {
    connections: u32,
    requests: u32,
}

/// The client has as much as it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many {0} from this client at once")]
pub struct TooMany(pub &'static str);

// === impl Limits ===

impl Limits {
    /// Nobody uses anything yet.
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            clients: HashMap::new(),
        }
    }

    /// One connection more.
    ///
    /// # Errors
    /// If the client has as many as it may have.
    pub fn connect(&mut self, client: IpAddr) -> Result<(), TooMany> {
        let most = self.bounds.connections;
        let usage = self.clients.entry(client).or_default();
        take(&mut usage.connections, most, "connections")
    }

    /// One connection less.
    pub fn disconnect(&mut self, client: IpAddr) {
        self.give_back(client, |usage| &mut usage.connections);
    }

    /// One request more.
    ///
    /// # Errors
    /// If the client has as many as it may have.
    pub fn begin(&mut self, client: IpAddr) -> Result<(), TooMany> {
        let most = self.bounds.requests;
        let usage = self.clients.entry(client).or_default();
        take(&mut usage.requests, most, "requests")
    }

    /// One request less.
    pub fn end(&mut self, client: IpAddr) {
        self.give_back(client, |usage| &mut usage.requests);
    }

    /// How many clients there are.
    pub fn clients(&self) -> usize {
        self.clients.len()
    }

    fn give_back(&mut self, client: IpAddr, of: impl Fn(&mut Usage) -> &mut u32) {
        let Some(usage) = self.clients.get_mut(&client) else {
            return;
        };
        let used = of(usage);
        *used = used.saturating_sub(1);
        if usage.connections == 0 && usage.requests == 0 {
            self.clients.remove(&client);
        }
    }
}

fn take(used: &mut u32, most: u32, what: &'static str) -> Result<(), TooMany> {
    if *used >= most {
        return Err(TooMany(what));
    }
    *used += 1;
    Ok(())
}

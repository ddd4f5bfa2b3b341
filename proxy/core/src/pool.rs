//! The endpoints of the app, what each has to do, and which one is next.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    endpoint::{Endpoint, State},
    rendezvous,
};

/// After a refused connection an endpoint is left alone for this long. Readiness, the true
/// answer, comes with the kubelet's next probe.
pub const PENALTY: Duration = Duration::from_secs(1);

/// How near endpoints are preferred.
#[derive(Clone, Debug, Default)]
pub struct Locality {
    /// The node this process runs on.
    pub node: Option<Arc<str>>,
    /// Its zone; if it isn't told, that of an endpoint on the same node.
    pub zone: Option<Arc<str>>,
    /// An endpoint one step farther (node, zone, elsewhere) is taken once every nearer one has
    /// this many calls more to do.
    pub spill: u32,
}

/// Why no endpoint can be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unavailable {
    /// There is none that is ready.
    Empty,
    /// All that are ready refused connections; the next may be tried then.
    Refusing {
        /// When the first of them may be tried again.
        until: Instant,
    },
}

/// How many endpoints there are of each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Those that calls may be sent to.
    pub ready: usize,
    /// Those that are not ready, or whose health checks fail.
    pub unready: usize,
    /// Those that end.
    pub terminating: usize,
}

/// The endpoints, ordered by address.
#[derive(Debug)]
pub struct Pool {
    locality: Locality,
    members: Vec<Member>,
    next: usize,
    checked: bool,
}

#[derive(Debug)]
struct Member {
    endpoint: Endpoint,
    hash: u64,
    distance: u32,
    outstanding: u32,
    healthy: bool,
    refused_until: Option<Instant>,
}

// === impl Pool ===

impl Pool {
    /// An empty pool. With `checked`, an endpoint counts only after its health check succeeded
    /// ([`set_health`](Self::set_health)).
    pub fn new(locality: Locality, checked: bool) -> Self {
        Self {
            locality,
            members: Vec::new(),
            next: 0,
            checked,
        }
    }

    /// The endpoints as they are now. What is known of those that stay is kept.
    pub fn update(&mut self, mut endpoints: Vec<Endpoint>) {
        endpoints.sort_by_key(|endpoint| endpoint.address);
        let zone = self.zone(&endpoints);
        let mut before = std::mem::take(&mut self.members);
        self.members = endpoints
            .into_iter()
            .map(|endpoint| {
                let distance = self.locality.distance(zone.as_deref(), &endpoint);
                let known = before
                    .iter()
                    .position(|member| member.endpoint.address == endpoint.address)
                    .map(|index| before.swap_remove(index));
                Member::new(endpoint, distance, known, !self.checked)
            })
            .collect();
    }

    fn zone(&self, endpoints: &[Endpoint]) -> Option<Arc<str>> {
        let here =
            |endpoint: &&Endpoint| endpoint.node.is_some() && endpoint.node == self.locality.node;
        let told = self.locality.zone.clone();
        told.or_else(|| endpoints.iter().find(here)?.zone.clone())
    }

    /// The next endpoint, with one call more to do. The nearest tier that is worth its distance
    /// is taken ([`Locality::spill`]); in it an idle endpoint, or one that has no more than the
    /// average to do. Those take turns: to take the least busy one alone would favour whoever
    /// answered last, and under steady load that is the same one again and again.
    ///
    /// # Errors
    /// If none can be chosen.
    pub fn choose(&mut self, now: Instant) -> Result<SocketAddr, Unavailable> {
        let spill = self.locality.spill;
        let able = || self.members.iter().filter(|member| member.takes_calls(now));
        let Some(cheapest) = able().min_by_key(|member| member.cost(spill)) else {
            return Err(self.unavailable());
        };
        let (distance, least) = (cheapest.distance, cheapest.outstanding);
        let tier = || able().filter(|member| member.distance == distance);
        let busy = tier().fold(0, |sum: u32, member| sum.saturating_add(member.outstanding));
        let average = busy.div_ceil(u32::try_from(tier().count()).unwrap_or(u32::MAX));
        let most = if least == 0 { 0 } else { average };
        let is_next = |member: &Member| {
            member.takes_calls(now) && member.distance == distance && member.outstanding <= most
        };
        let count = self.members.len();
        let index = (self.next..self.next + count)
            .map(|index| index % count)
            .find(|index| is_next(&self.members[*index]));
        // Not everybody is busier than the average.
        let Some(index) = index else {
            return Err(self.unavailable());
        };
        self.next = (index + 1) % count;
        let member = &mut self.members[index];
        member.outstanding += 1;
        Ok(member.endpoint.address)
    }

    fn unavailable(&self) -> Unavailable {
        let ready = self.members.iter().filter(|member| member.is_ready());
        let until = ready.filter_map(|member| member.refused_until).min();
        until.map_or(Unavailable::Empty, |until| Unavailable::Refusing { until })
    }

    /// The endpoint that the key belongs to, by rendezvous over those that are ready; distance
    /// and load don't count, so that every proxy gives the same answer.
    ///
    /// # Errors
    /// If there is none, or if it refused a connection just now: a key does not move for that.
    pub fn owner(&self, key: u64, now: Instant) -> Result<SocketAddr, Unavailable> {
        let ready = self.members.iter().filter(|member| member.is_ready());
        let owner = ready.max_by_key(|member| rendezvous::weight(key, member.hash));
        let address = owner.ok_or(Unavailable::Empty)?.endpoint.address;
        self.is_open(address, now).map(|()| address)
    }

    /// Whether a connection to `address`, whatever its state, is worth a try.
    ///
    /// # Errors
    /// If it refused one just now.
    pub fn is_open(&self, address: SocketAddr, now: Instant) -> Result<(), Unavailable> {
        let member = self
            .index(address)
            .and_then(|index| self.members.get(index));
        match member.and_then(|member| member.refused_until) {
            Some(until) if until > now => Err(Unavailable::Refusing { until }),
            _ => Ok(()),
        }
    }

    /// One call more at `address`, whatever its state.
    pub fn begin(&mut self, address: SocketAddr) {
        if let Some(member) = self.member(address) {
            member.outstanding += 1;
        }
    }

    /// One call less at `address`.
    pub fn end(&mut self, address: SocketAddr) {
        if let Some(member) = self.member(address) {
            member.outstanding = member.outstanding.saturating_sub(1);
        }
    }

    /// A connection to `address` failed.
    pub fn refused(&mut self, address: SocketAddr, now: Instant) {
        if let Some(member) = self.member(address) {
            member.refused_until = Some(now + PENALTY);
        }
    }

    /// What a health check of `address` found. True if that changes anything.
    pub fn set_health(&mut self, address: SocketAddr, healthy: bool) -> bool {
        self.member(address)
            .is_some_and(|member| std::mem::replace(&mut member.healthy, healthy) != healthy)
    }

    /// Whether the endpoint is known, whatever its state.
    pub fn knows(&self, address: SocketAddr) -> bool {
        self.index(address).is_some()
    }

    /// The endpoints that are ready, healthy or not.
    pub fn ready(&self) -> Vec<SocketAddr> {
        let ready = |member: &&Member| member.endpoint.state == State::Ready;
        let members = self.members.iter().filter(ready);
        members.map(|member| member.endpoint.address).collect()
    }

    /// What daprd's health check of the app is answered. An app at zero is asleep, not ill:
    /// daprd has to go on receiving what wakes it.
    pub fn app_is_healthy(&self) -> bool {
        let Counts { ready, .. } = self.counts();
        ready > 0 || self.ready().is_empty()
    }

    /// How many endpoints there are.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for member in &self.members {
            match member.endpoint.state {
                State::Terminating => counts.terminating += 1,
                State::Ready if member.healthy => counts.ready += 1,
                State::Ready | State::Unready => counts.unready += 1,
            }
        }
        counts
    }

    /// Whether any endpoint has this IP address.
    pub fn has_ip(&self, ip: std::net::IpAddr) -> bool {
        let mut members = self.members.iter();
        members.any(|member| member.endpoint.address.ip() == ip)
    }

    fn member(&mut self, address: SocketAddr) -> Option<&mut Member> {
        let index = self.index(address)?;
        self.members.get_mut(index)
    }

    fn index(&self, address: SocketAddr) -> Option<usize> {
        let by_address = |member: &Member| member.endpoint.address;
        self.members.binary_search_by_key(&address, by_address).ok()
    }
}

// === impl Member ===

impl Member {
    fn new(endpoint: Endpoint, distance: u32, known: Option<Self>, healthy: bool) -> Self {
        let hash = rendezvous::hash(&[&endpoint.name]);
        // The same address under another name is another pod.
        let known = known.filter(|known| known.endpoint.name == endpoint.name);
        Self {
            endpoint,
            hash,
            distance,
            outstanding: known.as_ref().map_or(0, |known| known.outstanding),
            healthy: known.as_ref().map_or(healthy, |known| known.healthy),
            refused_until: known.and_then(|known| known.refused_until),
        }
    }

    fn is_ready(&self) -> bool {
        self.endpoint.state == State::Ready && self.healthy
    }

    fn takes_calls(&self, now: Instant) -> bool {
        self.is_ready() && self.refused_until.is_none_or(|until| until <= now)
    }

    fn cost(&self, spill: u32) -> u32 {
        self.outstanding
            .saturating_add(self.distance.saturating_mul(spill))
    }
}

// === impl Locality ===

impl Locality {
    /// 0 on the same node, 1 in the same zone, 2 elsewhere.
    fn distance(&self, zone: Option<&str>, endpoint: &Endpoint) -> u32 {
        if self.node.is_some() && self.node == endpoint.node {
            0
        } else if zone.is_some() && zone == endpoint.zone.as_deref() {
            1
        } else {
            2
        }
    }
}

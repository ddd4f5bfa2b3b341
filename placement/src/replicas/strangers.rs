//! Replicas of Dapr's own placement among the peers: a StatefulSet goes from one kind to the other
//! pod by pod, and no longer than that there are both.
//!
//! The two kinds elect no leader together; the one that has the majority leads. What is done here
//! makes the time short in which neither has one: sidecars wait five seconds for a leader.

use std::{convert::Infallible, fmt, sync::Arc, time::Duration};

use futures::future::join_all;
use placement_core::Peers;
use rustls::ClientConfig;
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

use super::{
    LEASE,
    port::Heard,
    stranger::{Door, Stranger},
};
use crate::mandate::Mandate;

/// Looks for strangers.
#[derive(Debug)]
pub(super) struct Strangers {
    doors: Vec<Door>,
    seen: watch::Sender<Company>,
    moved: Option<Instant>,
}

/// Which of the peers are strangers. The default is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Company {
    peers: usize,
    strangers: usize,
    /// How many of them lead.
    leading: usize,
    /// How many of them say that they do not.
    idle: usize,
}

/// Between two looks while no leader of our kind is known.
const GLANCE: Duration = Duration::from_millis(200);
/// Between two elections that are moved for.
const TERM: Duration = Duration::from_secs(1);

// === impl Strangers ===

impl Strangers {
    /// Those among `peers`, which answer sidecars on port `api` as this replica does.
    pub(super) fn new(peers: &Peers, api: u16, tls: Option<&Arc<ClientConfig>>) -> Self {
        let others = peers.ids().filter(|id| *id != peers.own());
        let addresses = others.filter_map(|id| peers.address(id));
        let doors = addresses.map(|peer| {
            let host = peer.rsplit_once(':').map_or(peer, |(host, _)| host);
            Door {
                peer: peer.to_owned(),
                api: format!("{host}:{api}"),
                tls: tls.cloned(),
            }
        });
        Self {
            doors: doors.collect(),
            seen: watch::Sender::default(),
            moved: None,
        }
    }

    pub(super) fn seen(&self) -> watch::Receiver<Company> {
        self.seen.subscribe()
    }

    /// Looks as long as no leader of our kind is known, which needs no help.
    pub(super) async fn watch(mut self, mandate: Mandate, heard: Heard) -> Infallible {
        loop {
            if mandate.holds() || heard.within(LEASE) {
                self.tell(Company::default());
            } else {
                self.look().await;
            }
            sleep(GLANCE).await;
        }
    }

    async fn look(&mut self) {
        let met = join_all(self.doors.iter().map(Stranger::meet)).await;
        let strangers: Vec<_> = met.into_iter().flatten().collect();
        let company = Company::of(self.doors.len() + 1, strangers.iter().map(|one| one.leads));
        self.tell(company);
        if company.lacks_a_leader() && self.moved.is_none_or(|moved| moved.elapsed() > TERM) {
            self.moved = Some(Instant::now());
            // The first of the list, so that two of us choose the same.
            let Some(first) = strangers.into_iter().next() else {
                return;
            };
            if let Err(error) = first.stand().await {
                tracing::debug!(%error, "a replica of Dapr's could not be made to stand");
            }
        }
    }

    fn tell(&self, company: Company) {
        self.seen.send_if_modified(|seen| {
            let before = std::mem::replace(seen, company);
            if before.strangers != company.strangers {
                tracing::info!("{company}");
            }
            before != company
        });
    }
}

// === impl Company ===

impl Company {
    fn of(peers: usize, leads: impl Iterator<Item = Option<bool>>) -> Self {
        let none = Self {
            peers,
            ..Self::default()
        };
        leads.fold(none, |company, leads| Self {
            strangers: company.strangers + 1,
            leading: company.leading + usize::from(leads == Some(true)),
            idle: company.idle + usize::from(leads == Some(false)),
            ..company
        })
    }

    /// Whether the strangers have a leader.
    pub(super) fn is_led(&self) -> bool {
        self.leading > 0
    }

    /// Whether all of our kind are needed for a majority, and nobody else leads. Then no vote
    /// that this replica may have forgotten can make a second leader: it would take a vote of
    /// each of the others, and those remember, or have started anew and lead no longer.
    pub(super) fn leaves_one_majority(&self) -> bool {
        self.strangers > 0
            && self.idle == self.strangers
            && self.peers - self.strangers == majority(self.peers)
    }

    /// Whether the strangers are a majority of which none leads.
    fn lacks_a_leader(&self) -> bool {
        self.idle == self.strangers && self.strangers >= majority(self.peers)
    }
}

impl fmt::Display for Company {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (strangers, peers) = (self.strangers, self.peers);
        if strangers == 0 {
            return write!(f, "no replica of Dapr's own is in the way of an election");
        }
        write!(
            f,
            "{strangers} of {peers} replicas are Dapr's own, with which none can be elected: \
             waiting until {} are of one kind",
            majority(peers)
        )
    }
}

fn majority(peers: usize) -> usize {
    peers / 2 + 1
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::all_are_ours(3, &[], false, false, false)]
    #[case::one_that_leads(3, &[Some(true)], true, false, false)]
    #[case::one_that_does_not(3, &[Some(false)], false, true, false)]
    #[case::one_that_does_not_say(3, &[None], false, false, false)]
    #[case::two_and_one_leads(3, &[Some(false), Some(true)], true, false, false)]
    #[case::two_and_none_leads(3, &[Some(false), Some(false)], false, false, true)]
    #[case::two_and_one_does_not_say(3, &[Some(false), None], false, false, false)]
    #[case::one_of_five(5, &[Some(false)], false, false, false)]
    #[case::two_of_five(5, &[Some(false); 2], false, true, false)]
    #[case::three_of_five(5, &[Some(false); 3], false, false, true)]
    fn what_a_company_means(
        #[case] peers: usize,
        #[case] leads: &[Option<bool>],
        #[case] is_led: bool,
        #[case] leaves_one_majority: bool,
        #[case] lacks_a_leader: bool,
    ) {
        let company = Company::of(peers, leads.iter().copied());
        assert_eq!(company.is_led(), is_led);
        assert_eq!(company.leaves_one_majority(), leaves_one_majority);
        assert_eq!(company.lacks_a_leader(), lacks_a_leader);
    }
}

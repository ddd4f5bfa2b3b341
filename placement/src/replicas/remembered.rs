//! What all replicas remember: which hosts the leader serves.

use std::{io, sync::Arc};

use futures::{Stream, TryStreamExt};
use openraft::{
    EntryPayload, OptionalSend, RaftSnapshotBuilder,
    alias::{EntryOf, LogIdOf, SnapshotMetaOf, SnapshotOf, StoredMembershipOf},
    entry::RaftEntry,
    storage::{EntryResponder, RaftStateMachine},
};
use parking_lot::Mutex;
use placement_core::Roster;

use super::Types;

/// The roster as far as the log was followed. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Remembered(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    roster: Roster,
    applied: Option<LogIdOf<Types>>,
    membership: StoredMembershipOf<Types>,
    snapshot: Option<SnapshotOf<Types, Roster>>,
}

// === impl Remembered ===

impl Remembered {
    pub(super) fn roster(&self) -> Roster {
        self.0.lock().roster.clone()
    }

    fn follow(&self, entry: EntryOf<Types>) {
        let mut state = self.0.lock();
        let id = entry.log_id();
        state.applied = Some(id.clone());
        match entry.payload {
            EntryPayload::Blank => {}
            EntryPayload::Normal(changes) => {
                changes
                    .0
                    .iter()
                    .for_each(|change| state.roster.apply(change));
            }
            EntryPayload::Membership(membership) => {
                state.membership = StoredMembershipOf::<Types>::new(Some(id), membership);
            }
        }
    }
}

impl RaftStateMachine<Types> for Remembered {
    type SnapshotData = Roster;
    type SnapshotBuilder = Self;

    async fn applied_state(
        &mut self,
    ) -> Result<(Option<LogIdOf<Types>>, StoredMembershipOf<Types>), io::Error> {
        let state = self.0.lock();
        Ok((state.applied.clone(), state.membership.clone()))
    }

    async fn apply<S>(&mut self, mut entries: S) -> Result<(), io::Error>
    where
        S: Stream<Item = Result<EntryResponder<Types>, io::Error>> + Unpin + OptionalSend,
    {
        while let Some((entry, responder)) = entries.try_next().await? {
            self.follow(entry);
            if let Some(responder) = responder {
                responder.send(());
            }
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Self {
        self.clone()
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMetaOf<Types>,
        roster: Roster,
    ) -> Result<(), io::Error> {
        let mut state = self.0.lock();
        state.applied.clone_from(&meta.last_log_id);
        state.membership = meta.last_membership.clone();
        state.roster = roster.clone();
        state.snapshot = Some(SnapshotOf::<Types, Roster> {
            meta: meta.clone(),
            snapshot: roster,
        });
        Ok(())
    }

    async fn get_current_snapshot(
        &mut self,
    ) -> Result<Option<SnapshotOf<Types, Roster>>, io::Error> {
        Ok(self.0.lock().snapshot.clone())
    }
}

impl RaftSnapshotBuilder<Types> for Remembered {
    type SnapshotData = Roster;

    async fn build_snapshot(&mut self) -> Result<SnapshotOf<Types, Roster>, io::Error> {
        let mut state = self.0.lock();
        let snapshot = SnapshotOf::<Types, Roster> {
            meta: SnapshotMetaOf::<Types> {
                last_log_id: state.applied.clone(),
                last_membership: state.membership.clone(),
            },
            snapshot: state.roster.clone(),
        };
        state.snapshot = Some(snapshot.clone());
        Ok(snapshot)
    }
}

//! What is known of one kind, and the streams that want to hear of it.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use operator_core::index::{Change, Index};
use operator_core::kind::Kind;
use operator_core::pending::Pending;
use operator_core::resource::Resource;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

/// Whether there is something to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Availability {
    /// The API server was not heard yet.
    Unknown,
    /// The API server does not know the kind.
    Missing,
    /// Everything was listed.
    Listed,
}

/// What is known of one kind, and the streams that want to hear of it.
#[derive(Debug)]
pub struct Store {
    kind: Kind,
    state: Mutex<State>,
    availability: watch::Sender<Availability>,
}

#[derive(Debug, Default)]
struct State {
    index: Index,
    next: u64,
    streams: HashMap<Box<str>, HashMap<u64, Arc<Queue>>>,
    news: Vec<Arc<News>>,
}

/// Which resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace.
    pub namespace: Box<str>,
    /// Its name.
    pub name: Box<str>,
}

/// Which resources were heard of since the last look, of all stores that share it.
#[derive(Debug, Default)]
pub struct News {
    names: Mutex<BTreeSet<Name>>,
    filled: Notify,
}

/// The changes that wait for one stream.
#[derive(Debug, Default)]
struct Queue {
    pending: Mutex<Pending>,
    filled: Notify,
}

/// A place in the audience of a store; given up when dropped.
#[derive(Debug)]
pub struct Subscription {
    store: Arc<Store>,
    namespace: Box<str>,
    number: u64,
    queue: Arc<Queue>,
}

// === impl Store ===

impl Store {
    /// Nothing is known of the kind yet.
    pub fn new(kind: Kind) -> Arc<Self> {
        let availability = watch::Sender::new(Availability::Unknown);
        Arc::new(Self {
            kind,
            state: Mutex::default(),
            availability,
        })
    }

    /// The kind it is for.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Replaces everything.
    pub fn reset(&self, resources: Vec<Resource>) {
        let mut state = self.state.lock();
        let changes = state.index.reset(resources);
        for change in &changes {
            state.publish(change);
        }
        state.tell_all();
        self.availability.send_replace(Availability::Listed);
    }

    /// Adds or replaces a resource.
    pub fn apply(&self, resource: Resource) {
        let mut state = self.state.lock();
        state.tell(&resource);
        if let Some(change) = state.index.apply(resource) {
            state.publish(&change);
        }
    }

    /// Removes a resource.
    pub fn delete(&self, resource: &Resource) {
        let mut state = self.state.lock();
        if let Some(change) = state.index.delete(resource) {
            state.publish(&change);
        }
    }

    /// Tells of everything that is there, and of all that is heard of from now on, even where it is
    /// no news for sidecars.
    pub fn tell(&self, news: Arc<News>) {
        let mut state = self.state.lock();
        state.news.push(news);
        state.tell_all();
    }

    /// Notes that the API server does not know the kind.
    pub fn missing(&self) {
        self.availability.send_replace(Availability::Missing);
    }

    /// Waits until the API server was heard.
    pub async fn available(&self) -> Availability {
        let mut changes = self.availability.subscribe();
        let known = changes
            .wait_for(|availability| *availability != Availability::Unknown)
            .await;
        // The sender lives in self, so the wait cannot fail.
        known.map_or(Availability::Unknown, |availability| *availability)
    }

    /// The resources of a namespace, by name.
    pub fn list(&self, namespace: &str) -> Vec<Arc<Resource>> {
        self.state.lock().index.list(namespace).cloned().collect()
    }

    /// The names of all resources.
    pub fn names(&self) -> Vec<Name> {
        let state = self.state.lock();
        state
            .index
            .all()
            .map(|resource| Name::of(resource))
            .collect()
    }

    /// One resource.
    pub fn get(&self, namespace: &str, name: &str) -> Option<Arc<Resource>> {
        self.state.lock().index.get(namespace, name).cloned()
    }

    /// Hears of all further changes in a namespace.
    pub fn subscribe(self: &Arc<Self>, namespace: &str) -> Subscription {
        let queue = Arc::<Queue>::default();
        let mut state = self.state.lock();
        let number = state.next;
        state.next += 1;
        let audience = state.streams.entry(namespace.into()).or_default();
        audience.insert(number, Arc::clone(&queue));
        Subscription {
            store: Arc::clone(self),
            namespace: namespace.into(),
            number,
            queue,
        }
    }
}

// === impl State ===

impl State {
    fn tell(&self, resource: &Resource) {
        for news in &self.news {
            news.add([Name::of(resource)]);
        }
    }

    fn tell_all(&self) {
        for news in &self.news {
            news.add(self.index.all().map(|resource| Name::of(resource)));
        }
    }

    fn publish(&self, change: &Change) {
        let Some(resource) = change.resource() else {
            return;
        };
        tracing::debug!("{resource:?} changed");
        let Some(audience) = self.streams.get(resource.namespace()) else {
            return;
        };
        for queue in audience.values() {
            queue.pending.lock().push(change.clone());
            queue.filled.notify_one();
        }
    }
}

// === impl Name ===

impl Name {
    /// The name of a resource.
    pub fn of(resource: &Resource) -> Self {
        Self {
            kind: resource.kind(),
            namespace: resource.namespace().into(),
            name: resource.name().into(),
        }
    }
}

// === impl News ===

impl News {
    fn add(&self, names: impl IntoIterator<Item = Name>) {
        self.names.lock().extend(names);
        self.filled.notify_one();
    }

    /// Waits for news. None is lost if the wait is given up.
    pub async fn next(&self) -> BTreeSet<Name> {
        loop {
            let names = std::mem::take(&mut *self.names.lock());
            if !names.is_empty() {
                return names;
            }
            self.filled.notified().await;
        }
    }
}

// === impl Subscription ===

impl Subscription {
    /// Waits for the next change. None is lost if the wait is given up.
    pub async fn next(&mut self) -> Change {
        loop {
            let change = self.queue.pending.lock().pop();
            match change {
                Some(change) => return change,
                None => self.queue.filled.notified().await,
            }
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut state = self.store.state.lock();
        if let Some(audience) = state.streams.get_mut(&self.namespace) {
            audience.remove(&self.number);
            if audience.is_empty() {
                state.streams.remove(&self.namespace);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn component(namespace: &str, name: &str) -> Resource {
        let object = json!({"metadata": {"namespace": namespace, "name": name}});
        Resource::new(Kind::Component, object).unwrap()
    }

    #[tokio::test]
    async fn streams_hear_of_their_namespace() {
        let store = Store::new(Kind::Component);
        store.reset(vec![component("shop", "old")]);
        let mut stream = store.subscribe("shop");
        store.apply(component("bank", "other"));
        store.apply(component("shop", "new"));
        assert_eq!(stream.next().await.new.unwrap().name(), "new");
    }

    #[tokio::test]
    async fn a_dropped_stream_is_forgotten() {
        let store = Store::new(Kind::Component);
        let (one, other) = (store.subscribe("shop"), store.subscribe("shop"));
        drop(one);
        assert_eq!(store.state.lock().streams["shop"].len(), 1);
        drop(other);
        assert!(store.state.lock().streams.is_empty());
    }

    #[tokio::test]
    async fn news_are_told_once_even_where_sidecars_hear_nothing() {
        let (store, news) = (Store::new(Kind::Component), Arc::<News>::default());
        store.reset(vec![component("shop", "old")]);
        store.tell(Arc::clone(&news));
        assert_eq!(news.next().await.len(), 1);
        store.apply(component("shop", "old"));
        store.apply(component("shop", "old"));
        assert_eq!(news.next().await.len(), 1);
    }

    #[tokio::test]
    async fn waits_until_the_api_server_was_heard() {
        let store = Store::new(Kind::McpServer);
        let waiting = Arc::clone(&store);
        let (heard, ()) = tokio::join!(waiting.available(), async { store.missing() });
        assert_eq!(heard, Availability::Missing);
        store.reset(Vec::new());
        assert_eq!(store.available().await, Availability::Listed);
    }
}

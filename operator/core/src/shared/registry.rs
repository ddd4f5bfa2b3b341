//! All that decides about instances, by app.

use std::collections::{BTreeMap, BTreeSet};

use crds::shared_instance::SharedInstance;
use injector_core::Defaults;
use injector_core::shared::{BOUND_TO, INSTANCE, MODE};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::jiff::Timestamp;

use super::binding::{Binding, BindingKey};
use super::kind::{BoundKind, ObjectKind};
use super::modes::Modes;
use super::seen::{AppKey, Counts, ObjectKey, Seen, ready_endpoints, service_of, since};

/// All that decides about instances. Each change answers which apps need a look.
#[derive(Debug, Default)]
pub struct Registry {
    pub(super) modes: Modes,
    defaults: BTreeMap<Box<str>, Defaults>,
    workloads: BTreeMap<BindingKey, Binding>,
    bound: BTreeMap<AppKey, BTreeSet<BindingKey>>,
    instances: BTreeMap<AppKey, BTreeMap<Box<str>, SharedInstance>>,
    pods: BTreeMap<AppKey, BTreeMap<Box<str>, Timestamp>>,
    objects: BTreeMap<AppKey, BTreeMap<ObjectKey, Seen>>,
    slices: BTreeMap<AppKey, BTreeMap<Box<str>, Slice>>,
}

/// A part of the endpoints of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Slice {
    service: Box<str>,
    ready: usize,
}

/// Apps that need a look.
pub type Look = BTreeSet<AppKey>;

// === impl Registry ===

impl Registry {
    /// Nothing is known yet, but what the cluster says about modes.
    pub fn new(mode: Option<String>) -> Self {
        Self {
            modes: Modes::new(mode),
            ..Self::default()
        }
    }

    /// Replaces the workloads of a kind.
    pub fn reset_workloads(&mut self, kind: BoundKind, workloads: Vec<Binding>) -> Look {
        let present: BTreeSet<&BindingKey> = workloads.iter().map(Binding::key).collect();
        let known = self.workloads.keys().filter(|key| key.kind == kind);
        let gone: Vec<_> = known
            .filter(|key| !present.contains(key))
            .cloned()
            .collect();
        let mut look: Look = gone
            .iter()
            .filter_map(|key| self.delete_workload(key))
            .collect();
        for workload in workloads {
            look.extend(self.apply_workload(workload));
        }
        look
    }

    /// Adds or replaces a workload.
    pub fn apply_workload(&mut self, workload: Binding) -> Look {
        let key = workload.key.clone();
        if self.workloads.get(&key) == Some(&workload) {
            return Look::new();
        }
        let mut look: Look = self.delete_workload(&key).into_iter().collect();
        let app = AppKey::new(&key.namespace, &workload.app_id);
        self.bound
            .entry(app.clone())
            .or_default()
            .insert(key.clone());
        self.workloads.insert(key, workload);
        look.insert(app);
        look
    }

    /// Removes a workload.
    pub fn delete_workload(&mut self, key: &BindingKey) -> Option<AppKey> {
        let workload = self.workloads.remove(key)?;
        let app = AppKey::new(&key.namespace, &workload.app_id);
        if let Some(bound) = self.bound.get_mut(&app) {
            bound.remove(key);
            if bound.is_empty() {
                self.bound.remove(&app);
            }
        }
        Some(app)
    }

    /// Takes note of what a namespace says.
    pub fn apply_namespace(&mut self, metadata: &ObjectMeta) -> Look {
        let Some(name) = metadata.name.as_deref() else {
            return Look::new();
        };
        let annotations = metadata.annotations.clone().unwrap_or_default();
        let mode = annotations.get(MODE).cloned();
        let (defaults, _) = Defaults::new(annotations);
        let same = self
            .defaults
            .get(name)
            .map_or(defaults.is_empty(), |known| *known == defaults);
        let news = self.modes.set(name, mode) || !same;
        if defaults.is_empty() {
            self.defaults.remove(name);
        } else {
            self.defaults.insert(name.into(), defaults);
        }
        if news {
            self.apps_of(name)
        } else {
            Look::new()
        }
    }

    /// Replaces what namespaces say.
    pub fn reset_namespaces<'a>(
        &mut self,
        namespaces: impl Iterator<Item = &'a ObjectMeta> + Clone,
    ) -> Look {
        let present: BTreeSet<&str> = namespaces
            .clone()
            .filter_map(|metadata| metadata.name.as_deref())
            .collect();
        let known: BTreeSet<String> = self.defaults.keys().map(ToString::to_string).collect();
        let gone = known.iter().filter(|name| !present.contains(name.as_str()));
        let mut look: Look = gone.flat_map(|name| self.delete_namespace(name)).collect();
        for metadata in namespaces {
            look.extend(self.apply_namespace(metadata));
        }
        look
    }

    /// Forgets a namespace.
    pub fn delete_namespace(&mut self, name: &str) -> Look {
        self.apply_namespace(&ObjectMeta {
            name: Some(name.to_owned()),
            ..ObjectMeta::default()
        })
    }

    /// Replaces the `SharedInstance`s.
    pub fn reset_instances(&mut self, instances: impl IntoIterator<Item = SharedInstance>) -> Look {
        let mut look: Look = std::mem::take(&mut self.instances).into_keys().collect();
        for instance in instances {
            look.extend(self.apply_instance(instance));
        }
        look
    }

    /// Adds or replaces a `SharedInstance`.
    pub fn apply_instance(&mut self, mut instance: SharedInstance) -> Option<AppKey> {
        instance.metadata.managed_fields = None;
        let (app, name) = named(&instance)?;
        self.instances
            .entry(app.clone())
            .or_default()
            .insert(name, instance);
        Some(app)
    }

    /// Removes a `SharedInstance`.
    pub fn delete_instance(&mut self, instance: &SharedInstance) -> Option<AppKey> {
        let (app, name) = named(instance)?;
        remove(&mut self.instances, &app, &name);
        Some(app)
    }

    /// Replaces the pods that use instances.
    pub fn reset_pods<'a>(&mut self, pods: impl Iterator<Item = &'a Pod>) -> Look {
        let mut look: Look = std::mem::take(&mut self.pods).into_keys().collect();
        look.extend(pods.filter_map(|pod| self.apply_pod(pod)));
        look
    }

    /// Adds or replaces a pod.
    pub fn apply_pod(&mut self, pod: &Pod) -> Option<AppKey> {
        let Some(since) = since(pod) else {
            return self.delete_pod(pod);
        };
        let app = AppKey::labelled(&pod.metadata, BOUND_TO)?;
        let name = pod.metadata.name.as_deref()?;
        let known = self.pods.entry(app.clone()).or_default();
        (known.insert(name.into(), since) != Some(since)).then_some(app)
    }

    /// Removes a pod.
    pub fn delete_pod(&mut self, pod: &Pod) -> Option<AppKey> {
        let app = AppKey::labelled(&pod.metadata, BOUND_TO)?;
        let name = pod.metadata.name.as_deref()?;
        remove(&mut self.pods, &app, name).map(|_| app)
    }

    /// Replaces the objects of a kind.
    pub fn reset_objects(
        &mut self,
        kind: ObjectKind,
        objects: Vec<(AppKey, ObjectKey, Seen)>,
    ) -> Look {
        let mut look = Look::new();
        for (app, known) in &mut self.objects {
            let before = known.len();
            known.retain(|key, _| key.kind != kind);
            if known.len() != before {
                look.insert(app.clone());
            }
        }
        self.objects.retain(|_, known| !known.is_empty());
        for (app, key, seen) in objects {
            look.extend(self.apply_object(app, key, seen));
        }
        look
    }

    /// Adds or replaces an object.
    pub fn apply_object(&mut self, app: AppKey, key: ObjectKey, seen: Seen) -> Option<AppKey> {
        let known = self.objects.entry(app.clone()).or_default();
        let news = known.get(&key) != Some(&seen);
        known.insert(key, seen);
        news.then_some(app)
    }

    /// Removes an object.
    pub fn delete_object(&mut self, app: AppKey, key: &ObjectKey) -> Option<AppKey> {
        let known = self.objects.get_mut(&app)?;
        let removed = known.remove(key);
        if known.is_empty() {
            self.objects.remove(&app);
        }
        removed.map(|_| app)
    }

    /// Replaces the endpoints of the Services of instances.
    pub fn reset_slices<'a>(&mut self, slices: impl Iterator<Item = &'a EndpointSlice>) -> Look {
        let mut look: Look = std::mem::take(&mut self.slices).into_keys().collect();
        look.extend(slices.filter_map(|slice| self.apply_slice(slice)));
        look
    }

    /// Adds or replaces a part of the endpoints of a Service.
    pub fn apply_slice(&mut self, slice: &EndpointSlice) -> Option<AppKey> {
        let app = AppKey::labelled(&slice.metadata, INSTANCE)?;
        let name = slice.metadata.name.as_deref()?;
        let part = Slice {
            service: service_of(slice)?.into(),
            ready: ready_endpoints(slice),
        };
        let known = self.slices.entry(app.clone()).or_default();
        (known.insert(name.into(), part.clone()) != Some(part)).then_some(app)
    }

    /// Removes a part of the endpoints of a Service.
    pub fn delete_slice(&mut self, slice: &EndpointSlice) -> Option<AppKey> {
        let app = AppKey::labelled(&slice.metadata, INSTANCE)?;
        remove(&mut self.slices, &app, slice.metadata.name.as_deref()?).map(|_| app)
    }

    /// All apps that anything is known of.
    pub fn apps(&self) -> Look {
        let apps = self.bound.keys().chain(self.instances.keys());
        apps.chain(self.objects.keys()).cloned().collect()
    }

    /// What a namespace says about daprd.
    pub fn defaults(&self, namespace: &str) -> Defaults {
        self.defaults.get(namespace).cloned().unwrap_or_default()
    }

    /// What is known of the objects of an app's instance.
    pub fn objects(&self, app: &AppKey) -> BTreeMap<ObjectKey, Seen> {
        self.objects.get(app).cloned().unwrap_or_default()
    }

    /// The workloads of an app, oldest first.
    pub(super) fn workloads(&self, app: &AppKey) -> Vec<&Binding> {
        let bound = self.bound.get(app).into_iter().flatten();
        let mut workloads: Vec<_> = bound.filter_map(|key| self.workloads.get(key)).collect();
        workloads.sort_by_key(|workload| workload.seniority());
        workloads
    }

    /// The `SharedInstance`s for an app, oldest first.
    pub(super) fn instances(&self, app: &AppKey) -> Vec<&SharedInstance> {
        let mut instances: Vec<_> = self
            .instances
            .get(app)
            .into_iter()
            .flat_map(BTreeMap::values)
            .collect();
        instances.sort_by_key(|instance| {
            let metadata = &instance.metadata;
            let created = metadata.creation_timestamp.as_ref().map(|time| time.0);
            (created, metadata.uid.as_deref())
        });
        instances
    }

    /// How many pods use an instance, and when the oldest of them was made.
    pub(super) fn pods(&self, app: &AppKey) -> (usize, Option<Timestamp>) {
        let pods = self.pods.get(app);
        let oldest = pods.and_then(|pods| pods.values().min().copied());
        (pods.map_or(0, BTreeMap::len), oldest)
    }

    /// How many instances run in a workload; none if it is not there.
    pub(super) fn counts(&self, app: &AppKey, kind: ObjectKind, name: &str) -> Option<Counts> {
        let key = ObjectKey {
            kind,
            name: name.into(),
        };
        Some(self.objects.get(app)?.get(&key)?.counts)
    }

    /// How many endpoints of a Service are ready.
    pub(super) fn ready(&self, app: &AppKey, service: &str) -> usize {
        let slices = self.slices.get(app).into_iter().flat_map(BTreeMap::values);
        let of_service = slices.filter(|slice| &*slice.service == service);
        of_service.map(|slice| slice.ready).sum()
    }

    fn apps_of(&self, namespace: &str) -> Look {
        let mut apps = self.apps();
        apps.retain(|app| &*app.namespace == namespace);
        apps
    }
}

fn named(instance: &SharedInstance) -> Option<(AppKey, Box<str>)> {
    let metadata = &instance.metadata;
    let app = AppKey::new(metadata.namespace.as_deref()?, instance.app_id());
    Some((app, metadata.name.as_deref()?.into()))
}

fn remove<V>(
    map: &mut BTreeMap<AppKey, BTreeMap<Box<str>, V>>,
    app: &AppKey,
    name: &str,
) -> Option<V> {
    let inner = map.get_mut(app)?;
    let removed = inner.remove(name);
    if inner.is_empty() {
        map.remove(app);
    }
    removed
}

//! What a pod's annotations ask for. Each annotation is named once, in this folder.
//!
//! What can't be read is ignored, as daprd's users are used to, but never silently: each such
//! value makes a [`Warning`](crate::Warning). (Dapr: `pkg/injector/patcher/sidecar.go`.)

mod app;
mod container;
mod env;
mod reader;
mod runtime;

use self::reader::Reader;
pub(crate) use self::{
    app::{App, PROTOCOL},
    container::{Components, Container, Mount, Probe},
    env::{Env, from_field, from_secret, plain},
    runtime::{CONFIGURATION, Limits, Listen, Log, SHUTDOWN_DELAY, Services, Shutdown},
};
use crate::{
    Cluster, Native, Setting, Source, Warning,
    defaults::Layers,
    shared::{MODE, Mode},
};

/// All options of one pod, with the defaults filled in.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) app: App,
    pub(crate) listen: Listen,
    pub(crate) log: Log,
    pub(crate) services: Services,
    pub(crate) limits: Limits,
    pub(crate) shutdown: Shutdown,
    pub(crate) container: Container,
    pub(crate) components: Components,
}

// === impl Options ===

impl Options {
    pub(crate) fn read(layers: Layers<'_>, cluster: &Cluster) -> (Self, Vec<Warning>) {
        let mut reader = Reader::new(layers);
        let options = Self::read_with(&mut reader, layers, cluster);
        (options, reader.into_warnings())
    }

    /// All settings, and where each comes from; that of `mode` is known elsewhere.
    pub(crate) fn settings(
        layers: Layers<'_>,
        cluster: &Cluster,
        mode: (Mode, Source),
    ) -> Vec<Setting> {
        let mut reader = Reader::recording(layers);
        Self::read_with(&mut reader, layers, cluster);
        reader.note(MODE, Some(mode.0), mode.1);
        let mut settings = reader.into_settings();
        settings.sort_by(|one, other| one.annotation.cmp(&other.annotation));
        settings
    }

    fn read_with(reader: &mut Reader<'_>, layers: Layers<'_>, cluster: &Cluster) -> Self {
        let native = match cluster.native {
            Native::All => true,
            Native::OfJobs => layers.pod.is_of_job(),
            Native::None => false,
        };
        Self {
            app: App::read(reader),
            listen: Listen::read(reader),
            log: Log::read(reader),
            services: Services::read(reader, cluster),
            limits: Limits::read(reader),
            shutdown: Shutdown::read(reader, cluster),
            container: Container::read(reader, cluster, native),
            components: Components::read(reader, cluster),
        }
    }
}

#[cfg(test)]
mod tests;

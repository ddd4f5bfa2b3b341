//! A real Kubernetes on this machine, built from pinned modules, without a container engine.

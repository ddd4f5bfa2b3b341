//! The server shell: logs, health, metrics, signals, supervised tasks, drain, leader lease, Kubernetes client.

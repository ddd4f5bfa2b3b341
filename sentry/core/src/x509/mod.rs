//! X.509 as sentry writes, checks and verifies it.

pub(crate) mod chain;
pub(crate) mod extension;
pub(crate) mod signature;
pub(crate) mod template;

//! What the injector decides: from annotations and a pod to patch operations.

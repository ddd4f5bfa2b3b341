//! The custom resources of Dapr as types, and the committed YAML written from them.

//! Process and cluster tests: the built binaries as black boxes on a real API server.

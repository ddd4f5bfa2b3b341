//! What a process is told: Go-style flags, Go durations, YAML, and the Configuration object.

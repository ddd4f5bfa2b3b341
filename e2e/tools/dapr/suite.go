//go:build integration

// Package tools keeps the modules that only Dapr's integration suite needs in the graph.
package tools

import _ "github.com/dapr/dapr/tests/integration"

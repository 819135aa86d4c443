//go:build tools

// Package vault names the one program that this module builds, so that its version stands in go.mod.
package vault

import _ "github.com/hashicorp/vault"

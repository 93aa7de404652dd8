//go:build never

// Package programs lists the helper programs of the suite, for `build` and for `go mod`.
package programs

import (
	_ "github.com/opencontainers/runc/tests/cmd/fs-idmap"
	_ "github.com/opencontainers/runc/tests/cmd/pidfd-kill"
	_ "github.com/opencontainers/runc/tests/cmd/recvtty"
	_ "github.com/opencontainers/runc/tests/cmd/remap-rootfs"
	_ "github.com/opencontainers/runc/tests/cmd/seccompagent"
)

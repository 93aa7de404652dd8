//go:build tools

// Package crictl names the one program that the fixture of that name builds.
package crictl

import _ "sigs.k8s.io/cri-tools/cmd/crictl"

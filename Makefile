# Every target sets the machine up first (packaging/setup: says what it installs, nothing where all is there).
# The work itself is in packaging/ and `cargo xtask`; this file only names it.
#
#   make demo          the main job: run the image that is built in, then a shell under a memory limit
#   make test          every test                       make lint     clippy, tidy, cargo-deny, formatting
#   make conformance   foreign suites [SUITE=name]      make bench    ours against a named rival, alternating
#   make fresh         demo and test on a bare Debian   make soak     the long forms: fuzzing, storms, power cuts
#   make install       [PREFIX=/usr/local] [DESTDIR=]   make deb      a Debian package in target/deb

PREFIX  ?= /usr/local
DESTDIR ?=
SUITE   ?=
export PREFIX DESTDIR

# One set of artefacts: programs and tests are built for one target, in one directory. The triple is
# asked for when a recipe runs, because setup may have just installed what it depends on.
run = packaging/with-target

.PHONY: demo test lint bench soak install deb conformance fresh
demo test lint bench soak install deb conformance fresh: %: %-setup

demo:        ; @$(run) packaging/demo
test:        ; @$(run) packaging/test
lint:        ; @$(run) packaging/lint
bench:       ; @$(run) packaging/bench
soak:        ; @$(run) packaging/soak
install:     ; @$(run) packaging/install
deb:         ; @$(run) packaging/deb
conformance: ; @$(run) cargo xtask conformance $(SUITE)
fresh:       ; @$(run) packaging/fresh

%-setup: ; @packaging/setup $*

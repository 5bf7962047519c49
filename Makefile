# The front door. `make demo` and `make test` do all the set-up on a fresh Debian or Ubuntu machine with Rust.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
export CARGO_TERM_COLOR ?= auto

CARGO_DENY_VERSION := 0.20.2
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
TARGET := $(or $(CARGO_TARGET_DIR),target)

# What the product runs on (FFmpeg, Mosquitto), builds with (a C compiler, Node) and is tested with (Chromium, fonts).
RUN_PACKAGES := ffmpeg mosquitto fonts-dejavu-core ca-certificates util-linux procps
BUILD_PACKAGES := gcc libc6-dev
TEST_PACKAGES := chromium mosquitto-clients python3-venv swtpm systemd libtss2-tcti-swtpm0 tpm2-tools unzip zip p7zip-full fuse3 mount e2fsprogs xfsprogs
# The virtual machine of the storage torture.
MACHINE_PACKAGES := qemu-system-x86 busybox-static binutils
# The image, and the virtual box that tries it.
IMAGE_PACKAGES := mmdebstrap rauc squashfs-tools mtools dosfstools fdisk grub-efi-amd64-bin grub-common openssl python3 binutils uidmap git
IMAGE_TEST_PACKAGES := qemu-system-x86 ovmf openssh-client
# The Debian packages, and the system that tries them.
DEB_PACKAGES := dpkg-dev debhelper lintian python3 git
DEB_ARM64_PACKAGES := binutils-aarch64-linux-gnu libc6-arm64-cross
DEB_TEST_PACKAGES := mmdebstrap systemd-container
# Programs for other machines (zig and its driver come from PyPI), and the systems that try them.
CROSS_PACKAGES := python3-venv binutils
CROSS_TEST_PACKAGES := mmdebstrap qemu-user-static unzip

.PHONY: help
help: ## Shows this
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | sort | expand -t 16

.PHONY: demo
demo: setup build ## Runs the whole product until Ctrl-C; ONCE=1 checks the main job and ends; FOOTAGE=<folder> uses your videos
	@$(TARGET)/debug/demo $(if $(ONCE),--once) $(if $(FOOTAGE),--footage "$(FOOTAGE)")

.PHONY: test
test: setup setup-test ui ## Installs what is missing and passes every test
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo deny --log-level warn check bans licenses sources
	cd web-ui && npm run lint && npm test
	@# All targets, so that features are united as in the tests and nothing is built twice.
	cargo build --workspace --all-targets --locked
	cargo test --workspace --locked

.PHONY: build
build: ui ## Builds everything (debug)
	cargo build --workspace --locked

.PHONY: ui
ui: web-ui/dist/.built ## Builds the web pages

web-ui/dist/.built: $(shell find web-ui -type f -not -path '*/node_modules/*' -not -path '*/dist/*' 2>/dev/null) | setup
	@# Not `npm ci`: it refuses a lock file that lacks builds for other platforms, which not every registry mirror holds.
	cd web-ui && npm install --no-save --no-audit --no-fund && npm run build
	touch $@

.PHONY: bench
bench: setup-test ui ## Benchmarks, each a ratio in one run; limits are checked here. ARGS="ring" or "rebuild" only these, "ring huge" with 10 M recordings
	cargo build --workspace --release --locked
	$(TARGET)/release/bench $(ARGS)

# An interrupted campaign goes on with SEED=<the last seed printed> and DAYS=<what is left>. In memory where that is
# possible: it is the agent's answers that are looked at, not the disk.
DAYS ?= 10000
SEED ?= 1

.PHONY: torture-completeness
torture-completeness: ## Completeness against ground truth over DAYS (10000) simulated camera-days, from SEED on
	TMPDIR=$(firstword $(wildcard /dev/shm) /tmp) HOLDFAST_CAMERA_DAYS=$(DAYS) HOLDFAST_SEED=$(SEED) \
		CARGO_PROFILE_DEV_OPT_LEVEL=2 cargo test -p edge-agent --locked -- ten_thousand_camera_days --ignored --nocapture

.PHONY: torture-recorder
torture-recorder: setup ## A thousand seeded faults of recorder, library and link; goes on where it stopped. ARGS="--seed 2 --faults 100 --anew"
	cargo build --workspace --all-targets --locked
	$(TARGET)/debug/torture_recorder $(ARGS)

# Each campaign goes on where it stopped: its rounds are lines of target/torture-*.jsonl. What a machine cannot carry (no
# /dev/fuse) is left out, and said.
DISKS ?= 100000
FAULTS ?= 10000
STORAGE := $(TARGET)/debug/torture_storage

.PHONY: torture-storage
torture-storage: setup setup-test setup-machine ui ## Power cuts, kills, faults and hard resets by the thousand (hours); goes on where it stopped
	cargo build --workspace --all-targets --locked
	HOLDFAST_DISKS=$(DISKS) HOLDFAST_FAULTS=$(FAULTS) cargo test --workspace --locked --bins -- \
		power_cut::campaign --ignored --nocapture --test-threads 1
	$(STORAGE) kills --stops 1000
	$(STORAGE) cuts --stops 400
	$(STORAGE) faults --stops 400
	$(STORAGE) ext4 --stops 200
	$(STORAGE) xfs --stops 200
	$(STORAGE) machine --stops 40 --round 20

# PROFILE=debug is quicker to build. The system's version and all its times are those of the last change. Keys: docs/guide/image.md.
PROFILE ?= release
IMAGE := $(TARGET)/image/$(PROFILE)
IMAGE_CHANGED = $(shell git log -1 --format=%ct)
IMAGE_VERSION ?= $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)+$(shell date -u -d @$(IMAGE_CHANGED) +%Y%m%d%H%M%S)
IMAGE_KEYS ?= $(TARGET)/image/keys
BUILD_IMAGE = SOURCE_DATE_EPOCH=$(IMAGE_CHANGED) PROGRAM=$(TARGET)/$(PROFILE)/edge-agent OUT=$(IMAGE) KEYS=$(IMAGE_KEYS)

.PHONY: image
image: setup setup-image ui ## The flashable image, its signed update and its bill of materials, in target/image
	cargo build --locked --workspace $(if $(filter release,$(PROFILE)),--release --bin edge-agent,--all-targets)
	image/keys.sh $(IMAGE_KEYS)
	$(BUILD_IMAGE) VERSION=$(IMAGE_VERSION) image/build.sh all
	$(if $(filter release,$(PROFILE)),$(BUILD_IMAGE) VERSION=$(IMAGE_VERSION) image/build.sh given)

.PHONY: image-test
image-test: ## Boots the image in a virtual machine: first day, claim, second disk, two updates (minutes)
	@# One version for all three, whatever is committed meanwhile.
	set -e; same="PROFILE=debug COMPRESSION=lz4 IMAGE_CHANGED=$(IMAGE_CHANGED) IMAGE_VERSION=$(IMAGE_VERSION)"; \
	for step in image image-next image-try; do $(MAKE) $$step $$same; done

# The same system twice more, as updates of it.
.PHONY: image-next
image-next:
	$(BUILD_IMAGE) VERSION=$(IMAGE_VERSION).1 image/build.sh system
	$(BUILD_IMAGE) VERSION=$(IMAGE_VERSION).2 image/build.sh system

.PHONY: image-try
image-try: setup-image-test
	$(TARGET)/debug/image_test $(IMAGE)/holdfast-$(IMAGE_VERSION).img $(foreach next,1 2,$(IMAGE)/holdfast-$(IMAGE_VERSION).$(next).raucb) $(IMAGE_KEYS) $(ARGS)

# Both go on where they stopped: every round is a line of target/torture-image-*.jsonl.
UPDATES ?= 200
RESETS ?= 25

.PHONY: torture-image
torture-image: image setup-image-test ## Updates good and bad, and hard resets, on the image in a virtual machine (hours); goes on where it stopped
	cargo build --workspace --all-targets --locked
	$(MAKE) torture-image-rounds PROFILE=$(PROFILE) IMAGE_CHANGED=$(IMAGE_CHANGED) IMAGE_VERSION=$(IMAGE_VERSION)

TORTURE_IMAGE = $(BUILD_IMAGE) $(TARGET)/debug/torture_image
TORTURE_IMAGE_ARGS = $(IMAGE)/holdfast-$(IMAGE_VERSION).img --version $(IMAGE_VERSION) --out $(IMAGE) --keys $(IMAGE_KEYS) $(ARGS)

.PHONY: torture-image-rounds
torture-image-rounds:
	$(TORTURE_IMAGE) updates $(TORTURE_IMAGE_ARGS) --rounds $(UPDATES)
	$(TORTURE_IMAGE) resets $(TORTURE_IMAGE_ARGS) --rounds $(RESETS)

# What the layers are checked with, in a folder of its own.
OELINT_VERSION := 9.10.3
KAS_VERSION := 5.4
YOCTO := $(TARGET)/yocto/check

.PHONY: yocto-crates
yocto-crates: ## Writes the Yocto recipe's list of crates from Cargo.lock
	python3 yocto/crates.py Cargo.lock yocto/meta-holdfast/recipes-holdfast/holdfast-agent/holdfast-agent-crates.inc

.PHONY: yocto-check
yocto-check: ## oelint-adv over the Yocto layers, and the kas files against kas's schema (from PyPI)
	$(call install,python3-venv)
	[ -x $(YOCTO)/bin/pip ] || python3 -m venv $(YOCTO)
	$(YOCTO)/bin/pip install -q oelint_adv==$(OELINT_VERSION) kas==$(KAS_VERSION)
	OELINT_CONFIG=yocto/oelint.cfg $(YOCTO)/bin/oelint-adv $$(find yocto -name '*.bb' -o -name '*.bbappend' -o -name '*.conf' | sort)
	$(YOCTO)/bin/python yocto/kas/schema.py yocto/kas/*.yml

# FOR="aarch64-unknown-linux-gnu": only these targets of cross.toml.
CROSS := $(TARGET)/cross
MAKE_CROSS = OUT=$(CROSS) packaging/cross.sh $(PROFILE) $(FOR)

.PHONY: cross
cross: setup setup-cross ui ## Both programs for an older glibc and for aarch64, in target/cross
	$(MAKE_CROSS)

.PHONY: cross-test
cross-test: setup-cross-test ## Builds them and does the main job with them in Debian 11, aarch64 emulated (half an hour)
	$(MAKE) cross PROFILE=debug
	cargo build --workspace --all-targets --locked
	$(TARGET)/debug/cross_test $(CROSS) $(FOR)

# PROFILE=debug is quicker to build. FOR=<a target of cross.toml>: packages for that. COMPRESSION: options of dpkg-deb.
# Versions and times are those of the image.
DEB := $(TARGET)/deb/$(PROFILE)$(FOR:%=-%)
DEB_PROGRAMS = $(if $(FOR),$(CROSS)/$(FOR)/$(PROFILE),$(TARGET)/$(PROFILE))
MAKE_DEB = SOURCE_DATE_EPOCH=$(IMAGE_CHANGED) PROGRAMS=$(DEB_PROGRAMS) FOR=$(FOR)
DEB_LINT = lintian --fail-on error,warning --allow-root

.PHONY: deb
deb: setup setup-deb ui ## Debian packages of agent and relay, in target/deb
	$(if $(FOR),$(MAKE) cross,cargo build --locked --workspace $(if $(filter release,$(PROFILE)),--release))
	$(MAKE_DEB) OUT=$(DEB) VERSION=$(IMAGE_VERSION) packaging/build-deb.sh
	$(DEB_LINT) $(DEB)/*.changes

.PHONY: deb-test
deb-test: setup-deb-test ## Installs, upgrades, removes and purges the packages in a fresh Debian 12 (minutes; as root)
	$(MAKE) deb
	$(MAKE_DEB) OUT=$(DEB)/again VERSION=$(IMAGE_VERSION) packaging/build-deb.sh
	@for package in $(DEB)/*.deb; do cmp $$package $(DEB)/again/$${package##*/}; done
	@echo "deb-test: the same bytes twice"
	$(MAKE_DEB) OUT=$(DEB)/next VERSION=$(IMAGE_VERSION).1 packaging/build-deb.sh
	$(SUDO) env DEBS=$(DEB) NEXT=$(DEB)/next OUT=$(DEB)/box packaging/test-deb.sh

.PHONY: advisories
advisories: setup-test ## Known vulnerabilities in dependencies (needs the internet)
	cargo deny check advisories

# --- installing what is missing -----------------------------------------------------------------

# Installs those of some packages that are missing.
define install
@missing=(); \
	for package in $(1); do dpkg -s $$package >/dev/null 2>&1 || missing+=($$package); done; \
	if [ $${#missing[@]} -gt 0 ]; then \
		echo "Installing $${missing[*]}"; \
		$(SUDO) apt-get update -q; \
		$(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$${missing[@]}"; \
	fi
endef

.PHONY: setup
setup: ## Installs what building and running need (apt; with sudo where not root)
	@missing=(); \
	for package in $(RUN_PACKAGES) $(BUILD_PACKAGES); do \
		dpkg -s $$package >/dev/null 2>&1 || missing+=($$package); \
	done; \
	command -v node >/dev/null || missing+=(nodejs); \
	command -v npm >/dev/null || missing+=(npm); \
	if [ $${#missing[@]} -gt 0 ]; then \
		echo "Installing $${missing[*]}"; \
		$(SUDO) apt-get update -q; \
		$(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$${missing[@]}"; \
	fi

.PHONY: setup-machine
setup-machine: setup
	$(call install,$(MACHINE_PACKAGES))

.PHONY: setup-image
setup-image: setup
	$(call install,$(IMAGE_PACKAGES))

.PHONY: setup-image-test
setup-image-test: setup
	$(call install,$(IMAGE_TEST_PACKAGES))

.PHONY: setup-deb
setup-deb: setup
	$(call install,$(DEB_PACKAGES) $(if $(filter aarch64%,$(FOR)),$(DEB_ARM64_PACKAGES)))

.PHONY: setup-deb-test
setup-deb-test: setup-deb
	$(call install,$(DEB_TEST_PACKAGES))

.PHONY: setup-cross
setup-cross: setup
	$(call install,$(CROSS_PACKAGES))

.PHONY: setup-cross-test
setup-cross-test: setup-cross
	$(call install,$(CROSS_TEST_PACKAGES))

.PHONY: setup-test
setup-test: setup
	$(call install,$(TEST_PACKAGES) $(DEB_PACKAGES))
	@cargo deny --version 2>/dev/null | grep -q ' $(CARGO_DENY_VERSION)$$' \
		|| cargo install cargo-deny --locked --version $(CARGO_DENY_VERSION)

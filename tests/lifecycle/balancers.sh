#!/usr/bin/env bash
# Installs the load balancers that tests/lifecycle/rolling.rs needs, where they are missing. Exits 69 (EX_UNAVAILABLE) where
# they can't be had.
set -euo pipefail

has_all() { command -v haproxy >/dev/null && command -v nginx >/dev/null; }

has_all && exit 0
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "install haproxy and nginx" >&2
    exit 69
fi
export DEBIAN_FRONTEND=noninteractive
# Their packages start them as services; here only the programs are needed.
export RUNLEVEL=1
apt-get update -q >&2 || true
apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 haproxy nginx-light >&2 || true
has_all || exit 69

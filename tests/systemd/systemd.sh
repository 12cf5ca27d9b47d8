#!/usr/bin/env bash
# Installs systemd-analyze, which judges the units of deploy/systemd, where it is missing. Exits 69 (EX_UNAVAILABLE) where it can't
# be had.
set -euo pipefail

command -v systemd-analyze >/dev/null && exit 0
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "install systemd" >&2
    exit 69
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -q >&2 || true
apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 systemd >&2 || true
command -v systemd-analyze >/dev/null || exit 69

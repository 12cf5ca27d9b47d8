#!/usr/bin/env bash
# Prints where Prometheus' promtool is, as its last line. Installs Debian's package as root where it's missing.
# Exits 69 (EX_UNAVAILABLE) where it cannot be had.
set -euo pipefail
if ! command -v promtool >/dev/null && [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q >&2 || true
    # The server itself isn't started: only the tool is wanted.
    apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 prometheus >&2 || true
    service prometheus stop >&2 2>/dev/null || true
fi
command -v promtool || { echo "promtool is missing; install Debian's package prometheus" >&2; exit 69; }

#!/usr/bin/env bash
# need.sh CHECK PACKAGE...: sees to it that CHECK, a line of bash, succeeds. Where it fails, root on Debian installs the packages.
# Prints what CHECK prints. Exits 69 (EX_UNAVAILABLE) where CHECK fails all the same, and says on stderr what to install.
#
#   need.sh 'type -P haproxy' haproxy
set -uo pipefail

readonly check="${1:?a line of bash, then the packages if any have it}"
shift

# By itself, so that a function of whoever asks is no program.
succeeds() { bash -c "$check" 2>/dev/null; }

install() {
    # Some packages start a service: here only its program is needed.
    DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 "$@" \
        >&2 </dev/null 9>&-
}

succeeds && exit 0
if [ $# -gt 0 ] && [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    exec 9>"${TMPDIR:-/tmp}/forebay-need.lock"
    flock 9
    # Somebody else may have installed it by now.
    succeeds && exit 0
    echo "installing $* with apt-get" >&2
    install "$@" || { apt-get update -q >&2 && install "$@"; }
    succeeds && exit 0
fi
echo "install Debian's ${*:-(no package)}, or what else lets this succeed: $check" >&2
exit 69

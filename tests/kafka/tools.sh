#!/usr/bin/env bash
# Finds or installs a Kafka consumer that is not ours. Prints, as its last line,
# which one it is, a tab, and the program to run:
#
#   kcat      /path/to/kcat
#   python    /path/to/an/interpreter/that/has/kafka-python
#
# Exits 69 (EX_UNAVAILABLE) where neither can be had, and says what to install.
set -euo pipefail

readonly unavailable=69

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
repository="$(cd "$here/../.." && pwd)"
readonly root="$repository/target/kafka"
readonly venv="$root/python"

say() { printf 'kafka: %s\n' "$*" >&2; }

# Prints the answer and ends the script, if kcat is there.
use_kcat() {
    if command -v kcat >/dev/null; then
        printf 'kcat\t%s\n' "$(command -v kcat)"
        exit 0
    fi
}

# The same for the interpreter with kafka-python.
use_python() {
    if "$venv/bin/python" -c 'import kafka' 2>/dev/null; then
        printf 'python\t%s\n' "$venv/bin/python"
        exit 0
    fi
}

install_kcat() {
    "$here/../support/need.sh" "type -P kcat" kcat >/dev/null || true
}

install_python() {
    "$here/../support/need.sh" "python3 -c 'import venv, ensurepip'" python3 python3-venv || return 0
    say "installing kafka-python into $venv"
    rm -rf "$venv"
    python3 -m venv "$venv" >&2 || return 0
    "$venv/bin/pip" install -q --disable-pip-version-check 'kafka-python-ng==2.2.3' >&2 || return 0
}

mkdir -p "$root"
# One lock with fetch.sh: both may want apt-get.
if command -v flock >/dev/null; then
    exec 9>"$root/.lock"
    flock 9
fi

use_kcat
use_python
install_kcat
use_kcat
install_python
use_python
say "no foreign consumer: install kcat, or python3 with venv and pip"
exit "$unavailable"

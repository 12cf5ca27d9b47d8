# shellcheck shell=bash
# Processes that a load test starts. Each has a process group of its own: ctrl-c must end the senders only, and what they
# send to stays for the audit. A process is known by a name, and its id by a file, so that it can be replaced from a
# subshell.

say() { printf 'loadtest: %s\n' "$*" >&2; }

die() {
    say "$2"
    exit "$1"
}

# Starts a program in the background under a name, with its output in $work/NAME.out and $work/NAME.log.
start_process() {
    local name=$1
    shift
    mkdir -p "$work/pids"
    set -m
    "$@" >>"$work/$name.out" 2>>"$work/$name.log" </dev/null &
    echo $! >"$work/pids/$name"
    set +m
}

pid_of() { cat "$work/pids/$1" 2>/dev/null; }

is_running() {
    local pid
    pid=$(pid_of "$1") && kill -0 "$pid" 2>/dev/null
}

# Sends a signal to a process and waits for its end, which is forced after some seconds. Returns its exit code if it's a
# child of this shell, and 124 if it was forced.
stop_process() {
    local name=$1 signal=$2 patience=$3 pid code=0
    pid=$(pid_of "$name") || return 0
    rm -f "$work/pids/$name"
    kill "-$signal" "$pid" 2>/dev/null || true
    local deadline=$((SECONDS + patience))
    while kill -0 "$pid" 2>/dev/null; do
        if ((SECONDS >= deadline)); then
            kill -KILL "$pid" 2>/dev/null || true
            wait "$pid" 2>/dev/null || true
            return 124
        fi
        sleep 0.1
    done
    wait "$pid" 2>/dev/null || code=$?
    # 127: it was started by a subshell.
    if ((code == 127)); then code=0; fi
    return "$code"
}

# Ends all that is left, without patience: there's nothing to audit any more.
stop_everything() {
    local file
    [[ -n $work ]] || return 0
    # Whoever starts others goes first.
    for file in "$work"/pids/actor "$work"/pids/*; do
        [[ -e $file ]] || continue
        kill -KILL -- "-$(cat "$file")" 2>/dev/null || true
        wait "$(cat "$file")" 2>/dev/null || true
        rm -f "$file"
    done
}

# Runs a sender with its output on the terminal. The first ctrl-c is passed on to it, and the audit follows; the second
# ends everything. Returns its exit code.
run_sender() {
    local pid code=0
    mkdir -p "$work/pids"
    set -m
    "$@" </dev/null &
    pid=$!
    set +m
    echo "$pid" >"$work/pids/sender"
    # shellcheck disable=SC2064 # the id is the one of now
    trap "kill -INT $pid 2>/dev/null; trap 'exit 130' INT" INT
    while :; do
        code=0
        wait "$pid" || code=$?
        kill -0 "$pid" 2>/dev/null || break
    done
    trap 'exit 130' INT
    rm -f "$work/pids/sender"
    return "$code"
}

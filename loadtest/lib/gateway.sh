# shellcheck shell=bash
# The gateway of a load test, and the tools that are built with it.
# shellcheck disable=SC2154 # root and work are those of loadtest/run

# Some seconds are normal on a busy machine.
gateway_start_within=30
# Longer than the gateway's own shutdown.drain of 10 s.
gateway_stop_within=25

# Prints the path of a program of this repository: the one that VARIABLE names, or a fresh build of it.
built() {
    local name=$1 given=$2
    if [[ -z $given ]]; then
        (cd "$root" && cargo build --release --bin "$name") >&2 ||
            die 70 "$name doesn't build; to use another one, set FOREBAY_BIN, FOREBAY_URL or LOADTEST_BIN"
        given=${CARGO_TARGET_DIR:-$root/target}/release/$name
    fi
    [[ -x $given ]] || die 66 "$given is not a program"
    echo "$given"
}

# Waits until the gateway's output or log has a line.
wait_for_line() {
    local file=$1 pattern=$2
    local deadline=$((SECONDS + gateway_start_within))
    until grep -q "$pattern" "$file" 2>/dev/null; do
        if ! is_running gateway; then
            cat "$work/gateway.log" >&2
            die 70 "the gateway ended before it was ready; its log is above"
        fi
        if ((SECONDS >= deadline)); then
            cat "$work/gateway.log" >&2
            die 70 "the gateway was not ready within $gateway_start_within s; its log is above"
        fi
        sleep 0.1
    done
}

# Starts `forebay dev` on free ports; sets FOREBAY_URL, FOREBAY_ADMIN_URL and FOREBAY_STREAM.
start_dev() {
    NO_COLOR=1 start_process gateway "$forebay" dev --quiet --listen 127.0.0.1:0 --admin 127.0.0.1:0
    # It prints where it listens once it's ready.
    wait_for_line "$work/gateway.out" '^and tells how it is at'
    FOREBAY_URL=$(sed -n 's|^forebay takes events at \(http://[^/]*\)/.*|\1|p' "$work/gateway.out")
    FOREBAY_ADMIN_URL=$(sed -n 's|^and tells how it is at \(http://[^/]*\)/.*|\1|p' "$work/gateway.out")
    FOREBAY_STREAM=events
    export FOREBAY_URL FOREBAY_ADMIN_URL FOREBAY_STREAM
}

# Starts `forebay serve` in front of Kafka, with a spill log; sets the same variables. With "dead" there is a second
# cluster that nobody can reach, and a stream to it.
start_serve() {
    local dead=${1:-}
    {
        cat <<CONFIG
[spill]
dir = "$work/spill"
quota = "10GiB"
min_free = "64MiB"

[clusters.main]
bootstrap = "$kafka_bootstrap"

[streams.events]
cluster = "main"
topic = "$TOPIC"
key = "/user"
id = "/id"
CONFIG
        if [[ -n $dead ]]; then
            cat <<CONFIG

[clusters.gone]
bootstrap = "127.0.0.1:$(free_port)"

[streams.dead]
cluster = "gone"
key = "/user"
id = "/id"
CONFIG
        fi
    } >"$work/forebay.toml"
    mkdir -p "$work/spill"
    NO_COLOR=1 FOREBAY__HTTP__LISTEN=127.0.0.1:0 FOREBAY__ADMIN__LISTEN=127.0.0.1:0 FOREBAY__SHUTDOWN__GRACE=0s \
        start_process gateway "$forebay" serve --config "$work/forebay.toml"
    wait_for_line "$work/gateway.log" 'forebay listens'
    FOREBAY_URL=http://$(sed -n 's/.*forebay listens.* data=\([^ ]*\).*/\1/p' "$work/gateway.log")
    FOREBAY_ADMIN_URL=http://$(sed -n 's/.*forebay listens.* admin=\([^ ]*\).*/\1/p' "$work/gateway.log")
    FOREBAY_STREAM=events
    export FOREBAY_URL FOREBAY_ADMIN_URL FOREBAY_STREAM
    wait_ready "$FOREBAY_ADMIN_URL"
}

# Waits until /readyz says 200; by the shell's own sockets, so that nobody needs curl.
wait_ready() {
    local host=${1#http://} line=
    local deadline=$((SECONDS + gateway_start_within))
    until [[ $line == *" 200 "* ]]; do
        if ((SECONDS >= deadline)); then
            cat "$work/gateway.log" >&2
            die 70 "the gateway was not ready within $gateway_start_within s; its log is above"
        fi
        sleep 0.2
        line=$(
            exec 3<>"/dev/tcp/${host%:*}/${host##*:}" &&
                printf 'GET /readyz HTTP/1.1\r\nhost: %s\r\nconnection: close\r\n\r\n' "$host" >&3 &&
                head -n 1 <&3
        ) 2>/dev/null || true
    done
}

# Stops the gateway; sets `account`, the last line of its log. Fails, and says why, if it lost something.
stop_gateway() {
    local code=0 wrong=0
    stop_process gateway INT "$gateway_stop_within" || code=$?
    account=$(tail -n 1 "$work/gateway.log")
    say "the gateway's last line: $account"
    if ((code != 0)); then
        say "AUDIT: the gateway ended with code $code"
        wrong=1
    fi
    if [[ $account != *"every event is accounted for"* ]]; then
        cat "$work/gateway.log" >&2
        say "AUDIT: the gateway has not accounted for every event; its log is above"
        return 1
    fi
    if (($(told lost) != 0 || $(told residual) != 0)); then
        say "AUDIT: lost $(told lost), residual $(told residual): both must be 0"
        wrong=1
    fi
    return "$wrong"
}

# A number in the last line of the gateway's log.
told() { sed -n "s/.* $1=\(-\{0,1\}[0-9]*\).*/\1/p" <<<"$account"; }

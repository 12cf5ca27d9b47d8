# shellcheck shell=bash
# All scenarios but smoke: real Kafka, a ledger of what was told, an audit of what arrived, and a report.
# shellcheck disable=SC2034,SC2154 # k6 and forebay are for k6.sh and gateway.sh; root, here, work and kafka_bootstrap are those of loadtest/run and kafka.sh

run_audited() {
    local name=$1 code=0 audited=0 own=''
    WITH=${WITH:-k6}
    case $WITH in
        k6) k6=$(find_k6) ;;
        load) can_load "$name" || die 64 "WITH=load can't do $name: it can steady, ramp, spike, soak and outage" ;;
        *) die 64 "WITH is $WITH; give k6 or load" ;;
    esac
    loadtest=$(built loadtest "${LOADTEST_BIN:-}")
    RUN_ID=$(printf '%x%04x' $((1 + RANDOM)) $RANDOM)
    export RUN_ID LEDGER=1
    if [[ -z ${FOREBAY_URL:-} ]]; then
        own=1
        start_all "$name"
    else
        prepare_audit_of_yours
    fi
    : >"$work/marks"
    export OUTAGE_AFTER=${OUTAGE_AFTER:-15s} OUTAGE_FOR=${OUTAGE_FOR:-20s} OUTAGE_THEN=${OUTAGE_THEN:-25s}
    start_beside "$name" "$own"
    send "$name" || code=$?
    stop_beside
    audit "$name" || audited=$?
    report "$name"
    if [[ -n $own ]]; then
        stop_gateway || audited=1
    fi
    # As with smoke: the scenario's verdict goes first.
    if ((code != 0)); then
        say "the scenario FAILED with code $code$([[ $code == 99 ]] && echo ": a threshold was missed, see above")"
        exit "$code"
    fi
    exit "$audited"
}

# Starts Kafka and the gateway.
start_all() {
    local name=$1 brokers=1
    forebay=$(built forebay "${FOREBAY_BIN:-}")
    if [[ $name == outage ]]; then brokers=3; fi
    start_kafka "$brokers"
    KAFKA=$kafka_bootstrap
    TOPIC=loadtest
    "$loadtest" topic --bootstrap "$KAFKA" --topic "$TOPIC" --partitions "${PARTITIONS:-12}" --replication "$brokers" \
        --wait "${kafka_start_within}s" >/dev/null || {
        tail -n 20 "$work"/broker-*.log >&2
        die 70 "Kafka didn't come up; the ends of its logs are above"
    }
    start_serve "$([[ $name == dead-cluster ]] && echo dead)"
}

# Against a deployment of the user's: its topic has other events, so that the audit begins where it ends now.
prepare_audit_of_yours() {
    if [[ -z ${KAFKA:-} || -z ${TOPIC:-} ]]; then
        say "without KAFKA and TOPIC there will be no audit of the topic"
        return
    fi
    "$loadtest" offsets --bootstrap "$KAFKA" --topic "$TOPIC" "${kafka_properties[@]}" --out "$work/offsets"
}

# Properties for clusters that ask who we are: KAFKA_PROPERTIES="security.protocol=ssl ssl.ca.location=/etc/ca.pem".
kafka_properties=()
for property in ${KAFKA_PROPERTIES:-}; do
    kafka_properties+=(--property "$property")
done

# What happens beside the traffic: sampling, an outage, hostile clients.
start_beside() {
    local name=$1 own=$2
    if [[ $WITH == k6 && -n ${FOREBAY_ADMIN_URL:-} ]]; then
        start_process watch "$loadtest" watch --admin "$FOREBAY_ADMIN_URL" --ledger "$work/watch.ledger"
    fi
    case $name in
        outage) start_process actor outage "$own" ;;
        slow)
            start_process actor "$loadtest" hostile --url "$FOREBAY_URL" --stream "${FOREBAY_STREAM:-events}" \
                --connections "${HOSTILE:-200}" --duration "${DURATION:-30s}"
            ;;
    esac
}

stop_beside() {
    stop_process actor TERM 60 || true
    if [[ -s $work/actor.out ]]; then cat "$work/actor.out"; fi
    stop_process watch TERM 5 || true
}

# Kills all brokers in the middle and starts them again, or tells the user when to.
outage() {
    local own=$1
    # The end of a run waits for the brokers to be back: whoever stops this early must not leave them dead.
    trap 'if [[ -n $own ]]; then start_dead_brokers; fi; exit 0' TERM
    # k6 needs some seconds before it sends; our own generator doesn't.
    local tries=0
    while [[ $WITH == k6 && ! -s $work/lines ]] && ((tries++ < 300)); do
        sleep_for 0.1
    done
    sleep_for "$OUTAGE_AFTER"
    if [[ -n $own ]]; then
        mark "brokers killed"
        kill_brokers
    else
        mark "outage asked for"
        say "now stop all brokers, for $OUTAGE_FOR" 2>&3
    fi
    sleep_for "$OUTAGE_FOR"
    if [[ -n $own ]]; then
        mark "brokers started"
        start_brokers
    else
        mark "return asked for"
        say "now start the brokers again" 2>&3
    fi
}

start_dead_brokers() {
    local number
    for number in "${!kafka_ports[@]}"; do
        is_running "broker-$number" || start_broker "$number"
    done
}

# A sleep that a signal ends.
sleep_for() {
    sleep "$1" &
    wait $!
}

mark() {
    printf '%s %s\n' "$(date +%s.%N)" "$1" >>"$work/marks"
    say "$1" 2>&3
}

can_load() { [[ " steady ramp spike soak outage " == *" $1 "* ]]; }

send() {
    local name=$1 code=0
    if [[ $WITH == load ]]; then
        local options
        read -ra options <<<"$(load_options "$name" | tr '\n' ' ')"
        run_sender "$loadtest" load --title "$name" --ledger "$work/sent.ledger" "${options[@]}"
        return
    fi
    run_k6 "$name" --console-output "$work/lines" --log-format raw || code=$?
    if [[ ! -s $work/lines ]]; then
        say "k6 ended with code $code and sent nothing; its message is above"
        exit $((code == 0 ? 70 : code))
    fi
    "$loadtest" from-k6 "$work/lines" --ledger "$work/sent.ledger" --title "$name"
    return "$code"
}

# The options of `loadtest load` that do what the k6 scenario does, in words.
load_options() {
    local name=$1 rate=$((${RATE:-50} * ${BATCH:-20})) duration=${DURATION:-30s}
    local peak=$((${PEAK:-$((20 * ${RATE:-50}))} * ${BATCH:-20}))
    case $name in
        ramp) echo "--rate $rate..$peak --duration $duration" ;;
        spike) echo "--rate $rate --spike ${TIMES:-10}x${SPIKE:-30s} --duration ${DURATION:-60s}" ;;
        soak) echo "--rate $rate --duration ${DURATION:-1h}" ;;
        outage) echo "--rate $rate --duration $((${OUTAGE_AFTER%s} + ${OUTAGE_FOR%s} + ${OUTAGE_THEN%s}))s" ;;
        *) echo "--rate $rate --duration $duration" ;;
    esac
    local bytes=${EVENT_BYTES:-0}
    if [[ $bytes == 0 ]]; then bytes=300..2000; fi
    echo "--batch ${BATCH:-20} --bytes $bytes --connections ${VUS:-64} --streams ${FOREBAY_STREAM:-events}"
    echo "${LOAD_OPTIONS:-}"
}

# Compares the ledger with the topic, if it's known.
audit() {
    [[ -n ${KAFKA:-} && -n ${TOPIC:-} ]] || return 0
    local from=() streams=()
    # The dead cluster's events are in no topic: they were refused, or are in the gateway's log.
    if [[ $1 == dead-cluster ]]; then streams=(--stream "${FOREBAY_STREAM:-events}"); fi
    if [[ -f $work/offsets ]]; then from=(--from "$work/offsets"); fi
    "$loadtest" audit --ledger "$work/sent.ledger" --bootstrap "$KAFKA" --topic "$TOPIC" "${kafka_properties[@]}" \
        "${from[@]}" "${streams[@]}" --wait "${AUDIT_WAIT:-120s}" --json "$work/audit.json"
}

report() {
    local name=$1 file=${REPORT:-$root/target/loadtest/$1-$(date +%Y%m%d-%H%M%S).html}
    local options=(--ledger "$work/sent.ledger" --marks "$work/marks" --title "$name at $FOREBAY_URL" --out "$file")
    if [[ -s $work/watch.ledger ]]; then options+=(--ledger "$work/watch.ledger"); fi
    if [[ -s $work/audit.json ]]; then options+=(--audit "$work/audit.json"); fi
    mkdir -p "$(dirname "$file")"
    "$loadtest" report "${options[@]}"
    say "report: $file"
}

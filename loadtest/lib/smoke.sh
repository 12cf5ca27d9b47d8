# shellcheck shell=bash
# The smoke test: `forebay dev`, k6, and a comparison of what both say. No Kafka, no tool of ours.
# shellcheck disable=SC2034,SC2154 # k6 and forebay are for k6.sh and gateway.sh; summary and account are those of loadtest/run and gateway.sh

run_smoke() {
    local own='' code=0 audited=0
    k6=$(find_k6)
    if [[ -z ${FOREBAY_URL:-} ]]; then
        own=1
        forebay=$(built forebay "${FOREBAY_BIN:-}")
        start_dev
    fi
    run_k6 smoke || code=$?
    if [[ -n $own ]]; then
        compare_counts || audited=$?
    fi
    # The scenario's verdict goes first; k6's codes are its own, 99 says that a threshold was missed.
    if ((code != 0)); then
        exit "$code"
    fi
    exit "$audited"
}

# A number at the top level of k6's summary.
counted() { sed -n "s/^  \"$1\": \([0-9]*\),\{0,1\}$/\1/p" "$summary"; }

# Compares what the gateway says at its end with what its clients were told.
compare_counts() {
    local wrong=0
    stop_gateway || wrong=1
    [[ $account == *"every event is accounted for"* ]] || return 1
    if [[ ! -s $summary ]]; then
        say "AUDIT: k6 left no summary, so that there is nothing to compare with"
        return 1
    fi
    local durable acked open
    durable=$(($(counted acked) + $(counted spilled)))
    # Of what has no answer, also because ctrl-c cut it short, any part may have arrived.
    open=$(($(counted sent) - durable - $(counted rejected) - $(counted refused)))
    acked=$(told acked)
    if ((acked < durable)); then
        say "AUDIT: clients were told that $durable events are durable, and kafka has acknowledged $acked"
        wrong=1
    elif ((acked > durable + open + $(told late) + $(told unknown))); then
        say "AUDIT: kafka has acknowledged $acked events, and clients were told of $durable only"
        wrong=1
    fi
    if ((wrong == 0)); then
        say "audit: kafka has acknowledged $acked events, clients were told of $durable; nothing lost"
    fi
    return "$wrong"
}

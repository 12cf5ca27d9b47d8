# shellcheck shell=bash
# A real Kafka for a load test: one or three brokers on loopback, with all they write in the work folder.
# shellcheck disable=SC2034,SC2154 # used by the others; root and work are those of loadtest/run

kafka_start_within=180
# Brokers' ports and controllers' ports, by number from 1. The same after a restart.
kafka_ports=()
kafka_controllers=()
kafka_bootstrap=

# Starts so many brokers; sets kafka_bootstrap. Doesn't wait for them: creating a topic does.
start_kafka() {
    local count=$1 number voters=
    say "starting a Kafka of $count"
    kafka_lib=$(bash "$root/tests/kafka/fetch.sh" | tail -n 1) ||
        die 69 "Kafka can't be had (see above); against your own deployment, set FOREBAY_URL, KAFKA and TOPIC"
    for ((number = 1; number <= count; number++)); do
        kafka_ports[number]=$(free_port)
        kafka_controllers[number]=$(free_port)
        voters+=${voters:+,}$number@127.0.0.1:${kafka_controllers[number]}
        kafka_bootstrap+=${kafka_bootstrap:+,}127.0.0.1:${kafka_ports[number]}
    done
    for ((number = 1; number <= count; number++)); do
        write_broker_settings "$number" "$count" "$voters"
        java_of_kafka kafka.tools.StorageTool format -t Zm9yZWJheS1sb2FkLXRlc3 \
            -c "$work/kafka/$number.properties" >"$work/format.log" 2>&1 || {
            cat "$work/format.log" >&2
            die 70 "Kafka can't format its storage; its message is above"
        }
        start_broker "$number"
    done
}

start_broker() {
    start_process "broker-$1" java_of_kafka kafka.Kafka "$work/kafka/$1.properties"
    # Nobody asks how it ended, and the shell needn't tell that it was killed.
    disown "$(pid_of "broker-$1")"
}

java_of_kafka() {
    # One compiler and the serial collector: a broker is up in half the time, and leaves more of a small machine.
    exec_or_run java -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dorg.slf4j.simpleLogger.defaultLogLevel=warn \
        -cp "$kafka_lib/*" "$@"
}

# In a process of its own, the shell makes room for the program, so that signals reach it.
exec_or_run() { if [[ $BASHPID == "$$" ]]; then "$@"; else exec "$@"; fi; }

write_broker_settings() {
    local number=$1 count=$2 voters=$3
    mkdir -p "$work/kafka"
    cat >"$work/kafka/$number.properties" <<PROPERTIES
process.roles=broker,controller
node.id=$number
controller.quorum.voters=$voters
listeners=PLAINTEXT://127.0.0.1:${kafka_ports[number]},CONTROLLER://127.0.0.1:${kafka_controllers[number]}
advertised.listeners=PLAINTEXT://127.0.0.1:${kafka_ports[number]}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs=$work/kafka/$number
auto.create.topics.enable=false
min.insync.replicas=$(((count + 1) / 2))
unclean.leader.election.enable=false
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
offsets.topic.num.partitions=1
offsets.topic.replication.factor=$count
transaction.state.log.replication.factor=$count
transaction.state.log.min.isr=1
log.cleaner.dedupe.buffer.size=2097152
PROPERTIES
}

# SIGKILL: this is an outage, not a goodbye.
kill_brokers() {
    local number
    for number in "${!kafka_ports[@]}"; do
        stop_process "broker-$number" KILL 10 || true
    done
}

start_brokers() {
    local number
    for number in "${!kafka_ports[@]}"; do
        start_broker "$number"
    done
}

# A port that nobody listens on, below those that the kernel gives to outgoing connections: a broker needs it again.
free_port() {
    local port
    for _ in {1..200}; do
        port=$((20000 + RANDOM % 10000))
        if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            echo "$port"
            return
        fi
    done
    die 69 "no free port between 20000 and 29999"
}

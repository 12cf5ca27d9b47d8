#!/usr/bin/env bash
# Resolves the jars of one Apache Kafka release with Maven, for the tests that
# want real brokers. Prints the folder that holds them as its last line.
#
#   FOREBAY_KAFKA_VERSION   the release to resolve, 4.1.1 if unset; the first
#                           argument, if there is one, is stronger
#
# Idempotent, and safe beside a second run of itself: the folder appears by one
# rename, and only when it is complete. Exits 69 (EX_UNAVAILABLE) where Kafka
# cannot be had, and says on stderr what is missing.
set -euo pipefail

readonly version="${1:-${FOREBAY_KAFKA_VERSION:-4.1.1}}"
case "$version" in
    # What these log through, and what later JDKs no longer have.
    0.* | 1.*)
        readonly scala=2.12
        readonly more="log4j:log4j:1.2.17 org.slf4j:slf4j-log4j12:1.7.25 javax.xml.bind:jaxb-api:2.3.1"
        ;;
    *)
        readonly scala=2.13
        readonly more="org.slf4j:slf4j-simple:1.7.36"
        ;;
esac
readonly oldest_java=17
readonly unavailable=69

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
repository="$(cd "$here/../.." && pwd)"
readonly root="$repository/target/kafka"
readonly home="$root/$version"
readonly lib="$home/lib"
readonly stamp="$lib/.complete"
readonly contents="kafka_$scala:$version ${more//org.slf4j:/}"

say() { printf 'kafka: %s\n' "$*" >&2; }

# The major version of the `java` on the path, 0 without one.
java_major() {
    local line
    line="$(java -version 2>&1 | grep -m1 ' version "')" || { echo 0; return; }
    line="${line#*\"}"
    line="${line#1.}" # 1.8.0_412 is Java 8
    echo "${line%%[!0-9]*}"
}

# `java Some.java` wants the compiler as well: a JDK, not a JRE.
has_jdk() {
    command -v java >/dev/null && command -v javac >/dev/null &&
        [ "$(java_major)" -ge "$oldest_java" ]
}

has_maven() { command -v mvn >/dev/null; }

need() { "$here/../support/need.sh" "$@" >/dev/null; }

install_tools() {
    local jdk
    local check="[ \"\$(javac -version 2>&1 | grep -oE '[0-9]+' | head -n 1)\" -ge $oldest_java ]"
    has_maven || need 'type -P mvn' maven || true
    for jdk in openjdk-17-jdk-headless openjdk-21-jdk-headless default-jdk-headless; do
        has_jdk || need "$check" "$jdk" || true
    done
}

resolve() {
    local work
    work="$(mktemp -d "$home/.resolve.XXXXXX")"
    # The variable is local and gone at exit: expand it now.
    # shellcheck disable=SC2064
    trap "rm -rf '$work'" EXIT
    {
        cat <<POM
<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>forebay</groupId>
  <artifactId>test-brokers</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_$scala</artifactId>
      <version>$version</version>
    </dependency>
POM
        local group artifact release
        for artifact in $more; do
            IFS=: read -r group artifact release <<<"$artifact"
            printf '<dependency><groupId>%s</groupId><artifactId>%s</artifactId><version>%s</version></dependency>\n' \
                "$group" "$artifact" "$release"
        done
        printf '</dependencies></project>\n'
    } >"$work/pom.xml"
    if ! mvn -q -B -Dstyle.color=never -f "$work/pom.xml" dependency:copy-dependencies \
        "-DoutputDirectory=$work/lib" >&2; then
        say "Maven could not resolve Apache Kafka $version: see its messages above"
        exit "$unavailable"
    fi
    printf '%s\n' "$contents" >"$work/lib/.complete"
    rm -rf "$lib"
    # Without flock a second run may have been faster: its folder is as good.
    mv -T "$work/lib" "$lib" 2>/dev/null || [ -e "$stamp" ]
}

mkdir -p "$home"
if command -v flock >/dev/null; then
    exec 9>"$root/.lock"
    flock 9
fi

# The brokers need the JDK at every run, the jars only once.
if ! has_jdk || { [ ! -e "$stamp" ] && ! has_maven; }; then
    install_tools
fi
if ! has_jdk; then
    say "no JDK of version $oldest_java or later: install openjdk-17-jdk-headless or newer"
    say "(java and javac have to be on the PATH; a JRE is not enough)"
    exit "$unavailable"
fi
if [ "$(cat "$stamp" 2>/dev/null || true)" != "$contents" ]; then
    if ! has_maven; then
        say "no Maven: install the package maven (mvn has to be on the PATH)"
        exit "$unavailable"
    fi
    say "resolving Apache Kafka $version"
    resolve
fi
printf '%s\n' "$lib"

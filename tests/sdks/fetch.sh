#!/usr/bin/env bash
# Installs one set of published SDKs, unmodified, under target/sdks, and prints its folder as the last line.
#
#   fetch.sh python | node | java | go | browser
#
# Idempotent, and safe beside a second run of itself. Exits 69 (EX_UNAVAILABLE) where they cannot be had, and says on stderr what is
# missing. The versions are those whose traffic is recorded in the routes' presets.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
readonly set="${1:?python, node, java, go or browser}"
readonly root="$here/../../target/sdks"
readonly home="$root/$set"
readonly unavailable=69

say() { printf 'sdks: %s\n' "$*" >&2; }
missing() { say "$*"; exit "$unavailable"; }

# As root on Debian, installs packages whose command is missing: `need COMMAND PACKAGE...`.
need() {
    local command="$1"
    shift
    command -v "$command" >/dev/null && return 0
    if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
        say "installing $* with apt-get"
        export DEBIAN_FRONTEND=noninteractive
        apt-get update -q >&2 || true
        apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 "$@" >&2 || true
    fi
    command -v "$command" >/dev/null || missing "$command is not installed"
}

python() {
    need python3 python3 python3-venv
    python3 -m venv "$1/venv" >&2 || missing "python3 has no venv"
    "$1/venv/bin/pip" install -q --disable-pip-version-check \
        segment-analytics-python==2.4.0 appsflyer==0.1.0 cloudevents==2.2.0 requests >&2 || missing "PyPI does not answer"
}

node() {
    need npm nodejs npm
    cp "$here"/*.mjs "$1/"
    (cd "$1" && npm init -y >/dev/null && npm install --silent --no-audit --no-fund \
        @segment/analytics-node@3.1.0 cloudevents@10.0.0 >&2) || missing "npm does not answer"
}

java() {
    need mvn maven default-jdk-headless
    mkdir -p "$1/lib"
    cat >"$1/pom.xml" <<'POM'
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>sdks</groupId><artifactId>sdks</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>com.segment.analytics.java</groupId><artifactId>analytics</artifactId><version>3.5.4</version></dependency>
    <dependency><groupId>io.cloudevents</groupId><artifactId>cloudevents-http-basic</artifactId><version>4.0.1</version></dependency>
    <dependency><groupId>io.cloudevents</groupId><artifactId>cloudevents-json-jackson</artifactId><version>4.0.1</version></dependency>
  </dependencies>
</project>
POM
    (cd "$1" && mvn -q -B dependency:copy-dependencies -DoutputDirectory=lib >&2) || missing "Maven Central does not answer"
}

go() {
    need go golang-go
    cp "$here/cloudevents.go" "$1/main.go"
    (cd "$1" && command go mod init sdks >&2 2>/dev/null && command go get github.com/cloudevents/sdk-go/v2@v2.16.2 >&2 &&
        command go build -o cloudevents . >&2) || missing "Go's module proxy does not answer"
}

browser() {
    need chromium chromium
    need npm nodejs npm
    (cd "$1" && npm init -y >/dev/null && npm install --silent --no-audit --no-fund \
        @segment/analytics-next@1.84.3 appsflyer-html5-ctv-sdk@0.0.5 playwright-core@1.56.1 >&2) || missing "npm does not answer"
}

case "$set" in
    python | node | java | go | browser) ;;
    *) say "$set is none of python, node, java, go, browser"; exit 64 ;;
esac
mkdir -p "$root"
exec 9>"$root/.$set.lock"
flock 9
if [ ! -e "$home/.complete" ]; then
    rm -rf "$home" "$home.new"
    mkdir -p "$home.new"
    "$set" "$home.new"
    mv "$home.new" "$home"
    # A virtual environment names its own folder in its scripts; only its interpreter is used, which does not.
    touch "$home/.complete"
fi
# The drivers are ours and change; what is installed stays.
cp "$here"/*.mjs "$home/" 2>/dev/null || true
printf '%s\n' "$home"

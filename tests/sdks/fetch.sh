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

# `need PROGRAM PACKAGE...`: the packages are Debian's, and are installed where the program is missing.
need() {
    local program="$1"
    shift
    "$here/../support/need.sh" "type -P $program" "$@" >/dev/null || exit "$unavailable"
}

install_python() {
    # Debian's python3 comes without what a virtual environment begins with.
    "$here/../support/need.sh" "python3 -c 'import venv, ensurepip'" python3 python3-venv || exit "$unavailable"
    python3 -m venv "$1/venv" >&2 || missing "python3 has no venv"
    "$1/venv/bin/python" -m pip install -q --disable-pip-version-check \
        segment-analytics-python==2.4.0 appsflyer==0.1.0 cloudevents==2.2.0 requests >&2 || missing "PyPI does not answer"
}

install_node() {
    need node nodejs
    need npm nodejs npm
    cp "$here"/*.mjs "$1/"
    (cd "$1" && npm init -y >/dev/null && npm install --silent --no-audit --no-fund \
        @segment/analytics-node@3.1.0 cloudevents@10.0.0 >&2) || missing "npm does not answer"
}

install_java() {
    # A program of one file is compiled by the JDK, not by the JRE that comes with Maven.
    need javac default-jdk-headless
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

install_go() {
    # One that fetches the release that a module asks for.
    "$here/../support/need.sh" '[[ $(go env GOVERSION) > go1.21 ]]' golang-go >/dev/null || exit "$unavailable"
    mkdir "$1/of-cloudevents" "$1/of-segment"
    cp "$here/cloudevents.go" "$1/of-cloudevents/main.go"
    cp "$here/segment.go" "$1/of-segment/main.go"
    # Segment's module has another name where it's published than where its source is.
    (cd "$1" && go mod init sdks >&2 && go get github.com/cloudevents/sdk-go/v2@v2.16.2 >&2 &&
        go get gopkg.in/segmentio/analytics-go.v3@v3.1.0 >&2 &&
        go build -o cloudevents ./of-cloudevents >&2 && go build -o segment ./of-segment >&2) || missing "Go's module proxy does not answer"
}

install_browser() {
    need chromium chromium
    need node nodejs
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
# What stands in a folder is what this script and the programs that are built there say.
is="$(cat "$here/fetch.sh" "$here"/*.go | sha256sum)"
if [ "$(cat "$home/.complete" 2>/dev/null)" != "$is" ]; then
    rm -rf "$home" "$home.new"
    mkdir -p "$home.new"
    "install_$set" "$home.new"
    mv "$home.new" "$home"
    # A virtual environment names its own folder in its scripts; only its interpreter is used, which does not.
    printf '%s\n' "$is" >"$home/.complete"
fi
# The drivers are ours and change; what is installed stays.
cp "$here"/*.mjs "$home/" 2>/dev/null || true
printf '%s\n' "$home"

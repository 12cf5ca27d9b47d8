#!/usr/bin/env bash
# schemathesis.sh CONFIGURATION URL-OF-THE-DOCUMENT URL-OF-THE-API [ARGUMENTS]: holds an API to its OpenAPI document.
# Installs schemathesis into target/schemathesis, once. Exit code 69: it can't be had.
set -euo pipefail
here=$(cd "$(dirname "$0")/../.." && pwd)
version=4.32.5
home=${CARGO_TARGET_DIR:-$here/target}/schemathesis
exec 9>"$home.lock"
flock 9
if [[ ! -x $home/$version/bin/schemathesis ]]; then
  rm -rf "$home"
  "$here/tests/support/need.sh" "python3 -c 'import venv, ensurepip'" python3 python3-venv || exit 69
  python3 -m venv "$home/$version" && "$home/$version/bin/pip" install --quiet "schemathesis==$version" || { rm -rf "$home"; exit 69; }
fi
flock -u 9
cd "$home"
config=$1 document=$2 api=$3
shift 3
exec "$home/$version/bin/schemathesis" --config-file "$config" run "$document" --url "$api" --no-color "$@"

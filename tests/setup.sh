#!/bin/sh
# Installs the programs that the tests need, where they are missing. Does nothing, and needs no
# rights, where they are there. Without the rights to install it says what is missing: tests that
# need it are skipped on a laptop, and fail in CI (CI=true).
set -eu

missing=
command -v sqlite3 >/dev/null || missing="$missing sqlite3"
command -v curl >/dev/null || missing="$missing curl"
command -v systemd-analyze >/dev/null || missing="$missing systemd"
command -v systemd-nspawn >/dev/null || missing="$missing systemd-container"
command -v gcc >/dev/null || missing="$missing gcc libc6-dev"
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    echo "setup: installing$missing"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    # shellcheck disable=SC2086  # several names
    apt-get install -y -qq --no-install-recommends $missing
    exit 0
fi

echo "setup: missing:$missing (as root: apt-get install$missing)" >&2
[ "${CI:-}" != true ]

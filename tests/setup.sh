#!/bin/sh
# Installs the programs that the tests need, where they are missing. Does nothing, and needs no
# rights, where they are there. Without the rights to install it says what is missing: tests that
# need it are skipped on a laptop, and fail in CI (CI=true).
set -eu

missing=
command -v sqlite3 >/dev/null || missing="$missing sqlite3"
command -v curl >/dev/null || missing="$missing curl"
command -v openssl >/dev/null || missing="$missing openssl"
command -v systemd-analyze >/dev/null || missing="$missing systemd"
command -v systemd-nspawn >/dev/null || missing="$missing systemd-container"
command -v gcc >/dev/null || missing="$missing gcc libc6-dev"
# A server that speaks S3, in an environment of its own where the machine has none.
s3=target/s3
if ! command -v moto_server >/dev/null && [ ! -x $s3/bin/moto_server ]; then
    python3 -c 'import venv, ensurepip' 2>/dev/null || missing="$missing python3-venv"
fi

server() {
    if command -v moto_server >/dev/null || [ -x $s3/bin/moto_server ]; then
        return
    fi
    echo "setup: installing a server that speaks S3"
    python3 -m venv $s3 && $s3/bin/pip install --quiet 'moto[server]==5.2.1'
}

if [ -z "$missing" ]; then
    server || { echo "setup: no server that speaks S3" >&2; [ "${CI:-}" != true ]; }
    exit
fi

if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    echo "setup: installing$missing"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    # shellcheck disable=SC2086  # several names
    apt-get install -y -qq --no-install-recommends $missing
    server
    exit
fi

echo "setup: missing:$missing (as root: apt-get install$missing)" >&2
[ "${CI:-}" != true ]

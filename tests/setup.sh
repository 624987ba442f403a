#!/bin/sh
# Installs the programs that the tests need, where they are missing, and makes the places that
# Python programs of the tests run in: `target/reader` for `tests/reader`, `target/s3` for a server
# that speaks S3. Does nothing, and needs no rights, where all is there. Without the rights to
# install it says what is missing: tests that need it are skipped on a laptop, and fail in CI
# (CI=true).
set -eu
cd "$(dirname "$0")/.."

# Debian's packages for Python are of Debian's own.
python=/usr/bin/python3
reader=target/reader
s3=target/s3

missing=
command -v sqlite3 >/dev/null || missing="$missing sqlite3"
command -v curl >/dev/null || missing="$missing curl"
command -v openssl >/dev/null || missing="$missing openssl"
command -v systemd-analyze >/dev/null || missing="$missing systemd"
command -v systemd-nspawn >/dev/null || missing="$missing systemd-container"
command -v gcc >/dev/null || missing="$missing gcc libc6-dev"
command -v xfs_io >/dev/null || missing="$missing xfsprogs"
command -v mkfs.ext4 >/dev/null || missing="$missing e2fsprogs"
command -v age >/dev/null || missing="$missing age"
"$python" -c 'import ensurepip, venv' 2>/dev/null || missing="$missing python3-venv"
for module in cbor2 zstandard cryptography; do
    "$python" -c "import $module" 2>/dev/null || missing="$missing python3-$module"
done

if [ -n "$missing" ]; then
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        echo "setup: missing:$missing (as root: apt-get install$missing)" >&2
        [ "${CI:-}" != true ]
        exit
    fi
    echo "setup: installing$missing"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    # shellcheck disable=SC2086  # several names
    apt-get install -y -qq --no-install-recommends $missing
fi

if ! "$reader/bin/python" -c 'import blake3' 2>/dev/null; then
    echo "setup: making $reader"
    rm -rf "$reader"
    "$python" -m venv --system-site-packages "$reader"
    if ! "$reader/bin/pip" install --quiet --require-hashes -r tests/reader/requirements.txt; then
        echo "setup: the packages of tests/reader/requirements.txt cannot be installed" >&2
        [ "${CI:-}" != true ]
    fi
fi

if ! command -v moto_server >/dev/null && [ ! -x $s3/bin/moto_server ]; then
    echo "setup: making $s3, a server that speaks S3"
    rm -rf $s3
    "$python" -m venv $s3
    if ! $s3/bin/pip install --quiet 'moto[server]==5.2.1'; then
        echo "setup: no server that speaks S3" >&2
        [ "${CI:-}" != true ]
    fi
fi

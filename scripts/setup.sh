#!/usr/bin/env bash
# Make .venv with everything in it: the pinned packages of requirements/dev.txt and Headwater itself, editable.
# And .kafka with a Kafka broker for the tests.
#
# Safe to call again; `make setup` calls it only when the pins, pyproject.toml or this file changed.
# On Debian and its children, as root, it installs missing system packages itself. Elsewhere it says what is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

# What the tests need from the system, as "check|Debian package". To add one, add a line here and a check below.
SYSTEM_PACKAGES=(
    "have_postgres|postgresql"
    "have_redis|redis-server"
    "have_java|default-jre-headless"
    "have_maven|maven"
)
PYTHONS="${PYTHON:-python3 python3.13 python3.12 python3.11}"

have_postgres() {
    command -v pg_ctl >/dev/null || compgen -G "/usr/lib/postgresql/*/bin/pg_ctl" >/dev/null
}

have_redis() { command -v redis-server >/dev/null; }

# Apache Kafka's broker runs on Java 17 or newer.
have_java() {
    local version
    version="$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p')" && [ "${version:-0}" -ge 17 ]
}

have_maven() { command -v mvn >/dev/null; }

say() { printf 'setup: %s\n' "$*" >&2; }

can_apt() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }

apt_install() {
    say "installing $*"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@" >/dev/null
}

# need "CHECK|PACKAGE": run the check; if it fails, install the package, or say what is missing.
need() {
    local check="${1%%|*}" package="${1##*|}"
    "$check" && return
    if can_apt; then
        apt_install "$package" && return
    fi
    say "please install '$package' (Debian's name for it) with your system's package manager and run make setup again."
    return 1
}

find_python() {
    local name
    for name in $PYTHONS; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$name"
            return
        fi
    done
    return 1
}

have_python() { find_python >/dev/null; }
have_venv() { "$(find_python)" -c 'import ensurepip' 2>/dev/null; }

need "have_python|python3" && need "have_venv|python3-venv"
if ! have_python; then
    say "Headwater needs Python 3.11 or newer; name one with make setup PYTHON=/path/to/python3."
    exit 1
fi
for package in "${SYSTEM_PACKAGES[@]}"; do
    need "$package" || say "without it, Headwater runs; the tests that need it are skipped, those of Kafka use a stand-in."
done

if ! .venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    python="$(find_python)"
    say "making .venv with $("$python" --version)"
    "$python" -m venv --clear .venv
fi

# uv first, by pip and with its hash; then uv brings .venv to exactly the pins.
export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS-1}"  # trust what the system trusts, as pip does
if ! .venv/bin/uv --version >/dev/null 2>&1; then
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
fi
VIRTUAL_ENV="$PWD/.venv" .venv/bin/uv pip sync --quiet --require-hashes requirements/dev.txt
VIRTUAL_ENV="$PWD/.venv" .venv/bin/uv pip install --quiet --no-deps --no-build-isolation --editable .

if have_java && have_maven; then
    .venv/bin/python scripts/kafka.py || say "without Kafka's jars, Headwater runs; the tests of Kafka use a stand-in."
fi
touch .venv/.ready

#!/usr/bin/env bash
# A sweep of 40 trials on a private PostgreSQL: the leader, and 4 workers in 2 working folders of which one half is killed.
#   HWCOST=.venv/bin/hwcost benchmarks/postgres.sh > reports/benchmarks/postgres.md
# Exit status: 0 all checks hold; 1 one does not; 77 skipped, there is no PostgreSQL.
set -euo pipefail
cd "$(dirname "$0")/.."
hwcost=$(realpath -s "${HWCOST:-.venv/bin/hwcost}")
python=$(dirname "$hwcost")/python
say() { echo "$*" >&2; }

binaries() { find /usr/lib/postgresql/*/bin -name initdb -printf '%h\n' 2>/dev/null | sort -V | tail -1; }
if [ -z "$(binaries)" ] && [ "$(id -u)" = 0 ]; then
  apt-get install -y postgresql >&2 || true
fi
bin=$(binaries)
if [ -z "$bin" ]; then
  say "SKIPPED: no PostgreSQL here; apt-get install postgresql, and run again. NOTHING WAS CHECKED."
  exit 77
fi
"$python" -c "import psycopg" 2>/dev/null || "$(dirname "$hwcost")/pip" install -q -c constraints.txt -e '.[postgres]' >&2

place=$(mktemp -d)
as_postgres() { if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi; }
started=()
finish() {
  for process in "${started[@]}"; do kill -9 "$process" 2>/dev/null || true; done
  (cd / && as_postgres "$bin/pg_ctl" -D "$place/db" -m immediate stop >/dev/null 2>&1) || true
  rm -rf "$place"
}
trap finish EXIT
chmod 755 "$place"
mkdir "$place/db"
[ "$(id -u)" != 0 ] || chown postgres "$place/db"
port=$("$python" -c "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); print(s.getsockname()[1])")
(
  cd /
  as_postgres bash -c "$bin/initdb -D $place/db/data -U hwcost -A scram-sha-256 --pwfile=<(echo not-to-be-published)"
  as_postgres "$bin/pg_ctl" -w -D "$place/db/data" -l "$place/db/log" \
    -o "-p $port -c listen_addresses=127.0.0.1 -k $place/db" start
  PGPASSWORD=not-to-be-published "$bin/createdb" -h 127.0.0.1 -p "$port" -U hwcost sweeps
) >&2
export HWCOST_STORAGE="postgresql://hwcost:not-to-be-published@127.0.0.1:$port/sweeps"

for folder in leader a b other alone; do
  mkdir "$place/$folder"
  sed 's/epochs=6,/epochs=60,/' tests/tiny_recipe.py > "$place/$folder/tiny.py" # or the leader is done before they come
done
echo "# another version" >> "$place/other/tiny.py"
printf workers/study > "$place/b/hang" # after two trials of this folder, its trainings never end

begin() { # folder, name of the log, arguments
  local folder=$1 log=$2
  shift 2
  (cd "$place/$folder" && exec "$hwcost" "$@") > "$place/$log.out" 2> "$place/$log.err" &
  started+=($!)
}

alive() { kill -0 "$1" 2>/dev/null || { tail -n 5 "$place"/*.out "$place"/*.err >&2; say "the leader ended early"; exit 1; }; }

begin leader leader sweep tiny.py:recipe --trials 40 --sampler random --out study --artifacts "$place/weights" --heartbeat 2
leader=${started[-1]}
until [ -n "$(ls "$place/weights" 2>/dev/null)" ]; do alive "$leader"; sleep 0.2; done
sleep 1
begin a a1 worker study
begin a a2 worker study
begin b b1 worker study
b1=${started[-1]}
begin b b2 worker study
b2=${started[-1]}
refused=0
(cd "$place/other" && "$hwcost" worker study > "$place/other.out" 2> "$place/other.err") || refused=$?
until grep -q hanging "$place/b1.out" && grep -q hanging "$place/b2.out"; do alive "$leader"; sleep 0.2; done
kill -9 "$b1" "$b2"
rm "$place/b/hang"
begin b b3 worker study
wait "$leader" || { cat "$place/leader.err" >&2; exit 1; }
for process in "${started[@]}"; do wait "$process" 2>/dev/null || true; done
unset HWCOST_STORAGE
(cd "$place/alone" && "$hwcost" sweep tiny.py:recipe --trials 40 --sampler random --out study --quiet >&2)

REFUSED=$refused "$python" benchmarks/postgres_checks.py "$place" "$("$bin/postgres" --version)"

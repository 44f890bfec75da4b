#!/usr/bin/env bash
# A sweep of 40 trials on a private database server: the leader, and 4 workers in 2 working folders of which one half is killed.
#   HWCOST=.venv/bin/hwcost benchmarks/shared_sweep.sh postgres > reports/benchmarks/postgres.md
#   HWCOST=.venv/bin/hwcost benchmarks/shared_sweep.sh mysql > reports/benchmarks/mysql.md
# Exit status: 0 all checks hold; 1 one does not; 77 skipped, there is no such server.
set -euo pipefail
cd "$(dirname "$0")/.."
kind=${1:-}
hwcost=$(realpath -s "${HWCOST:-.venv/bin/hwcost}")
python=$(dirname "$hwcost")/python
say() { echo "$*" >&2; }
case $kind in
  postgres) package=postgresql account=postgres driver=psycopg ;;
  mysql) package=mariadb-server account=mysql driver=pymysql ;;
  *) say "which server? $0 postgres, or $0 mysql"; exit 2 ;;
esac

find_server() {
  case $kind in
    postgres) find /usr/lib/postgresql/*/bin -name initdb -printf '%h\n' 2>/dev/null | sort -V | tail -1 ;;
    mysql) PATH=$PATH:/usr/sbin command -v mariadbd ;;
  esac
}
server=$(find_server || true)
if [ -z "$server" ] && [ "$(id -u)" = 0 ]; then
  DEBIAN_FRONTEND=noninteractive apt-get install -y "$package" >&2 || true
  server=$(find_server || true)
fi
if [ -z "$server" ]; then
  say "SKIPPED: no $package here; apt-get install $package, and run again. NOTHING WAS CHECKED."
  exit 77
fi
"$python" -c "import $driver" 2>/dev/null || "$(dirname "$hwcost")/pip" install -q -c constraints.txt -e ".[$kind]" >&2

place=$(mktemp -d)
as_account() { if [ "$(id -u)" = 0 ]; then runuser -u "$account" -- "$@"; else "$@"; fi; }
started=()
stop_server() {
  case $kind in
    postgres) as_account "$server/pg_ctl" -D "$place/db/data" -m immediate stop ;;
    mysql) kill -9 "$(cat "$place/db/pid")" ;;
  esac
}
finish() {
  for process in "${started[@]}"; do kill -9 "$process" 2>/dev/null || true; done
  (cd / && stop_server >/dev/null 2>&1) || true
  rm -rf "$place"
}
trap finish EXIT
chmod 755 "$place"
mkdir "$place/db"
[ "$(id -u)" != 0 ] || chown "$account" "$place/db"
port=$("$python" -c "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); print(s.getsockname()[1])")

start_postgres() {
  as_account bash -c "$server/initdb -D $place/db/data -U hwcost -A scram-sha-256 --pwfile=<(echo not-to-be-published)"
  as_account "$server/pg_ctl" -w -D "$place/db/data" -l "$place/db/log" \
    -o "-p $port -c listen_addresses=127.0.0.1 -k $place/db" start
  PGPASSWORD=not-to-be-published "$server/createdb" -h 127.0.0.1 -p "$port" -U hwcost sweeps
}
start_mysql() {
  as_account mariadb-install-db --no-defaults --datadir="$place/db/data" --skip-test-db --auth-root-authentication-method=normal
  cat > "$place/db/first.sql" << 'SQL'
CREATE DATABASE sweeps;
CREATE USER 'hwcost'@'%' IDENTIFIED BY 'not-to-be-published';
GRANT ALL ON sweeps.* TO 'hwcost'@'%';
SQL
  as_account "$server" --no-defaults --datadir="$place/db/data" --socket="$place/db/socket" --pid-file="$place/db/pid" \
    --bind-address=127.0.0.1 --port="$port" --init-file="$place/db/first.sql" > "$place/db/log" 2>&1 &
  until "$python" -c "import pymysql; pymysql.connect(host='127.0.0.1', port=$port, user='hwcost', password='not-to-be-published')" 2>/dev/null; do
    sleep 0.5
    jobs -r | grep -q . || { tail "$place/db/log" >&2; exit 1; }
  done
}
(cd / && "start_$kind") >&2
case $kind in
  postgres) scheme=postgresql version=$("$server/postgres" --version) ;;
  mysql) scheme=mysql version=$("$server" --version) ;;
esac
export HWCOST_STORAGE="$scheme://hwcost:not-to-be-published@127.0.0.1:$port/sweeps"

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

export HWCOST_ARTIFACTS="$place/weights" HWCOST_HEARTBEAT=2 HWCOST_KNOWN_RECIPES="$place/known"
begin leader leader sweep tiny.py:recipe --trials 40 --sampler random --out study
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
(cd "$place/other" && "$hwcost" worker study --recipe tiny.py:recipe > "$place/other.out" 2> "$place/other.err") || refused=$?
until grep -q hanging "$place/b1.out" && grep -q hanging "$place/b2.out"; do alive "$leader"; sleep 0.2; done
kill -9 "$b1" "$b2"
rm "$place/b/hang"
begin b b3 worker study
wait "$leader" || { cat "$place/leader.err" >&2; exit 1; }
for process in "${started[@]}"; do wait "$process" 2>/dev/null || true; done
storage=$HWCOST_STORAGE
unset HWCOST_STORAGE HWCOST_ARTIFACTS
(cd "$place/alone" && "$hwcost" sweep tiny.py:recipe --trials 40 --sampler random --out study --quiet >&2)

REFUSED=$refused STORAGE=$storage "$python" benchmarks/shared_sweep_checks.py "$place" "$kind" "$driver" "$version"

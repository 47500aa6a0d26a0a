#!/bin/sh
# PostgreSQL on a disk that is new at every start. It trusts who reaches it: nothing is in it but what a drill writes.
set -eu
PATH=$(echo /usr/lib/postgresql/*/bin):$PATH
PGDATA=/tmp/cluster
export PATH PGDATA
rm -rf "$PGDATA"
initdb -D "$PGDATA" -U shop --auth=trust -E UTF8 --no-locale --no-sync >/dev/null
printf 'host all all all trust\n' >>"$PGDATA/pg_hba.conf"
exec postgres -D "$PGDATA" -c listen_addresses='*' -c unix_socket_directories=

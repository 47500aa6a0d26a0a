#!/bin/sh
# PostgreSQL on a disk that is new at every start. It trusts who reaches it: nothing is in it but what a drill writes.
set -eu
PATH=$(echo /usr/lib/postgresql/*/bin):$PATH
PGDATA=/cluster/data
export PATH PGDATA
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    initdb -D "$PGDATA" -U shop --auth=trust -E UTF8 --no-locale --no-sync >/dev/null
    printf 'host all all all trust\n' >>"$PGDATA/pg_hba.conf"
fi
exec postgres -D "$PGDATA" -c listen_addresses='*' -c unix_socket_directories=

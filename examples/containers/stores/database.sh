#!/bin/sh
# PostgreSQL on a disk that is new at every start, unless DISK is `kept`. It trusts who reaches it: nothing is in it but what a drill writes.
set -eu
PATH=$(echo /usr/lib/postgresql/*/bin):$PATH
PGDATA=/tmp/cluster
export PATH PGDATA
[ "$DISK" = kept ] || rm -rf "$PGDATA"
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    # Whole or not at all: it may be killed in the middle.
    rm -rf "$PGDATA" "$PGDATA.new"
    initdb -D "$PGDATA.new" -U shop --auth=trust -E UTF8 --no-locale --no-sync >/dev/null
    printf 'host all all all trust\n' >>"$PGDATA.new/pg_hba.conf"
    mv "$PGDATA.new" "$PGDATA"
fi
exec postgres -D "$PGDATA" -c listen_addresses='*' -c unix_socket_directories=

#!/bin/sh
# PostgreSQL as one of a pair. Whoever finds the other one to be the primary becomes its standby, as a copy of it; so a primary that comes back
# after a failover does not come back as a second one. FIRST may be the primary when nobody is. It trusts who reaches it: nothing is in it
# but what a drill writes.
set -eu
PATH=$(echo /usr/lib/postgresql/*/bin):$PATH
PGDATA=/tmp/cluster
export PATH PGDATA

peer_is_primary() {
    [ "$(PGCONNECT_TIMEOUT=2 psql -h "$PEER" -U shop -d postgres -Atc 'select not pg_is_in_recovery()' 2>/dev/null)" = t ]
}
# The address in place of the name, and a short wait: a standby whose receiver looks up a name that is gone, or waits for an address where
# nobody answers, is promoted only when that is over.
copy() {
    rm -rf "$PGDATA"
    address=$(getent hosts "$PEER" | cut -d' ' -f1)
    pg_basebackup -d "host=$address user=shop connect_timeout=2" -D "$PGDATA" --write-recovery-conf --checkpoint=fast --no-sync --no-password
}

names=
if peer_is_primary; then
    copy
elif [ "$FIRST" = yes ]; then
    names=$STANDBY_NAMES
    if [ ! -s "$PGDATA/PG_VERSION" ]; then
        # Whole or not at all: it may be killed in the middle.
        rm -rf "$PGDATA" "$PGDATA.new"
        initdb -D "$PGDATA.new" -U shop --auth=trust -E UTF8 --no-locale --no-sync >/dev/null
        printf 'host all all all trust\nhost replication all all trust\n' >>"$PGDATA.new/pg_hba.conf"
        mv "$PGDATA.new" "$PGDATA"
    fi
else
    until peer_is_primary && copy; do sleep 0.3; done
fi
exec postgres -D "$PGDATA" -c listen_addresses='*' -c unix_socket_directories= -c wal_receiver_timeout=3s -c wal_sender_timeout=3s \
    -c wal_retrieve_retry_interval=200ms -c synchronous_standby_names="$names"

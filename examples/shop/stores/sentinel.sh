#!/bin/sh
# A Sentinel of the Redis whose name is given. It is told the address: a name is gone when its container is, and a Sentinel must know whom
# it misses.
set -eu
until address=$(getent hosts "$1" | cut -d' ' -f1) && [ -n "$address" ]; do sleep 0.2; done
cat >/tmp/sentinel.conf <<CONF
bind 0.0.0.0
protected-mode no
port 26379
dir /tmp
sentinel monitor shop $address 6379 2
sentinel down-after-milliseconds shop 500
sentinel failover-timeout shop 3000
sentinel parallel-syncs shop 1
CONF
exec redis-server /tmp/sentinel.conf --sentinel

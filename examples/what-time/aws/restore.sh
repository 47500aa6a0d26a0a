#!/bin/sh
# The steps of restore.yaml, with the tools that a user of RDS has: the AWS command line tool, psql and pg_dump.
#
#   restore.sh back-up            a snapshot of the database, and a dump of it
#   restore.sh from-snapshot      the database is deleted, and made again from the snapshot
#   restore.sh from-nothing       the same, as an empty one that is filled from the dump
#   restore.sh back               it is made again from the snapshot, if it is not there
#   restore.sh forget             the snapshot and the dump are deleted
#
# ACCOUNTS_DB is the connection string, with a user and a password of plain characters. The files lie in the folder where it is started.
set -eu
name=what-time-accounts
snapshot=$name-drill
dump=$name.dump

rds() { aws rds "$@" --output text; }
of() { rds describe-db-instances --db-instance-identifier "$1" --query "DBInstances[0].$2"; }
there() { of $name DBInstanceStatus >/dev/null 2>&1; }
part() { printf '%s' "$ACCOUNTS_DB" | sed -E "s#^[a-z]+://([^:]+):([^@]+)@[^/]+/([^?]+).*#\\$1#"; }

lose() {
    rds delete-db-instance --db-instance-identifier $name --skip-final-snapshot --query DBInstance.DBInstanceStatus
    while there; do sleep 1; done
}
# A database of this name has the address that the lost one had. The tool's own waiting looks twice a minute: too seldom for what is measured.
make() {
    # shellcheck disable=SC2046 # several words
    rds "$@" --db-instance-identifier $name $(cat $name.settings) --multi-az --tags Key=firedrill:allowed,Value=true --query DBInstance.DBInstanceStatus
    until [ "$(of $name DBInstanceStatus)" = available ]; do sleep 1; done
}
restore() { make restore-db-instance-from-db-snapshot --db-snapshot-identifier $snapshot; }

case ${1:-} in
    back-up)
        printf '%s %s\n' --db-instance-class "$(of $name DBInstanceClass)" --db-subnet-group-name "$(of $name DBSubnetGroup.DBSubnetGroupName)" \
            --vpc-security-group-ids "$(of $name 'VpcSecurityGroups[0].VpcSecurityGroupId')" >$name.settings
        of $name AllocatedStorage >$name.storage
        rds create-db-snapshot --db-instance-identifier $name --db-snapshot-identifier $snapshot --query DBSnapshot.Status
        pg_dump "$ACCOUNTS_DB" --no-owner >$dump
        until [ "$(of $name DBInstanceStatus) $(rds describe-db-snapshots --db-snapshot-identifier $snapshot --query 'DBSnapshots[0].Status')" = "available available" ]; do
            sleep 1
        done
        ;;
    from-snapshot)
        lose
        restore
        ;;
    back)
        there || restore
        ;;
    from-nothing)
        lose
        make create-db-instance --engine postgres --allocated-storage "$(cat $name.storage)" \
            --master-username "$(part 1)" --master-user-password "$(part 2)" --db-name "$(part 3)"
        psql "$ACCOUNTS_DB" -Xq -v ON_ERROR_STOP=1 --single-transaction -f $dump >/dev/null
        ;;
    forget)
        rds delete-db-snapshot --db-snapshot-identifier $snapshot --query DBSnapshot.Status
        rm -f $dump $name.settings $name.storage
        ;;
    *)
        sed -n '/^#   /s/^#   //p' "$0" >&2
        exit 2
        ;;
esac

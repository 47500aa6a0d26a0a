//! Managed stores fail over: how often the call is made, and with real stores behind it what users lose by it.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use serde_json::{Value, json};

use super::rig::{Lab, Said, examples, python};

const SERVICES: &str = "        services: { accounts: { database: what-time-accounts }, carts: { cache: what-time-carts } }\n";

#[test]
fn a_database_and_a_cache_fail_over_once() {
    let lab = Lab::with(&["--stores"]);
    lab.environment(&format!("{SERVICES}        opt-in: false\n"));
    lab.write(
        "experiment.yaml",
        &super::rig::EXPERIMENT
            .replace("service: 50%", "service: 100%")
            .replace("method:\n", "method:\n  - failover: accounts\n  - failover: carts\n"),
    );
    lab.firedrill(&["plan", "experiment.yaml"]).code(0).says("db:what-time-accounts").says("cache:what-time-carts/");
    let said = lab.firedrill(&["run", "experiment.yaml", "--yes"]).code(0);
    assert_eq!(lab.done("rds:RebootDBInstance").len(), 1, "{said:?}");
    assert_eq!(lab.done("elasticache:TestFailover").len(), 1, "{said:?}");
    // A zone alone does not mean what outlives it.
    lab.write("experiment.yaml", &format!("{}  - kill: {{ zone: eu-west-1a, take: all }}\n", super::rig::EXPERIMENT));
    lab.firedrill(&["plan", "experiment.yaml"]).code(3).says("nothing matches");
}

#[test]
fn a_cluster_of_aurora_has_another_writer() {
    let lab = Lab::new();
    let (engine, name) = ("aurora-postgresql", "orders");
    lab.aws(
        "rds",
        "create_db_cluster",
        &json!({ "DBClusterIdentifier": name, "Engine": engine, "MasterUsername": "shop", "MasterUserPassword": "not a secret" }),
    );
    let member = |id: &str| {
        let wanted =
            json!({ "DBInstanceIdentifier": id, "DBClusterIdentifier": name, "Engine": engine, "DBInstanceClass": "db.r6g.large" });
        lab.aws("rds", "create_db_instance", &wanted);
    };
    let writer = || {
        let found = lab.aws("rds", "describe_db_clusters", &json!({ "DBClusterIdentifier": name }));
        let members = found["DBClusters"][0]["DBClusterMembers"].as_array().unwrap().clone();
        let writer = members.iter().find(|member| member["IsClusterWriter"] == true).expect("a writer");
        writer["DBInstanceIdentifier"].as_str().unwrap().to_owned()
    };
    lab.environment(&format!("        services: {{ orders: {{ cluster: {name} }} }}\n        opt-in: false\n"));
    let experiment = super::rig::EXPERIMENT.replace("service: 50%", "service: 100%");
    lab.write("experiment.yaml", &format!("{experiment}  - failover: orders\n"));
    member("one");
    // Nobody could take over.
    lab.firedrill(&["plan", "experiment.yaml"]).code(3).says("it has no other member");
    member("two");
    assert_eq!(writer(), "one");
    lab.firedrill(&["run", "experiment.yaml", "--yes"]).code(0);
    assert_eq!(lab.done("rds:FailoverDBCluster").len(), 1);
    assert_eq!(writer(), "two");
}

/// A user of the stores: the binary with their addresses.
fn user(lab: &Lab, args: &[&str]) -> Command {
    let url = |store: &str| lab.ready["stores"]["eu-west-1"][store].as_str().unwrap_or_else(|| panic!("{store}: {}", lab.ready)).to_owned();
    let mut command = lab.command(args);
    command.env("ACCOUNTS_DB", url("what-time-accounts")).env("CARTS_URL", url("what-time-carts")).env("AWS_ENDPOINT_URL", &lab.endpoint);
    command
}

/// What a ledger or another probe measured.
fn probe(result: &Value, name: &str) -> Value {
    let all = result["measurement"]["probes"].as_array().unwrap();
    all.iter().find(|probe| probe["name"] == name).unwrap_or_else(|| panic!("{name}: {result}")).clone()
}

/// For how long the probe was not answered while the fault lasted, in seconds.
fn outage(probe: &Value) -> f64 {
    let phases = probe["phases"].as_array().unwrap();
    phases.iter().find(|phase| phase["phase"] == "fault").unwrap()["longest_outage_s"].as_f64().unwrap()
}

/// The processes of a store: the primary's, and the other one's.
fn processes(lab: &Lab, store: &str) -> [Value; 2] {
    let all = lab.ask("GET", "/lab/site", "");
    let store = &all["eu-west-1"]["stores"][store];
    [store["primary"]["pid"].clone(), store["others"][0]["pid"].clone()]
}

#[test]
fn what_was_acknowledged_outlives_the_failovers_of_the_example() {
    let lab = Lab::real(&["--stores", "--size", "3"]);
    lab.example("failover.yaml");
    let stores = ["what-time-accounts", "what-time-carts"];
    let before = stores.map(|store| processes(&lab, store));
    let drill = || Said::of(user(&lab, &["run", "failover.yaml", "--yes"]).output().unwrap());
    drill().code(0);
    lab.settled();
    for (store, [_, standby]) in stores.iter().zip(&before) {
        let [primary, other] = processes(&lab, store);
        assert!(
            primary == *standby && other.is_u64(),
            "the standby of {store} has taken over, and has one itself: {primary} {other} {before:?}"
        );
    }
    let result = lab.result();
    assert_eq!(result["verdict"], "passed", "{result}");
    for name in ["accounts", "carts"] {
        let found = probe(&result, name);
        // Played: 2.5 s and 1.5 s.
        assert!((0.5..20.0).contains(&outage(&found)), "so long nothing could be written to {name}: {found}");
        assert!(found["state"]["acknowledged"].as_u64() > Some(100), "{found}");
    }
    // What a standby does not have, the database does not acknowledge. A cache does.
    let accounts = probe(&result, "accounts");
    let state = &accounts["state"];
    assert_eq!((&state["lost"], &state["unchecked"]), (&0.into(), &0.into()), "{state}");

    // Without a standby nobody could take over: nothing is touched.
    lab.aws(
        "rds",
        "modify_db_instance",
        &json!({ "DBInstanceIdentifier": "what-time-accounts", "MultiAZ": false, "ApplyImmediately": true }),
    );
    lab.settled();
    lab.ask("DELETE", "/lab/calls", "");
    drill().code(3).says("has no standby in another zone (Multi-AZ)");
    assert!(lab.done("rds:RebootDBInstance").is_empty() && lab.done("elasticache:TestFailover").is_empty());
}

/// The tool that a user of AWS has, as far as the example needs it.
fn write_tool(lab: &Lab) {
    let place = lab.path("bin/aws");
    fs::create_dir(place.parent().unwrap()).unwrap();
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("lab/aws/tests/cli.py");
    lab.write(
        "bin/aws",
        &format!("#!/bin/sh\nAWS_DEFAULT_REGION=eu-west-1 exec '{}' '{}' \"$@\"\n", python().display(), program.display()),
    );
    fs::set_permissions(place, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_database_comes_back_from_a_snapshot_and_from_nothing_and_both_times_are_measured() {
    // Played: 15 s and 4 s.
    let lab = Lab::real(&["--stores", "--size", "3", "--speed", "60", "--time", "restore_database=900", "--time", "create_database=240"]);
    lab.example("restore.yaml");
    fs::copy(examples().join("restore.sh"), lab.path("restore.sh")).unwrap();
    write_tool(&lab);
    let path = format!("{}:{}", lab.path("bin").display(), std::env::var("PATH").unwrap());
    let drill = |from: &str| {
        let mut command = user(&lab, &["run", "restore.yaml", "--yes", "--var", &format!("from={from}"), "--var", "within=13s"]);
        let said = Said::of(command.env("PATH", &path).output().unwrap());
        lab.settled();
        (said, probe(&lab.result(), "accounts"))
    };
    let (said, nothing) = drill("nothing");
    said.code(0);
    // The one that takes longer than it may fails.
    let (said, snapshot) = drill("snapshot");
    said.code(1);
    assert!(outage(&nothing) > 4.0 && outage(&snapshot) > 15.0, "{nothing} {snapshot}");
    for found in [nothing, snapshot] {
        // What came after the backup is in none; what came before is in both.
        let [acknowledged, lost] = ["acknowledged", "lost"].map(|key| found["state"][key].as_u64().unwrap());
        assert!(lost > 0 && lost < acknowledged, "{found}");
    }
    let left = lab.aws("rds", "describe_db_snapshots", &json!({ "SnapshotType": "manual" }));
    assert_eq!(left["DBSnapshots"], json!([]));
}

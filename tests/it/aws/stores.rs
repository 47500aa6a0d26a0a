//! Managed stores fail over.

use serde_json::json;

use super::rig::Lab;

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

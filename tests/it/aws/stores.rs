//! Managed stores fail over.

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

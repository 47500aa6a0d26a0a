//! A drill with a journey, from the file to the report: as many sessions are lost as carts were forgotten.

use std::fs;

use super::rig::{Rig, SYSTEM, Started};
use crate::support::{quiet::quiet, shop::Shop};

fn experiment(shop: &Shop) -> String {
    let cart = shop.url("/cart");
    format!(
        r#"
title: Users keep their carts when a server dies
probes:
  home: {{ http: "${{url}}/", rate: 50/s }}
  cart:
    journey:
      users: 20
      think: 100ms
      sticky: SERVERID
      served-by: x-served-by
      steps:
        - {{ name: log-in, post: "{login}", form: {{ user: "${{user}}", password: {{ env: SHOP_PASSWORD }} }}, expect: {{ status: 303 }}, log-in: true }}
        - {{ name: add, post: "{cart}", form: {{ item: "${{unique}}" }} }}
        - {{ name: read, get: "{cart}", expect: {{ body: {{ contains: "${{unique}}" }} }}, otherwise: state-lost, repeat: always }}
    timeout: 1s
steady-state:
  - {{ probe: home, availability: ">= 50%" }}
  - {{ probe: cart, lost: "== 0" }}
  - {{ probe: cart, state-lost: "== 0", in: [baseline] }}
warm-up: 500ms
baseline: 1s
recovery: {{ hold: 1s, limit: 10s }}
method:
  - kill: {{ service: web, take: 1 }}
    hold: 2s
"#,
        login = shop.url("/login"),
    )
}

#[test]
fn lost_carts_are_counted_where_they_lived_and_fail_the_drill() {
    let _quiet = quiet();
    // Where the machine was too busy for a run to be trusted, it is made again.
    for _ in 0..5 {
        let shop = Shop::open(2);
        let rig = Rig::with(SYSTEM, &experiment(&shop));
        rig.firedrill(["check", "experiment.yaml"]).code(0).says("SHOP_PASSWORD");
        rig.firedrill(["plan", "experiment.yaml"]).code(0);
        let mut command = rig.command(["run", "experiment.yaml"]);
        let run = Started::new(command.env("SHOP_PASSWORD", "correct-horse-battery").spawn().unwrap());
        run.wait_for("happened");
        let forgotten = shop.forget(2);
        let said = run.end();
        let folder = rig.run_folder();
        let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
        for name in ["report.html", "report.md", "result.json", "events.jsonl"] {
            assert!(!read(name).contains("correct-horse-battery"), "{name}");
        }
        if said.out.contains("more than 10 ms late") {
            continue;
        }
        let said = said.code(1).says("cart lost == 0").says("State").says("sessions lost").says(&format!("{forgotten} on s2"));
        assert!(forgotten > 0 && said.out.contains("forced log-ins"));
        let result = rig.result();
        let cart = result["measurement"]["probes"].as_array().unwrap().iter().find(|probe| probe["name"] == "cart").unwrap().clone();
        let state = &cart["state"];
        assert_eq!((state["lost"].as_u64(), state["lost_by_backend"]["s2"].as_u64()), (Some(forgotten), Some(forgotten)), "{state}");
        assert_eq!((state["forced_log_ins"].as_u64(), state["unchecked"].as_u64()), (Some(forgotten), Some(0)), "{state}");
        // Each step is a route of its own.
        let routes: Vec<&str> =
            cart["groups"].as_array().unwrap().iter().filter(|g| g["by"] == "route").filter_map(|g| g["key"].as_str()).collect();
        assert!(["log-in", "add", "read"].iter().all(|step| routes.contains(step)), "{routes:?}");
        assert!(read("report.html").contains("sessions lost") && read("report.md").contains("sessions lost"));
        assert!(shop.got().iter().any(|got| got.body == "user=1&password=correct-horse-battery"));
        return;
    }
    panic!("this machine is too busy: five drills in a row could not be trusted");
}

//! From the engine's list to instances.

use std::{collections::BTreeMap, sync::Arc};

use firedrill::{
    model::{
        environment::{DockerHost, DockerSpec},
        instance::{Instance, InstanceState},
    },
    platform::{Platform, docker::DockerPlatform},
};
use serde_json::{Value, json};

use super::fake_engine::{FakeEngine, Reply};

pub fn id(n: u32) -> String {
    format!("{n:064x}")
}

fn container(n: u32, state: &str, status: &str, labels: &Value) -> Value {
    json!({
        "Id": id(n), "Names": [format!("/shop-web-{n}")], "Image": "shop/web:2", "ImageID": "sha256:abc", "Labels": labels,
        "State": state, "Status": status, "Ports": [{ "PrivatePort": 8080, "Type": "tcp" }],
        "NetworkSettings": { "Networks": { "shop": { "IPAddress": format!("10.1.0.{n}") } } },
    })
}

fn lists(engine: &'static str, containers: Vec<Value>) -> FakeEngine {
    FakeEngine::start(engine, move |line| line.starts_with("GET /containers/json").then(|| Reply::Json(200, json!(containers))))
}

async fn listed(engines: &[(&FakeEngine, Option<&str>)], spec: DockerSpec) -> Vec<Arc<Instance>> {
    let hosts = engines
        .iter()
        .map(|(engine, zone)| DockerHost { host: Some(engine.address()), zone: zone.map(Into::into), ..DockerHost::default() })
        .collect();
    let platform = DockerPlatform::connect(DockerSpec { hosts, ..spec }).await.unwrap();
    platform.inventory().await.unwrap().instances
}

#[tokio::test]
async fn a_thousand_containers_are_one_call() {
    let engine = lists("e", (1..=1000).map(|n| container(n, "running", "Up 2 hours", &json!({}))).collect());
    let all = listed(&[(&engine, None)], DockerSpec::default()).await;
    assert_eq!(all.len(), 1000);
    assert_eq!(engine.asked().iter().filter(|line| line.contains("/containers/")).count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_binary_lists_a_thousand_containers_in_few_calls() {
    let labels =
        |n| json!({ "com.docker.compose.project": "shop", "com.docker.compose.service": "web", "firedrill.zone": format!("z{}", n % 3) });
    let engine = lists("e", (1..=1000).map(|n| container(n, "running", "Up 2 hours (healthy)", &labels(n))).collect());
    let folder = tempfile::tempdir().unwrap();
    let environments =
        format!("environments:\n  big:\n    platform: {{ docker: {{ project: shop, hosts: [{{ host: '{}' }}] }} }}\n", engine.address());
    std::fs::write(folder.path().join("firedrill.yaml"), environments).unwrap();
    let begun = firedrill::clock::now();
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_firedrill"));
    command.args(["targets", "--env", "big"]).current_dir(folder.path()).env("FIREDRILL_STATE_DIR", folder.path().join("state"));
    let output = command.output().await.unwrap();
    println!("1,000 containers are listed in {:?}", firedrill::clock::now().since(begun));
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(table.lines().count(), 1001, "{table}");
    let asked = engine.asked();
    assert_eq!(asked.iter().filter(|line| line.starts_with("GET /containers/")).count(), 1, "{asked:?}");
    assert!(asked.len() <= 6, "who it is, its clock, and one list: {asked:?}");
}

#[tokio::test]
async fn what_a_container_is() {
    let labels =
        json!({ "com.docker.compose.project": "shop", "com.docker.compose.service": "web", "firedrill.zone": "b", "tier": "gold" });
    let engine = lists("e", vec![container(7, "running", "Up 2 hours (healthy)", &labels)]);
    let all = listed(&[(&engine, Some("a"))], DockerSpec::default()).await;
    let expected = Instance {
        id: id(7).into(),
        name: "shop-web-7".to_owned(),
        service: "web".into(),
        zone: "b".into(),
        region: "docker".into(),
        state: InstanceState::Running,
        healthy: Some(true),
        labels: Arc::new(serde_json::from_value(labels).unwrap()),
        address: Some("10.1.0.7:8080".to_owned()),
        identity: format!("container:{}", id(7)),
        fingerprint: "sha256:abc".to_owned(),
        managed: true,
        kept_out: None,
    };
    assert_eq!(all, [Arc::new(expected)]);
}

#[tokio::test]
async fn states_and_services() {
    let compose = |service: &str, oneoff: &str| json!({ "com.docker.compose.service": service, "com.docker.compose.oneoff": oneoff });
    let swarm = json!({ "com.docker.swarm.service.name": "shop_web", "com.docker.stack.namespace": "shop" });
    let engine = lists(
        "e",
        vec![
            container(1, "running", "Up 1 second (health: starting)", &compose("web", "False")),
            container(2, "paused", "Up 1 hour (Paused)", &compose("web", "True")),
            container(3, "exited", "Exited (0) 2 days ago", &swarm),
            container(4, "restarting", "Restarting (1) 2 seconds ago", &json!({ "role": "db" })),
            container(5, "removing", "Removal In Progress", &json!({})),
            container(6, "created", "Created", &json!({ "firedrill.protected": "true" })),
        ],
    );
    let all = listed(&[(&engine, None)], DockerSpec { service_label: Some("role".to_owned()), ..DockerSpec::default() }).await;
    let seen: Vec<_> = all.iter().map(|i| (i.service.as_str(), i.state.word(), i.healthy)).collect();
    assert_eq!(
        seen,
        [
            ("web", "starting", Some(false)),
            ("web.run", "paused", None),
            ("web", "stopped", None),
            ("db", "starting", None),
            ("shop-web-5", "gone", None),
            ("shop-web-6", "stopped", None),
        ]
    );
    assert!(all[5].protected());
}

#[tokio::test]
async fn a_host_is_a_zone() {
    let (a, b) = (lists("a", vec![container(1, "running", "Up", &json!({}))]), lists("b", vec![container(2, "running", "Up", &json!({}))]));
    let zones = async |of_b: Option<&str>| {
        let all = listed(&[(&a, Some("east")), (&b, of_b)], DockerSpec::default()).await;
        all.iter().map(|i| i.zone.0.clone()).collect::<Vec<_>>()
    };
    assert_eq!(zones(Some("west")).await, ["east", "west"]);
    assert_eq!(zones(None).await, ["east", "machine-of-b"], "a host without a zone is its own");
}

#[tokio::test]
async fn only_what_the_environment_means() {
    let engine = lists(
        "e",
        vec![
            container(1, "running", "Up", &json!({ "firedrill.allowed": "true" })),
            container(2, "running", "Up", &json!({ "firedrill.allowed": "yes" })),
            container(13, "running", "Up", &json!({})),
        ],
    );
    let all = listed(&[(&engine, None)], DockerSpec { opt_in: true, name: Some("shop-web-?".to_owned()), ..DockerSpec::default() }).await;
    let seen: Vec<_> = all.iter().map(|i| (i.name.as_str(), i.kept_out.is_some())).collect();
    assert_eq!(seen, [("shop-web-1", false), ("shop-web-2", true)]);
    let spec = DockerSpec { image: Some("other/*".to_owned()), ..DockerSpec::default() };
    assert!(listed(&[(&engine, None)], spec).await.is_empty());

    let spec = DockerSpec {
        project: Some("shop".to_owned()),
        labels: BTreeMap::from([("tier".to_owned(), "gold".to_owned())]),
        ..DockerSpec::default()
    };
    listed(&[(&engine, None)], spec).await;
    let asked = engine.asked().last().unwrap().replace("%22", "\"").replace("%3A", ":").replace("%3D", "=").replace("%2C", ",");
    assert!(asked.contains("\"com.docker.compose.project=shop\",\"tier=gold\""), "the engine narrows by labels: {asked}");
}

#[tokio::test]
async fn an_unknown_project_is_named_with_those_there_are() {
    let engine = FakeEngine::start("e", |line| {
        (line.starts_with("GET /containers/json") && !line.contains("shp")).then(|| {
            let of = |n, project: &str| container(n, "running", "Up", &json!({ "com.docker.compose.project": project }));
            Reply::Json(200, json!([of(1, "shop"), of(2, "blog"), of(3, "shop")]))
        })
    });
    let hosts = vec![DockerHost { host: Some(engine.address()), ..DockerHost::default() }];
    let spec = DockerSpec { project: Some("shp".to_owned()), hosts, ..DockerSpec::default() };
    let platform = DockerPlatform::connect(spec).await.unwrap();
    let why = platform.inventory().await.unwrap_err().to_string();
    assert!(why.ends_with("has no Compose project `shp`; it has: `blog` and `shop`; did you mean `shop`?"), "{why}");
    assert_eq!(platform.scope().await.unwrap().0, "docker/e/project shp");
}

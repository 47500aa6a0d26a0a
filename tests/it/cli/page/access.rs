//! Nobody gets in who should not, and a client that behaves badly gets an answer, not the server.

use std::{fs, io::Write as _, time::Duration};

use firedrill::clock;

use super::site::{self, Site};
use crate::cli::rig::{EXPERIMENT, Rig};

fn rig() -> Rig {
    let rig = Rig::new();
    for folder in ["drills", "others"] {
        fs::create_dir(rig.path(folder)).unwrap();
    }
    rig.write("drills/leap.yaml", &format!("{EXPERIMENT}schedule: {{ cron: \"0 0 29 2 *\" }}\n"));
    rig
}

#[test]
fn a_token_a_name_and_an_origin_are_asked_for() {
    let rig = rig();
    let site = Site::of(&rig, "drills");
    site.ask("GET", "/healthz", &[], "").code(200).says("{\"status\":\"ok\"}");
    // Wrong tokens, and none.
    for wrong in ["Bearer x", "Bearer", "Basic YTpi", &format!("Bearer {}0", site.token)] {
        site.ask("GET", "/api/v1/runs", &[&format!("Authorization: {wrong}")], "").code(401);
    }
    for path in ["/api/v1/runs", "/metrics", "/openapi.json"] {
        let answer = site.ask("GET", path, &[], "").code(401);
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        assert_eq!(answer.json()["status"], 401);
    }
    let answer = site.ask("GET", "/runs", &[], "").code(303);
    assert_eq!(answer.header("location"), Some("/enter"));
    // A foreign name leads here (DNS rebinding), and a foreign page asks.
    site.ask("GET", "/healthz", &["Host: evil.example"], "").code(421).says("evil.example").says("--host");
    let token = format!("Authorization: Bearer {}", site.token);
    for origin in ["http://evil.example", "null", "http://127.0.0.1:1"] {
        site.ask("POST", "/api/v1/experiments/leap/disable", &[&token, &format!("Origin: {origin}")], "").code(403);
    }
    site.ask("POST", "/api/v1/experiments/leap/disable", &[&token, "Sec-Fetch-Site: cross-site"], "").code(403);
    site.get("/api/v1/experiments").code(200).says("\"enabled\":true");

    // The link lets one browser in.
    let link = site.link.split_once(&site.address.to_string()).unwrap().1.to_owned();
    let entered = site.ask("GET", &link, &[], "").code(303);
    let cookie = entered.header("set-cookie").unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let cookie = format!("Cookie: {}", cookie.split(';').next().unwrap());
    site.ask("GET", &link, &[], "").code(403).says("once");
    let page = site.ask("GET", "/", &[&cookie], "").code(200).says("leap");
    let policy = page.header("content-security-policy").unwrap();
    assert!(
        policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"),
        "{policy}"
    );
    assert_eq!((page.header("x-content-type-options"), page.header("cache-control")), (Some("nosniff"), Some("no-store")));
    assert!(!page.body.contains(&site.token) && !page.head.contains(&site.token));
    // What changes something must come from a page of ours: by its origin, and by the word that only our pages hold.
    let word = page.body.split_once("name=\"form-word\" value=\"").unwrap().1.split('"').next().unwrap();
    let ours = format!("Origin: http://{}", site.address);
    let form = format!("form-word={word}&do=disable&name=leap");
    let kind = "Content-Type: application/x-www-form-urlencoded";
    site.ask("POST", "/experiments", &[&cookie, kind], &form).code(403).says("Origin");
    site.ask("POST", "/experiments", &[&cookie, &ours, kind], "do=disable&name=leap").code(403).says("earlier session");
    site.ask("POST", "/experiments", &[&cookie, "Origin: http://evil.example", kind], &form).code(403);
    site.get("/api/v1/experiments").says("\"enabled\":true");
    site.ask("POST", "/experiments", &[&cookie, &ours, kind], &form).code(303);
    crate::cli::rig::eventually("it is disabled", || site.get("/api/v1/experiments").body.contains("\"enabled\":false"));
    site.post("/api/v1/experiments/leap/run", "{\"confirm\":true}").code(409).says("disabled");
    site.ask("POST", "/leave", &[&cookie, &ours, kind], &format!("form-word={word}")).code(303);
    site.ask("GET", "/", &[&cookie], "").code(303);

    // The token by a form, and a wrong one.
    site.ask("POST", "/enter", &[kind], "token=wrong").code(403).says("not the token");
    site.ask("POST", "/enter", &[kind, &ours], &format!("token={}", site.token)).code(303);
    // What is owed counts also when nobody can read what it is.
    let bearer = format!("Authorization: Bearer {}", site.token);
    site.ask("GET", "/metrics", &[&bearer], "").code(200).says("\nfiredrill_runs_owed 0\n");
    std::fs::create_dir_all(rig.path("state/journals")).unwrap();
    std::fs::write(rig.path("state/journals/20260101-000000-aaaaaa.journal"), "torn").unwrap();
    site.ask("GET", "/metrics", &[&bearer], "").code(200).says("\nfiredrill_runs_owed 1\n");
    std::fs::remove_file(rig.path("state/journals/20260101-000000-aaaaaa.journal")).unwrap();
    let said = site.end();
    assert!(said.contains("leap: disabled by hand"), "{said}");
}

#[test]
fn bad_clients_get_an_answer_and_the_others_theirs() {
    let rig = rig();
    fs::write(rig.path("secret"), "secret").unwrap();
    let site = Site::of(&rig, "drills");
    let begun = clock::now();
    // Headers that never end, from many.
    let slow: Vec<_> = (0..100)
        .map(|_| {
            let mut stream = site.connect();
            stream.write_all(b"GET / HTTP/1.1\r\nHost: loc").unwrap();
            stream
        })
        .collect();
    let mut body = site.connect();
    let head = format!(
        "POST /api/v1/experiments/leap/run HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Length: 9\r\n\r\n{{",
        site.address, site.token
    );
    body.write_all(head.as_bytes()).unwrap();

    // A hundred megabytes.
    let huge = "x".repeat(100 << 20);
    site.post("/api/v1/experiments/leap/run", &huge).code(413).says("64 KB");
    drop(huge);
    let wide = format!("X-Wide: {}", "x".repeat(100 << 10));
    assert_eq!(site.ask("GET", "/healthz", &[&wide], "").status, 431);
    // Names that lead elsewhere.
    for run in ["..%2f..%2fsecret", "%2e%2e", "..", "%2fetc%2fpasswd", "a%00b", "%ff", "nothing-like-it"] {
        for rest in ["", "/events"] {
            let answer = site.get(&format!("/api/v1/runs/{run}{rest}"));
            assert!([400, 404].contains(&answer.status), "{run}: {answer:?}");
        }
    }
    // What is wrong with a request is said.
    site.get("/api/v1/runs?limit=0").code(400).says("`limit` is a whole number from 1 to 1000");
    site.get("/api/v1/runs?limits=1").code(400).says("`limits`");
    site.ask("DELETE", "/api/v1/runs", &[&format!("Authorization: Bearer {}", site.token)], "").code(405);
    site.post("/api/v1/experiments/leap/run", "{").code(400).says("cannot be understood");
    site.post("/api/v1/experiments/leap/run", "{\"confirm\":false}").code(409).says("confirmed");
    site.post("/api/v1/experiments/%3Cb%3E/run", "{\"confirm\":true}").code(404);
    // A second daemon stands beside this one, and knows neither its token nor its sessions.
    let other = Site::of(&rig, "others");
    assert_ne!(other.address, site.address);
    other.ask("GET", "/api/v1/runs", &[&format!("Authorization: Bearer {}", site.token)], "").code(401);
    other.end();
    // Addresses that others reach need a token and a name; a taken port is said.
    rig.firedrill(["serve", "drills", "--listen", "0.0.0.0:0"]).code(3).says("drills already");
    rig.firedrill(["serve", "others", "--listen", "0.0.0.0:0"]).code(2).says("a token must be given");
    rig.firedrill(["serve", "others", "--listen", "somewhere"]).code(2).says("expected an address with a port");
    rig.firedrill(["serve", "others", "--listen", &site.address.to_string()]).code(3).says("cannot be listened at").says("--listen off");
    rig.write("short", "123");
    rig.firedrill(["serve", "others", "--listen", "0.0.0.0:0", "--listen-token-file", "short"]).code(2).says("24 characters");

    for stream in slow {
        assert_eq!(site::read(stream).status, 0, "it is let go");
    }
    assert_eq!(site::read(body).status, 408);
    let waited = clock::now().since(begun);
    assert!(waited > Duration::from_secs(5) && waited < Duration::from_mins(1), "{waited:?}");
    site.ask("GET", "/healthz", &[], "").code(200);
    site.end();
}

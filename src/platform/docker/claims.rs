//! What a run on Docker has for itself. A project (or stack) is a part of its engine: others of it may be drilled at the same time. Every
//! other choice of containers (labels, names, images) may overlap with any, and counts as the whole engine.

use crate::model::{claim::Claim, environment::DockerSpec, ids::Scope};

/// The claims of a run on these engines, by their ids.
pub(super) fn claims<'a>(spec: &DockerSpec, engines: impl Iterator<Item = &'a str>, scope: Scope) -> Vec<Claim> {
    let parts: Vec<String> = [("project", &spec.project), ("stack", &spec.stack)]
        .into_iter()
        .filter_map(|(kind, name)| name.as_ref().map(|name| format!("{kind} {name}")))
        .collect();
    let mut claims = vec![Claim::whole(scope)];
    for engine in engines {
        // By engine, not by the whole list of them: another run may name other engines beside this one.
        let engine = format!("docker/{engine}");
        claims.extend(parts.iter().map(|part| Claim::whole(format!("{engine}/{part}"))));
        claims.push(if parts.is_empty() { Claim::whole(engine) } else { Claim::part(engine) });
    }
    claims.sort();
    claims.dedup();
    claims
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(spec: &DockerSpec, engines: &[&str]) -> Vec<Claim> {
        claims(spec, engines.iter().copied(), Scope::from("the scope"))
    }

    fn project(name: &str) -> DockerSpec {
        DockerSpec { project: Some(name.to_owned()), ..DockerSpec::default() }
    }

    fn meet(a: &[Claim], b: &[Claim]) -> bool {
        let places = |claims: &[Claim]| claims.iter().filter(|c| c.place.as_str() != "the scope").cloned().collect::<Vec<_>>();
        places(a).iter().any(|a| places(b).iter().any(|b| a.against(b)))
    }

    #[test]
    fn what_may_share_containers_excludes_each_other() {
        let gold = DockerSpec { labels: [("tier".to_owned(), "gold".to_owned())].into(), ..DockerSpec::default() };
        let gold_shop = DockerSpec { project: Some("shop".to_owned()), ..gold.clone() };
        let stack = DockerSpec { stack: Some("shop".to_owned()), ..DockerSpec::default() };
        let shop = of(&project("shop"), &["a"]);
        assert!(!meet(&shop, &of(&project("blog"), &["a"])));
        assert!(!meet(&shop, &of(&stack, &["a"])));
        assert!(!meet(&shop, &of(&project("shop"), &["b"])));
        for other in [of(&project("shop"), &["b", "a"]), of(&gold_shop, &["a"]), of(&gold, &["a"]), of(&DockerSpec::default(), &["a", "b"])]
        {
            assert!(meet(&shop, &other), "{other:?}");
        }
        assert!(meet(&of(&gold, &["a"]), &of(&DockerSpec::default(), &["a"])));
    }
}

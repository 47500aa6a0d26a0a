//! The files of a first drill, from what was found. Names are the world's: each is quoted, and none begins a line.

use std::fmt::Write as _;

use super::{
    door::Door,
    found::{Found, Project},
    processes::Listener,
};
use crate::{
    file::{escape::unsafe_char, project, read::is_name, write::quoted},
    report::words::visible,
};

/// The experiment's file.
pub(super) const EXPERIMENT: &str = "first-drill.yaml";

/// What is written, and a sentence about it.
pub(super) struct Written {
    pub(super) files: Vec<(&'static str, String)>,
    pub(super) says: String,
}

/// The whole of it for what was found: of containers, else of a program, else the sample system.
pub(super) fn of(found: &Found) -> Written {
    let container = found
        .projects
        .iter()
        .filter(|project| line(&project.name))
        .filter_map(|project| Some((project, project.doors.first()?, victim(project)?)))
        .filter(|(_, _, (service, _))| line(service))
        .max_by_key(|(_, _, (_, n))| *n);
    if let Some((project, (_, at, door), (service, n))) = container {
        return containers(found, project, service, n, at, *door);
    }
    if let Some((listener, door)) = found.programs.iter().find(|(listener, _)| line(&listener.executable)) {
        return program(found, listener, *door);
    }
    sample()
}

/// Whether a name can stand in a file: what a terminal would obey cannot.
fn line(name: &str) -> bool {
    !name.chars().any(unsafe_char)
}

/// The service with the most instances: of several, one is the least. Where all are alone, the one that users meet: rather than a store.
fn victim(project: &Project) -> Option<(&str, usize)> {
    let several = project.services.iter().map(|(name, n)| (name.as_str(), *n)).filter(|(_, n)| *n > 1).rev().max_by_key(|(_, n)| *n);
    several.or_else(|| Some((project.doors.first()?.0.as_str(), 1)))
}

fn containers(found: &Found, project: &Project, service: &str, n: usize, at: &str, door: Door) -> Written {
    let environment = slug(&project.name);
    let platform = format!("platform: {{ docker: {{ project: {} }} }}", quoted(&project.name));
    // A service with a name that no file may hold, such as `my_shop`, is found by its label.
    let target = if is_name(service) {
        format!("service: {service}")
    } else {
        format!("labels: {{ com.docker.compose.service: {} }}", quoted(service))
    };
    let experiment = if n > 1 {
        experiment(&Drill {
            title: format!("One of {n} instances of {} dies, and users hardly notice", visible(service)),
            environment: &environment,
            door: (at, door),
            availability: "99%",
            step: format!(
                "  - kill: {{ {target}, take: 1 }}   # one instance, drawn by a seed; it is started again when the time is over\n    hold: 10s"
            ),
            caps: "  max-affected: { service: 50%, count: 1 }   # more than this is refused before anything is touched".to_owned(),
        })
    } else {
        experiment(&Drill {
            title: format!("The only instance of {} stands still for three seconds", visible(service)),
            environment: &environment,
            door: (at, door),
            availability: "95%",
            step: format!("  - pause: {{ {target} }}   # no service runs more than once, so this is the mildest: nothing dies\n    hold: 3s"),
            caps: "  # There is only one instance: all of a service has to be allowed in words. Run two, and 50% is enough.\n  max-affected: { service: 100% }".to_owned(),
        })
    };
    let says = if n > 1 {
        format!("The drill kills one of {n} instances of {}, for 10 s, and measures {}.", visible(service), visible(at))
    } else {
        format!(
            "No service runs more than once: the drill pauses {} for 3 s. It will most likely fail, which is what a single instance means.",
            visible(service)
        )
    };
    Written { files: vec![(project::FILE, environments(&environment, &platform, "", found)), (EXPERIMENT, experiment)], says }
}

fn program(found: &Found, listener: &Listener, door: Door) -> Written {
    let platform = "platform: { local: {} }   # no system of its own: only programs that run already";
    let foreign = "    foreign: allowed          # firedrill did not start them, and may choose them all the same\n";
    let take = if listener.processes > 1 { "all" } else { "1" };
    let experiment = experiment(&Drill {
        title: format!("{} stands still for three seconds", visible(&listener.executable)),
        environment: "here",
        door: (&listener.address, door),
        availability: "95%",
        step: format!(
            "  - pause: {{ process: {{ executable: {} }}, take: {take} }}   # SIGSTOP, and SIGCONT after the hold: nothing dies\n    hold: 3s",
            quoted(&pattern(&listener.executable))
        ),
        caps:
            "  # It is all of its kind that there is on this machine: that has to be allowed in words.\n  max-affected: { service: 100% }"
                .to_owned(),
    });
    let says = format!(
        "The drill pauses {} for 3 s and measures {}. For more, say in a system.yaml what your services are: `firedrill schema system`.",
        visible(&listener.executable),
        listener.address
    );
    Written { files: vec![(project::FILE, environments("here", platform, foreign, found)), (EXPERIMENT, experiment)], says }
}

/// Nothing to drill: the sample system, which `firedrill demo` runs.
fn sample() -> Written {
    let files = vec![
        (project::FILE, include_str!("../../../examples/demo/firedrill.yaml").to_owned()),
        ("system.yaml", include_str!("../../../examples/demo/system.yaml").to_owned()),
        (EXPERIMENT, include_str!("../../../examples/demo/experiment.yaml").to_owned()),
    ];
    Written {
        files,
        says: "Nothing was found that could be drilled: this is the sample system of `firedrill demo`, to change into yours.".to_owned(),
    }
}

fn environments(environment: &str, platform: &str, more: &str, found: &Found) -> String {
    let mut out = format!(
        "# Where experiments run. Written by `firedrill init`.\nenvironments:\n  {environment}:\n    {platform}\n{more}    require: {{ confirm: true }}   # a person's yes after the plan was shown, or `--yes`\n"
    );
    if !found.aws.is_empty() {
        let _ = write!(
            out,
            "  # Credentials of AWS are here ({}). Nothing was asked. Only instances with the tag `firedrill:allowed=true` can be chosen:\n  # aws:\n  #   platform: {{ aws: {{ region: eu-west-1, tags: {{ app: shop }} }} }}\n  #   require: {{ confirm: true }}\n",
            found.aws.join(", ")
        );
    }
    out
}

struct Drill<'a> {
    title: String,
    environment: &'a str,
    door: (&'a str, Door),
    /// What must hold: a short fault has few samples, and cannot tell a per cent.
    availability: &'static str,
    step: String,
    caps: String,
}

fn experiment(drill: &Drill<'_>) -> String {
    let (at, door) = drill.door;
    let probe = match door {
        Door::Tcp => format!("    tcp: {}", quoted(at)),
        Door::Http(200..=299) => format!("    http: {}", quoted(&format!("http://{at}/"))),
        Door::Http(status) => format!(
            "    http: {}   # a path that your users ask for is better than this one\n    expect: {{ status: {status} }}",
            quoted(&format!("http://{at}/"))
        ),
    };
    format!(
        "# A first drill, written by `firedrill init`: small, and undone by itself. Read it, then `firedrill plan` shows the exact victim.\ntitle: {}\nenvironment: {}\n\nprobes:\n  door:                   # what users would notice, through the port that they use\n{probe}\n    rate: 50/s            # gentle; with fewer there would be too few samples to tell\n    timeout: 1s\n\nsteady-state:             # what must hold before, during and after\n  - {{ probe: door, availability: \">= {}\" }}\n  - {{ recovered-within: 30s }}\n\nbaseline: 10s             # nothing is touched; if the steady state does not hold here, nothing ever is\nrecovery: {{ hold: 10s, limit: 60s }}\n\nmethod:\n{}\n\nguardrails:\n{}\n",
        quoted(&drill.title),
        drill.environment,
        drill.availability,
        drill.step,
        drill.caps
    )
}

/// The name of an environment, of any name.
fn slug(name: &str) -> String {
    let text: String = name.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(40).collect();
    match text.trim_matches('-') {
        "" => "docker".to_owned(),
        text => text.to_owned(),
    }
}

/// A path as a pattern that means just it.
fn pattern(path: &str) -> String {
    let special = |c: char| "*?[]{}!\\".contains(c);
    path.chars().fold(String::new(), |out, c| if special(c) { format!("{out}[{c}]") } else { format!("{out}{c}") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::{LoadOptions, load};

    fn sound(written: &Written) -> crate::model::experiment::Experiment {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in &written.files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let loaded = load(&folder.path().join(EXPERIMENT), &LoadOptions::default());
        loaded.unwrap_or_else(|error| panic!("{error}\n{}", written.files[1].1)).experiment
    }

    fn project(name: &str, services: &[(&str, usize)], door: Door) -> Project {
        Project {
            name: name.to_owned(),
            services: services.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect(),
            doors: vec![("front".to_owned(), "127.0.0.1:8080".to_owned(), door)],
        }
    }

    #[test]
    fn what_is_written_is_read_whatever_the_world_is_called() {
        let nasty = "a\"b: ${x} # c '{}' é";
        for name in ["shop", "my_shop.v2", nasty, "a\n\u{1b}b"] {
            for (services, door) in
                [(vec![("web", 3), (name, 4)], Door::Http(200)), (vec![(name, 1)], Door::Http(404)), (vec![("a", 2)], Door::Tcp)]
            {
                let found = Found { projects: vec![project(name, &services, door)], aws: vec!["AWS_PROFILE"], ..Found::default() };
                sound(&of(&found));
            }
            let listener = Listener { address: "[::1]:80".to_owned(), executable: format!("/opt/{name}*"), processes: 2 };
            sound(&of(&Found { programs: vec![(listener, Door::Tcp)], ..Found::default() }));
        }
        sound(&of(&Found::default()));
    }

    #[test]
    fn of_several_instances_one_is_killed_and_a_single_one_is_only_paused() {
        let of_services = |services: &[(&str, usize)]| {
            let found = Found { projects: vec![project("shop", services, Door::Http(200))], ..Found::default() };
            of(&found).files[1].1.clone()
        };
        let text = of_services(&[("database", 1), ("web", 3)]);
        assert!(text.contains("kill: { service: web, take: 1 }") && text.contains("service: 50%"), "{text}");
        let text = of_services(&[("database", 1), ("front", 1)]);
        assert!(text.contains("pause: { service: front }") && !text.contains("kill"), "{text}");
    }
}

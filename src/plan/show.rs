//! What `firedrill plan` prints: exactly what a run would do, and to whom.

use std::fmt::Write as _;

use unicode_width::UnicodeWidthStr;

use crate::model::{
    act::Target,
    fault::{Fault, PartitionMode},
    plan::{HANGS_AFTER, Plan, PlannedFault, PlannedStep, Work},
    quantity,
    undo::Undo,
};

const BOLD: anstyle::Style = anstyle::Style::new().bold();
const DIM: anstyle::Style = anstyle::Style::new().dimmed();

/// The plan as text for a terminal. Names come from the outside: control characters in them are shown, not obeyed.
pub fn show(plan: &Plan, colour: bool) -> String {
    let bold = |text: &str| if colour { format!("{BOLD}{text}{BOLD:#}") } else { text.to_owned() };
    let dim = |text: &str| if colour { format!("{DIM}{text}{DIM:#}") } else { text.to_owned() };
    let mut out = String::new();
    let _ = writeln!(out, "{}", bold(&clean(&plan.title)));
    let _ = writeln!(out, "  platform {}, scope {}, seed {}", clean(&plan.platform), clean(plan.scope.as_str()), plan.seed);
    for step in &plan.steps {
        let _ = writeln!(out);
        match &step.work {
            Work::Wait(d) => {
                let _ = writeln!(out, "{} wait {}", bold(&format!("step {}", step.number)), quantity::show_duration(*d));
            }
            Work::UntilMitigated(most) => {
                let head = bold(&format!("step {}", step.number));
                let _ = writeln!(out, "{head} until somebody says that it is mitigated, for at most {}", quantity::show_duration(*most));
            }
            Work::Command(c) => {
                let _ = writeln!(out, "{} run {}", bold(&format!("step {}", step.number)), command(&c.command));
                let undo = c
                    .undo
                    .as_ref()
                    .map_or_else(|| "not undone: the file gives no `undo:`".to_owned(), |u| format!("undone by {}", command(u)));
                let _ = writeln!(out, "  {}", dim(&undo));
            }
            Work::Phoenix(phoenix) => {
                let head = bold(&format!("step {}", step.number));
                let wait = quantity::show_duration(phoenix.wait);
                let _ = writeln!(out, "{head} phoenix: one after another, each once the one before is replaced, within {wait}");
                one_fault(&mut out, &phoenix.kill, ", until it is replaced", &dim);
            }
            Work::Faults(faults) => {
                let together = if faults.len() > 1 { " (together)" } else { "" };
                let _ = writeln!(out, "{}{together}", bold(&format!("step {}", step.number)));
                for fault in faults {
                    one_fault(&mut out, fault, ", until the end of the method", &dim);
                }
            }
        }
    }
    if !plan.caps.is_empty() {
        let _ = writeln!(out, "\n{}", bold("blast radius, at most at any time"));
        let rows: Vec<[String; 3]> = plan
            .caps
            .iter()
            .map(|c| [clean(&c.of), format!("{} of {} allowed ({} there)", c.used, c.allowed, c.total), clean(&c.rule)])
            .collect();
        table(&mut out, "  ", &rows);
    }
    let _ = writeln!(out, "\n{}", bold("dead-man's switch, should firedrill not go on"));
    let mut rows = vec![["gone".to_owned(), "a helper process undoes everything at once".to_owned()]];
    let hangs = quantity::show_duration(HANGS_AFTER);
    rows.push([
        "hangs".to_owned(),
        format!("the helper ends it and undoes everything, {hangs} after it should have gone on{}", limits(&plan.steps)),
    ]);
    table(&mut out, "  ", &rows);
    if !plan.guards.is_empty() {
        let _ = writeln!(out, "\n{}", bold("halted and undone when"));
        for guard in &plan.guards {
            let _ = writeln!(out, "  {}", clean(guard));
        }
    }
    if !plan.notes.is_empty() {
        let _ = writeln!(out, "\n{}", bold("notes"));
        for note in &plan.notes {
            let _ = writeln!(out, "  {}", clean(note));
        }
    }
    out
}

/// When, after the beginning of each step that says how long it lasts, a firedrill that hangs in it is ended.
fn limits(steps: &[PlannedStep]) -> String {
    let after = |step: &PlannedStep| {
        let lasts = match &step.work {
            Work::Wait(d) | Work::UntilMitigated(d) => Some(*d),
            Work::Phoenix(phoenix) => Some(phoenix.wait),
            Work::Faults(faults) => faults.iter().filter_map(|fault| fault.hold).max(),
            Work::Command(_) => None,
        };
        lasts.map(|lasts| format!("step {} after {}", step.number, quantity::show_duration(lasts + HANGS_AFTER)))
    };
    let each: Vec<String> = steps.iter().filter_map(after).collect();
    if each.is_empty() { String::new() } else { format!(": {}", each.join(", ")) }
}

/// `lasts` says until when a fault without a hold does.
fn one_fault(out: &mut String, fault: &PlannedFault, lasts: &str, dim: &dyn Fn(&str) -> String) {
    let mut line = what(&fault.fault);
    if let Some(zone) = &fault.zone {
        let _ = write!(line, ", zone {} was drawn", clean(zone.as_str()));
    }
    if let Some(region) = &fault.region {
        let _ = write!(line, ", region {} was drawn", clean(region.as_str()));
    }
    match fault.hold {
        Some(hold) => {
            let _ = write!(line, ", held for {}", quantity::show_duration(hold));
        }
        None => line.push_str(lasts),
    }
    let victims = fault.acts.iter().filter(|a| a.act.target.instance().is_some()).count();
    if victims > 0 {
        let _ = write!(line, "; {victims} of {} that match", fault.matched);
    }
    let _ = writeln!(out, "  {line}");
    if fault.bound_at_step {
        let _ = writeln!(out, "    {}", dim("the victims are drawn when the step begins"));
    }
    let rows: Vec<[String; 6]> = fault
        .acts
        .iter()
        .map(|prepared| {
            let undo = match &prepared.undo {
                Undo::Restore { says, .. } => format!("undo: {}", clean(says)),
                Undo::Impossible { why } => format!("cannot be undone: {}", clean(why)),
                Undo::Nothing { why } => format!("nothing to undo: {}", clean(why)),
            };
            let kind = prepared.act.fault.kind().name().to_owned();
            let (id, service, zone, identity) = match &prepared.act.target {
                Target::Instance(i) => (clean(i.id.as_str()), clean(i.service.as_str()), clean(i.zone.as_str()), clean(&i.identity)),
                Target::Group(g) => (clean(&g.to_string()), String::new(), String::new(), String::new()),
                Target::Command => ("command".to_owned(), String::new(), String::new(), String::new()),
            };
            [format!("{} {kind}", prepared.act.id), id, service, zone, identity, undo]
        })
        .collect();
    table(out, "    ", &rows);
}

/// A fault with its parameters, as a person reads it.
fn what(fault: &Fault) -> String {
    let name = fault.kind().name();
    match fault {
        Fault::Kill { signal: Some(signal) } => format!("{name} with SIG{}", clean(signal)),
        Fault::Stop { grace } | Fault::Restart { grace } => format!("{name} with {} of grace", quantity::show_duration(*grace)),
        Fault::Slow { latency, jitter } => {
            format!("{name} by {} (jitter {})", quantity::show_duration(*latency), quantity::show_duration(*jitter))
        }
        Fault::Loss { share } => format!("{name} of {share}"),
        Fault::Partition { mode: PartitionMode::Disconnect } => {
            format!("{name} by disconnection (off all of its networks: its names are gone, its published ports answer nobody)")
        }
        Fault::Run { command: c, .. } => format!("{name} {}", command(c)),
        _ => name.to_owned(),
    }
}

/// An argument list, quoted so that its parts can be told from each other.
fn command(arguments: &[String]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    let quote = |a: &String| if !a.is_empty() && a.chars().all(plain) { a.clone() } else { format!("{a:?}") };
    clean(&arguments.iter().map(quote).collect::<Vec<_>>().join(" "))
}

fn table<const N: usize>(out: &mut String, indent: &str, rows: &[[String; N]]) {
    let widths: [usize; N] = std::array::from_fn(|c| rows.iter().map(|r| r[c].width()).max().unwrap_or(0));
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths).filter(|(_, width)| *width > 0) {
            line.push_str(cell);
            line.push_str(&" ".repeat(width - cell.width() + 2));
        }
        let _ = writeln!(out, "{indent}{}", line.trim_end());
    }
}

/// Control and direction-changing characters as escapes.
fn clean(text: &str) -> String {
    let bad = |c: char| {
        c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
    };
    text.chars().fold(String::new(), |mut out, c| {
        if bad(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
        out
    })
}

//! What became of state, and what the run found out about the system.

use maud::{Markup, html};

use crate::report::{record::RunRecord, state, words::visible};

/// Sessions, writes, connections: what was kept and what was lost.
pub fn render(record: &RunRecord) -> Markup {
    let probes = record.measurement.iter().flat_map(|m| &m.probes);
    let probes: Vec<_> = probes.filter_map(|probe| Some((probe, state::rows(probe.state.as_ref()?)))).collect();
    html! {
        @if !probes.is_empty() {
            section {
                h2 { "State" }
                div.scroll tabindex="0" role="region" aria-label="State" { table {
                    thead { tr { th scope="col" { "Probe" } th scope="col" { "What" } th scope="col" { "Counted" } } }
                    tbody {
                        @for (probe, rows) in &probes {
                            @for row in rows {
                                tr {
                                    td { (visible(probe.name.as_str())) }
                                    td { (row.what) }
                                    td { @if row.bad { span.pill.bad { "✗" } " " } (visible(&row.says)) }
                                }
                            }
                        }
                    }
                } }
            }
        }
    }
}

/// Dependencies, single points of failure, drift.
pub fn findings(record: &RunRecord) -> Markup {
    let findings = record.measurement.as_ref().map_or(&[][..], |m| &m.findings);
    html! {
        @if !findings.is_empty() {
            section {
                h2 { "Found" }
                ul { @for found in findings { li { strong { (found.kind.name()) } ": " (visible(&found.says)) } } }
            }
        }
    }
}

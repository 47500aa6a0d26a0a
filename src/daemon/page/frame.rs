//! What all pages have.

use maud::{DOCTYPE, Markup, html};

use crate::{
    daemon::api::{
        App,
        access::{FORM_FIELD, Visitor},
    },
    report::words::visible,
};

/// Which of the ways of the head a page is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// What comes and what runs.
    Overview,
    /// Runs.
    Runs,
    /// Past runs and their trends.
    #[cfg(feature = "history")]
    History,
    /// A game day.
    GameDay,
    /// Another page.
    None,
}

/// Name, address and key of each.
const WAYS: &[(Way, &str, &str, &str)] = &[
    (Way::Overview, "Overview", "/", "o"),
    (Way::Runs, "Runs", "/runs", "r"),
    #[cfg(feature = "history")]
    (Way::History, "History", "/history", "h"),
    (Way::GameDay, "Game day", "/gameday", "g"),
];

/// What a page stands in.
pub struct Frame {
    way: Way,
    title: String,
    folder: String,
    /// What forms send back; none for who is not in by a session.
    word: Option<String>,
    inside: bool,
}

impl Frame {
    /// Of a page for a visitor.
    pub fn new(app: &App, visitor: Option<&Visitor>, way: Way, title: &str) -> Self {
        let word = match visitor {
            Some(Visitor::Browser(session)) => Some(app.access.sessions.form_word(session)),
            _ => None,
        };
        let inside = visitor.is_some_and(|visitor| *visitor != Visitor::Anybody);
        Self { way, title: visible(title).into_owned(), folder: visible(&app.now().folder).into_owned(), word, inside }
    }

    /// What a form needs to be believed.
    pub fn word(&self) -> Markup {
        html! { @if let Some(word) = &self.word { input type="hidden" name=(FORM_FIELD) value=(word); } }
    }

    /// A form of one button.
    pub fn button(&self, action: &str, fields: &[(&str, &str)], class: &str, label: &Markup) -> Markup {
        html! {
            form method="post" action=(action) {
                (self.word())
                @for (name, value) in fields { input type="hidden" name=(name) value=(value); }
                button.(class) type="submit" { (label) }
            }
        }
    }

    /// The whole page.
    #[expect(clippy::needless_pass_by_value, reason = "what is in a page is made where the page is")]
    pub fn page(&self, content: Markup) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (self.title) " · firedrill" }
                    link rel="stylesheet" href="/assets/page.css";
                    link rel="icon" href="data:,";
                    script src="/assets/page.js" defer {}
                }
                body {
                    a.skip href="#main" { "To the content" }
                    header.top {
                        div.bar {
                            a.brand href="/" { "firedrill" }
                            @if self.inside {
                                nav aria-label="Pages" {
                                    @for (way, name, place, key) in WAYS {
                                        a href=(place) aria-current=[(*way == self.way).then_some("page")] data-key=(key) { (name) }
                                    }
                                }
                                span.folder { (self.folder) }
                                button.quiet type="button" id="keys-open" hidden aria-haspopup="dialog" { "Keys " kbd { "?" } }
                                (self.button("/leave", &[], "quiet", &html! { "Leave" }))
                            }
                        }
                    }
                    main id="main" tabindex="-1" { (content) }
                    @if self.inside { (keys()) }
                }
            }
        }
    }
}

/// The keys, for who asks for them.
fn keys() -> Markup {
    html! {
        dialog id="keys" aria-labelledby="keys-title" {
            h2 id="keys-title" { "Keys" }
            dl.keys {
                @for (_, name, _, key) in WAYS { div { dt { kbd { (key) } } dd { (name) } } }
                div { dt { kbd { "s" } } dd { "To the button that stops the run" } }
                div { dt { kbd { "?" } } dd { "These keys" } }
                div { dt { kbd { "Esc" } } dd { "Close this" } }
            }
            p { label { input type="checkbox" id="keys-off"; " Single keys do nothing in this browser" } }
            form method="dialog" { button type="submit" { "Close" } }
        }
    }
}

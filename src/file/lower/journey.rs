//! The journey: its users and what they share. Their steps are in `step`.

use std::time::Duration;

use super::{
    http::{self, SERVED_BY, TLS},
    probes::SERVICE_KEY,
    step::{STEP, steps},
};
use crate::{
    file::{
        diagnostic::Sink,
        read::{self, Fields},
        table::{Kind, Table, key, must},
        yaml::Node,
    },
    model::{
        journey::{JourneyProbe, Repeat, Users},
        probe::Connections,
    },
};

/// The keys of a journey probe: those of every probe, but for the rate.
pub static JOURNEY: Table = Table::new(
    "a journey probe",
    &[
        must("journey", Kind::Table(&USERS), "users who take steps"),
        key("timeout", Kind::Duration, "the deadline of each request over everything, from its due time; 1s when left out"),
        key("slow", Kind::Duration, "a success slower than this is counted as slow"),
        SERVICE_KEY,
    ],
)
.without(&[("rate", "how many requests there are follows from its `users`, and how long they `think`")]);

static USERS: Table = Table::new(
    "`journey`",
    &[
        must(
            "users",
            Kind::Either(&[Kind::Integer, Kind::Rate]),
            "how many there are at a time: `50`; or how many come each second: `5/s`",
        ),
        must("steps", Kind::List(&Kind::Table(&STEP)), "what each user does, in order; each step is one request"),
        key("think", Kind::Duration, "from the end of a user's step to the next, give or take a tenth; 1s when left out"),
        key("sticky", Kind::Text, "the cookie by which the balancer keeps a user on an instance: changes of its value are counted"),
        key(
            "connections",
            Kind::Words(CONNECTIONS),
            "each user keeps a connection as a browser does, or makes a new one for each step; keep-alive when left out",
        ),
        key("body-limit", Kind::Bytes, "how much of a body is read, more is a failure; 64KiB when left out"),
        key(
            "served-by",
            Kind::Either(&[Kind::Text, Kind::Table(&SERVED_BY)]),
            "which response headers name the instance and the zone that answered",
        ),
        key("tls", Kind::Table(&TLS), "TLS settings"),
    ],
);

const CONNECTIONS: &[&str] = &["new", "keep-alive"];
/// Each keeps a connection.
const MOST_USERS: u64 = 10_000;
/// Users who do not think at all would be a load test.
pub const SHORTEST_THINK: Duration = Duration::from_millis(10);

/// Reads the probe; `fields` has the keys of `JOURNEY`.
pub fn journey(fields: Fields<'_>, sink: &mut Sink) -> Option<JourneyProbe> {
    let fields = fields.get("journey", sink, |node, sink| Fields::new(node, &USERS, sink))?;
    let users = fields.get("users", sink, users);
    let read = fields.get("steps", sink, steps);
    if let (Some(Users::Arriving(_)), Some((steps, repeats))) = (users, &read)
        && steps.iter().any(|step| step.repeat == Repeat::Always)
    {
        sink.error(*repeats, "users who come each second and never leave would become more and more")
            .expected("`repeat: 10`, or a fixed number of `users`");
    }
    let secure = read.as_ref().is_some_and(|(steps, _)| steps.iter().any(|step| step.url.starts_with("https:")));
    if let (Some(tls), false, true) = (fields.entry("tls"), secure, read.is_some()) {
        sink.error(tls.key_span, "`tls` has no meaning where no step has an `https://` URL").expected("an `https://` URL, or no `tls`");
    }
    let connections = match fields.get("connections", sink, |node, sink| read::word(node, CONNECTIONS, sink)) {
        Some("new") => Connections::New,
        _ => Connections::KeepAlive,
    };
    Some(JourneyProbe {
        think: fields.get("think", sink, think).unwrap_or(Duration::from_secs(1)),
        sticky: fields.get("sticky", sink, cookie_name),
        connections,
        body_limit: fields.get("body-limit", sink, http::body_limit).unwrap_or(http::BODY_LIMIT),
        served_by: fields.get("served-by", sink, http::served_by),
        tls: fields.get("tls", sink, http::tls).unwrap_or_default(),
        users: users?,
        steps: read?.0,
    })
}

/// Whether a probe is a journey of which no step says what a loss is.
pub fn is_blind(probe: &Node) -> bool {
    let steps = probe.get("journey").and_then(|journey| journey.get("steps"));
    steps.is_some_and(|steps| read::one_or_many(steps).iter().all(|step| step.get("otherwise").is_none()))
}

fn users(node: &Node, sink: &mut Sink) -> Option<Users> {
    if node.text().is_some_and(|text| text.contains('/')) {
        return read::rate(node, sink).map(Users::Arriving);
    }
    if read::integer_of(node).is_none() {
        return read::wrong(node, "how many users there are, like `50`, or how many come each second, like `5/s`", sink);
    }
    read::integer_in(node, 1..=MOST_USERS, sink).map(|n| Users::Crowd(n as u32))
}

/// A think time.
pub fn think(node: &Node, sink: &mut Sink) -> Option<Duration> {
    let time = read::duration(node, sink)?;
    if time < SHORTEST_THINK {
        sink.error(
            node.span,
            format!("{} is too short: users would only wait for answers, and their number would be no rate", node.says()),
        )
        .expected("at least `10ms`");
        return None;
    }
    Some(time)
}

/// The name of a cookie.
pub fn cookie_name(node: &Node, sink: &mut Sink) -> Option<String> {
    let text = read::line(node, sink)?;
    // A cookie's name is a token, as a header's is; but its case matters.
    if http::is_token(text) {
        return Some(text.to_owned());
    }
    sink.error(node.span, format!("{} is not the name of a cookie", crate::file::escape::quote(text)))
        .expected("letters, digits and signs without spaces, `=` and `;`, like `SERVERID`");
    None
}

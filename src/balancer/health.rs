//! Health checks: each backend has a task of its own, so that a hanging one delays no other.

use std::{io, sync::Arc};

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpStream,
    pin,
    time::{MissedTickBehavior, interval, timeout},
};

use super::{
    faults::CutOff,
    member::Member,
    protocol::{CheckKind, Report},
    server::Shared,
};
use crate::clock;

/// Why a check was bad.
#[derive(Debug, thiserror::Error)]
enum Bad {
    #[error("{0}")]
    CutOff(#[from] CutOff),
    #[error("no connection: {0}")]
    Connect(#[from] io::Error),
    #[error("no answer: {0}")]
    Broken(#[from] hyper::Error),
    #[error("status {0}")]
    Status(StatusCode),
    #[error("no answer within {0:?}")]
    Timeout(std::time::Duration),
}

/// Checks a backend for ever, the first time at once.
pub(super) async fn watch(shared: Arc<Shared>, member: Arc<Member>) {
    let check = &shared.config.check;
    let mut due = interval(check.every);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut healthy = false;
    // Checks in a row that speak against what it is now.
    let mut against = 0;
    loop {
        due.tick().await;
        let found = timeout(check.timeout, once(&check.kind, &member)).await.unwrap_or(Err(Bad::Timeout(check.timeout)));
        if found.is_ok() == healthy {
            against = 0;
            continue;
        }
        against += 1;
        if against < if healthy { check.fall } else { check.rise } {
            continue;
        }
        against = 0;
        healthy = !healthy;
        let id = member.backend.id.clone();
        if !shared.roster.set_healthy(&member, healthy) {
            return;
        }
        let at = clock::now();
        match found {
            Ok(()) => shared.report(Report::Admitted { id, at }),
            Err(bad) => {
                member.idle.clear();
                let why = match check.fall {
                    0 | 1 => format!("a bad check: {bad}"),
                    fall => format!("{fall} bad checks in a row, the last: {bad}"),
                };
                shared.report(Report::Ejected { id, at, why });
            }
        }
    }
}

async fn once(kind: &CheckKind, member: &Member) -> Result<(), Bad> {
    let faults = &member.faults;
    if faults.loses() {
        std::future::pending::<()>().await;
    }
    faults.pass().await?;
    let stream = TcpStream::connect(member.backend.address).await?;
    let status = match kind {
        CheckKind::Tcp => StatusCode::OK,
        CheckKind::Http { path } => get(stream, path, member).await?,
    };
    faults.pass().await?;
    faults.delay().await;
    if status.is_success() || status.is_redirection() { Ok(()) } else { Err(Bad::Status(status)) }
}

async fn get(stream: TcpStream, path: &str, member: &Member) -> Result<StatusCode, Bad> {
    stream.set_nodelay(true)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let mut request = Request::new(Empty::<Bytes>::new());
    // The path was parsed when the config was checked.
    *request.uri_mut() = path.parse().unwrap_or_default();
    let headers = request.headers_mut();
    headers.insert(header::HOST, member.host.clone());
    headers.insert(header::USER_AGENT, header::HeaderValue::from_static("firedrill-check"));
    headers.insert(header::CONNECTION, header::HeaderValue::from_static("close"));
    let answer = sender.send_request(request);
    pin!(answer, connection);
    let response = tokio::select! {
        biased;
        response = &mut answer => response,
        // The connection may end in the same moment in which the answer is there.
        _ = &mut connection => answer.await,
    };
    Ok(response?.status())
}

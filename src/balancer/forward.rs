//! One request: from the client to a backend, and its answer back. Never tried again.

use std::sync::Arc;

use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::{body::Incoming, upgrade::OnUpgrade};
use tokio::time::timeout;

use super::{
    answer::Answer,
    faults::CutOff,
    headers,
    member::Member,
    pool::{self, ConnectError, Lease, Sender},
    server::Shared,
    tunnel,
};

/// Why a backend's answer did not come.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    CutOff(#[from] CutOff),
    #[error("no connection: {0}")]
    Connect(#[from] ConnectError),
    #[error("no connection within {0:?}")]
    ConnectTimeout(std::time::Duration),
    #[error("no answer within {0:?}")]
    ResponseTimeout(std::time::Duration),
    #[error("the connection broke before an answer: {0}")]
    Broken(hyper::Error),
}

impl Failure {
    fn status(&self) -> StatusCode {
        match self {
            Self::CutOff(_) | Self::Connect(_) | Self::Broken(_) => StatusCode::BAD_GATEWAY,
            Self::ConnectTimeout(_) | Self::ResponseTimeout(_) => StatusCode::GATEWAY_TIMEOUT,
        }
    }
}

/// Answers a client's request, in every case.
pub(super) async fn forward(shared: &Arc<Shared>, peer: &HeaderValue, mut request: Request<Incoming>) -> Response<Answer> {
    let name = &shared.config.name;
    if request.method() == Method::CONNECT {
        return Answer::text(StatusCode::METHOD_NOT_ALLOWED, format!("{name}: CONNECT is not for a load balancer\n"));
    }
    let asked = shared.config.sticky.as_deref().and_then(|cookie| headers::cookie(request.headers(), cookie));
    let Some(chosen) = shared.roster.choose(asked) else {
        let (_, all) = shared.roster.count();
        return Answer::text(StatusCode::SERVICE_UNAVAILABLE, format!("{name}: none of {all} backends is healthy\n"));
    };
    let member = chosen.member;
    let client = headers::to_backend(&mut request, peer, &member).then(|| hyper::upgrade::on(&mut request));

    let limit = shared.config.response_timeout;
    let answered = match timeout(limit, exchange(shared, &member, request)).await {
        Ok(answered) => answered,
        Err(_) => Err(Failure::ResponseTimeout(limit)),
    };
    match answered {
        Ok((mut response, lease)) => {
            headers::to_client(&mut response, &member);
            if !chosen.as_asked {
                headers::stick(response.headers_mut(), &member);
            }
            relay(shared, response, lease, client)
        }
        Err(failure) => {
            // The failure is this backend's, and a reader of the drill wants to know whose.
            let mut response = Answer::text(failure.status(), format!("{name}: {}: {failure}\n", member.backend.id));
            headers::attribute(response.headers_mut(), &member);
            response
        }
    }
}

/// From the request to the head of its answer.
async fn exchange(shared: &Shared, member: &Arc<Member>, request: Request<Incoming>) -> Result<(Response<Incoming>, Lease), Failure> {
    let faults = &member.faults;
    if faults.loses() {
        std::future::pending::<()>().await;
    }
    let (response, sender) = tokio::select! {
        biased;
        sent = send(shared, member, request) => sent?,
        cut = faults.cut() => return Err(cut.into()),
    };
    faults.pass().await?;
    faults.delay().await;
    let lease = Lease { sender, member: member.clone(), tasks: shared.tasks.clone() };
    Ok((response, lease))
}

async fn send(shared: &Shared, member: &Member, mut request: Request<Incoming>) -> Result<(Response<Incoming>, Sender), Failure> {
    while let Some(mut sender) = member.idle.take() {
        member.faults.pass().await?;
        match sender.try_send_request(request).await {
            Ok(response) => return Ok((response, sender)),
            // The connection had closed before a byte was written: the request was not tried on it.
            Err(mut error) => match error.take_message() {
                Some(unsent) => request = unsent,
                None => return Err(Failure::Broken(error.into_error())),
            },
        }
    }
    let limit = shared.config.connect_timeout;
    let connecting = async {
        member.faults.pass().await?;
        Ok::<_, Failure>(pool::connect(member, &shared.tasks).await?)
    };
    let mut sender = timeout(limit, connecting).await.map_err(|_| Failure::ConnectTimeout(limit))??;
    let response = sender.send_request(request).await.map_err(Failure::Broken)?;
    Ok((response, sender))
}

/// Hands the answer to the client; after a 101, joins the two connections.
fn relay(shared: &Arc<Shared>, mut response: Response<Incoming>, lease: Lease, client: Option<OnUpgrade>) -> Response<Answer> {
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        let (parts, body) = response.into_parts();
        return Response::from_parts(parts, Answer::streamed(body, lease));
    }
    let Some(client) = client else {
        let text = format!("{}: {}: switched protocols unasked\n", shared.config.name, lease.member.backend.id);
        return Answer::text(StatusCode::BAD_GATEWAY, text);
    };
    let backend = hyper::upgrade::on(&mut response);
    shared.tasks.spawn(tunnel::join(client, backend, lease.member));
    let (parts, _) = response.into_parts();
    Response::from_parts(parts, Answer::empty())
}

//! An instance's own health check, made by the supervisor.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::spec::HealthSpec;
use crate::balancer::protocol::CheckKind;

/// A process without a health check serves when it has run for so long.
pub const ALIVE_FOR: Duration = Duration::from_millis(300);

/// Checks for ever, and tells each change: `Ok` when it became healthy, `Err` with the reason when it no longer is.
pub async fn watch(spec: Option<HealthSpec>, address: SocketAddr, mut tell: impl FnMut(Result<(), String>)) {
    let Some(spec) = spec else {
        tokio::time::sleep(ALIVE_FOR).await;
        return tell(Ok(()));
    };
    let (mut good, mut bad, mut healthy) = (0, 0, false);
    let mut tick = tokio::time::interval(spec.every);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let answer = tokio::time::timeout(spec.timeout, check(&spec.kind, address)).await;
        match answer.unwrap_or_else(|_| Err(format!("no answer within {:?}", spec.timeout))) {
            Ok(()) => {
                (good, bad) = (good + 1, 0);
                if !healthy && good >= spec.rise {
                    healthy = true;
                    tell(Ok(()));
                }
            }
            Err(why) => {
                (good, bad) = (0, bad + 1);
                if healthy && bad >= spec.fall {
                    healthy = false;
                    tell(Err(why));
                }
            }
        }
    }
}

/// One check, over a connection of its own.
pub async fn check(kind: &CheckKind, address: SocketAddr) -> Result<(), String> {
    let mut stream = TcpStream::connect(address).await.map_err(|e| format!("connect: {e}"))?;
    let CheckKind::Http { path } = kind else { return Ok(()) };
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nUser-Agent: firedrill-health\r\n\r\n");
    stream.write_all(request.as_bytes()).await.map_err(|e| format!("send: {e}"))?;
    let mut head = Vec::new();
    while !head.contains(&b'\n') && head.len() < 1024 {
        if stream.read_buf(&mut head).await.map_err(|e| format!("receive: {e}"))? == 0 {
            break;
        }
    }
    let line = String::from_utf8_lossy(head.split(|b| *b == b'\n').next().unwrap_or_default()).trim().to_owned();
    let code = line.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1)).and_then(|code| code.parse::<u16>().ok());
    match code {
        Some(200..=399) => Ok(()),
        Some(code) => Err(format!("{path} answered {code}")),
        None if line.is_empty() => Err("the connection was closed without an answer".to_owned()),
        None => Err(format!("{path} answered something that is not HTTP")),
    }
}

//! After an upgrade (a WebSocket, say): bytes both ways, until both ends have ended, one breaks, or the way is cut.

use std::{io, sync::Arc};

use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split};

use super::member::Member;

type End = TokioIo<Upgraded>;

/// Large enough for a message, small enough for thousands of tunnels.
const PIECE: usize = 8 * 1024;

/// Joins the two connections once both have switched.
pub(super) async fn join(client: OnUpgrade, backend: OnUpgrade, member: Arc<Member>) {
    let Ok((client, backend)) = tokio::try_join!(client, backend) else {
        return; // One of them ended instead; the other sees its connection close.
    };
    let (from_client, to_client) = split(TokioIo::new(client));
    let (from_backend, to_backend) = split(TokioIo::new(backend));
    let both = async { tokio::try_join!(copy(from_client, to_backend, &member, false), copy(from_backend, to_client, &member, true)) };
    tokio::select! {
        // An end that breaks is seen by the other as a closed connection.
        _ = both => {}
        _ = member.faults.cut() => {}
    }
}

async fn copy(mut from: ReadHalf<End>, mut to: WriteHalf<End>, member: &Member, delayed: bool) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    loop {
        let n = from.read(&mut piece).await?;
        member.faults.pass().await.map_err(io::Error::other)?;
        if delayed {
            member.faults.delay().await;
        }
        if n == 0 {
            return to.shutdown().await;
        }
        to.write_all(&piece[..n]).await?;
        to.flush().await?;
    }
}

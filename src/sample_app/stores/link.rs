//! `sample link`: a line between two zones. What goes in comes out later, and when the line dies, what was on it is lost.

use std::{io, net::SocketAddr, time::Duration};

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::Instant,
};

use crate::{model::quantity, sample_app::server::RunError};

/// The flags of `sample link`.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Where to listen, as ADDRESS:PORT
    #[arg(long, value_name = "ADDRESS")]
    pub listen: SocketAddr,
    /// Where the line leads
    #[arg(long, value_name = "ADDRESS")]
    pub to: SocketAddr,
    /// The time that everything takes, each way
    #[arg(long, value_name = "DURATION", default_value = "50ms", value_parser = quantity::duration)]
    pub delay: Duration,
}

/// The most pieces that are on the line at once; who sends more waits.
const MOST: usize = 1024;

/// Carries until it is ended.
pub fn run(options: &Options) -> Result<(), RunError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let address = options.listen;
        let listener = TcpListener::bind(address).await.map_err(|source| RunError::Listen { address, source })?;
        println!("{address} leads to {}", options.to);
        loop {
            let Ok((near, _)) = listener.accept().await else {
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            };
            let (to, delay) = (options.to, options.delay);
            tokio_util::task::TaskTracker::new().spawn(async move { drop(carry(near, to, delay).await) });
        }
    })
}

/// Both ways, until one side ends.
async fn carry(near: TcpStream, to: SocketAddr, delay: Duration) -> io::Result<()> {
    let far = TcpStream::connect(to).await?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
    tokio::select! {
        there = one_way(near_in, far_out, delay) => there,
        back = one_way(far_in, near_out, delay) => back,
    }
}

async fn one_way(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, delay: Duration) -> io::Result<()> {
    let (send, mut line) = mpsc::channel::<(Instant, Bytes)>(MOST);
    let reads = async {
        loop {
            let mut piece = BytesMut::with_capacity(16 * 1024);
            if from.read_buf(&mut piece).await? == 0 || send.send((Instant::now() + delay, piece.freeze())).await.is_err() {
                return Ok::<(), io::Error>(());
            }
        }
    };
    let writes = async {
        while let Some((due, piece)) = line.recv().await {
            tokio::time::sleep_until(due).await;
            to.write_all(&piece).await?;
        }
        Ok::<(), io::Error>(())
    };
    // When the sender ends, so does the line, with what is on it: as when its zone goes dark.
    tokio::select! { read = reads => read, written = writes => written }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_goes_in_comes_out_later_and_what_was_on_a_dead_line_does_not() {
        let far = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let near = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let to = far.local_addr().unwrap();
        let delay = Duration::from_millis(300);
        let mut sender = TcpStream::connect(near.local_addr().unwrap()).await.unwrap();
        let (accepted, _) = near.accept().await.unwrap();
        let line = tokio_util::task::TaskTracker::new().spawn(carry(accepted, to, delay));
        let (mut receiver, _) = far.accept().await.unwrap();
        let begun = Instant::now();
        sender.write_all(b"first").await.unwrap();
        let mut got = [0; 5];
        receiver.read_exact(&mut got).await.unwrap();
        assert_eq!(&got, b"first");
        assert!(begun.elapsed() >= delay);
        sender.write_all(b"second").await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
        drop(sender);
        line.await.unwrap().unwrap();
        let mut rest = Vec::new();
        receiver.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"");
    }
}

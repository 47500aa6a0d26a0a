//! The day's side of the control socket. Only this user gets in; lines, clients and waits are bounded, so that nobody at the socket can
//! hold up the day. Who watches reads the day's file at its own pace.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream, unix::OwnedWriteHalf},
    sync::{Semaphore, mpsc, oneshot, watch},
    task::JoinSet,
};

use super::{
    event::DayEvent,
    protocol::{Answer, Ask, LONGEST_LINE, Request},
};

/// The most clients at the same time.
const MOST: usize = 64;
/// How long a client may take to ask, or to take an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the last events may take to reach who watches.
const LAST: Duration = Duration::from_secs(3);
/// How much of the file is read at a time: more than the longest line of it.
const CHUNK: u64 = 8 << 20;

/// Something that was asked, and where the answer goes.
#[derive(Debug)]
pub struct Order {
    /// What.
    pub request: Request,
    /// To whoever asked; who hung up does not want it.
    pub reply: oneshot::Sender<Answer>,
}

/// Listens at this path, for this user only. What a dead day left there goes.
///
/// # Errors
/// When it cannot.
pub fn listen(path: &Path) -> io::Result<UnixListener> {
    // The folder is 0700, so nobody else can connect before the mode is set.
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Serves clients until the sender of `written` is dropped, and then who watches until it has everything. `file` holds the day's events; `written`
/// is the number of the last one in it.
pub async fn serve(listener: UnixListener, orders: mpsc::Sender<Order>, file: PathBuf, written: watch::Receiver<u64>) {
    let mut clients = JoinSet::new();
    let free = Arc::new(Semaphore::new(MOST));
    let mut ending = written.clone();
    let mut ended = std::pin::pin!(async { while ending.changed().await.is_ok() {} });
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut ended => break,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        while clients.try_join_next().is_some() {}
        // One that finds no place is closed at once.
        let Ok(place) = Arc::clone(&free).try_acquire_owned() else { continue };
        let (orders, file, written) = (orders.clone(), file.clone(), written.clone());
        clients.spawn(async move {
            // A client that hung up does not want the rest.
            let _ = client(stream, &orders, file, written).await;
            drop(place);
        });
    }
    let _ = tokio::time::timeout(LAST, async { while clients.join_next().await.is_some() {} }).await;
}

async fn client(stream: UnixStream, orders: &mpsc::Sender<Order>, file: PathBuf, written: watch::Receiver<u64>) -> io::Result<()> {
    let peer = rustix::net::sockopt::socket_peercred(&stream)?;
    let user = rustix::process::geteuid();
    if peer.uid != user && !peer.uid.is_root() {
        return Ok(());
    }
    let (input, mut output) = stream.into_split();
    let mut line = Vec::new();
    let mut input = BufReader::new(input.take(LONGEST_LINE));
    tokio::time::timeout(PATIENCE, input.read_until(b'\n', &mut line)).await??;
    let request = if line.len() as u64 >= LONGEST_LINE && !line.ends_with(b"\n") {
        Err(format!("the request is longer than {LONGEST_LINE} bytes"))
    } else {
        serde_json::from_slice::<Request>(&line).map_err(|error| format!("not a request: {error}")).and_then(Request::checked)
    };
    let answer = match request {
        Err(why) => Answer::Refused { why },
        Ok(Request { ask: Ask::Watch { after }, .. }) => {
            say(&mut output, &Answer::Events).await?;
            return watch(output, after, file, written).await;
        }
        Ok(request) => {
            let (reply, answer) = oneshot::channel();
            let sent = orders.send(Order { request, reply }).await;
            let answered = if sent.is_ok() { answer.await.ok() } else { None };
            answered.unwrap_or_else(|| Answer::Refused { why: "the game day is ending".to_owned() })
        }
    };
    say(&mut output, &answer).await
}

async fn say(output: &mut OwnedWriteHalf, answer: &Answer) -> io::Result<()> {
    let mut text = serde_json::to_vec(answer)?;
    text.push(b'\n');
    put(output, &text).await
}

async fn put(output: &mut OwnedWriteHalf, text: &[u8]) -> io::Result<()> {
    tokio::time::timeout(PATIENCE, output.write_all(text)).await?
}

/// Until the watcher hangs up or does not read, or the day ends.
async fn watch(mut output: OwnedWriteHalf, after: u64, path: PathBuf, mut written: watch::Receiver<u64>) -> io::Result<()> {
    let mut file = File::open(path)?;
    let mut at = 0_u64;
    loop {
        // Marked as seen before it is read: what comes meanwhile is read in the next turn.
        written.borrow_and_update();
        loop {
            let (back, text) = tokio::task::spawn_blocking(move || {
                let mut text = Vec::new();
                let read = file.seek(SeekFrom::Start(at)).and_then(|_| (&mut file).take(CHUNK).read_to_end(&mut text));
                (file, read.map(|_| text))
            })
            .await?;
            file = back;
            let text = text?;
            let Some(whole) = text.iter().rposition(|byte| *byte == b'\n').map(|last| last + 1) else { break };
            at += whole as u64;
            for line in text[..whole].split_inclusive(|byte| *byte == b'\n') {
                if serde_json::from_slice::<DayEvent>(line).is_ok_and(|event| event.number > after) {
                    put(&mut output, line).await?;
                }
            }
        }
        if written.changed().await.is_err() {
            return Ok(());
        }
    }
}

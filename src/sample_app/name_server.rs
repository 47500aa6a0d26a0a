//! A name server for systems whose instances are found by their names alone: it says what a file says, at the moment when it is asked,
//! so that a step of an experiment can change a name by writing the file.
//!
//! A line of the file is a name, its time to live in seconds, and its addresses: `www.example 3600 127.0.1.1 127.0.1.2`. Names that no line
//! has do not exist. It answers over UDP, and over TCP where an answer is too long for that.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use hickory_net::proto::{
    op::{Message, MessageType, OpCode, ResponseCode},
    rr::{
        RData, Record, RecordType,
        rdata::{A, AAAA},
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket},
};
use tokio_util::task::TaskTracker;

/// The longest answer over UDP.
const DATAGRAM: usize = 512;
/// A zone is a few lines.
const LARGEST: u64 = 64 * 1024;
/// How long a TCP connection may take to ask.
const PATIENCE: Duration = Duration::from_secs(5);

/// The flags of the verb `name-server`.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Where to listen, as ADDRESS:PORT
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:5353")]
    pub listen: SocketAddr,
    /// The file of names, read anew for each question: lines of NAME TTL ADDRESS...
    #[arg(long, value_name = "FILE")]
    pub zone: PathBuf,
}

/// Why it could not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// The file makes no sense.
    #[error("{0}")]
    Zone(String),
    /// No runtime, or the socket failed.
    #[error("the name server ended: {0}")]
    Io(#[from] io::Error),
}

/// Answers until the process is ended. The file must make sense at the start; later, a file that does not is a server that cannot tell.
pub fn run(options: &Options) -> Result<(), RunError> {
    read(&options.zone).map_err(RunError::Zone)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let address = options.listen;
        let listen = |source| RunError::Listen { address, source };
        let datagrams = UdpSocket::bind(address).await.map_err(listen)?;
        let connections = TcpListener::bind(datagrams.local_addr()?).await.map_err(listen)?;
        println!("answers on {}", datagrams.local_addr()?);
        let tasks = TaskTracker::new();
        let mut question = [0; 4096];
        loop {
            tokio::select! {
                asked = datagrams.recv_from(&mut question) => {
                    // A client that is gone makes itself heard here: its next question does not.
                    let Ok((n, from)) = asked else { continue };
                    if let Some(answer) = answer(&question[..n], &options.zone, DATAGRAM) {
                        let _ = datagrams.send_to(&answer, from).await;
                    }
                }
                accepted = connections.accept() => match accepted {
                    Ok((stream, _)) => drop(tasks.spawn(tokio::time::timeout(PATIENCE, converse(stream, options.zone.clone())))),
                    // Too many open files, nearly always.
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                },
            }
        }
    })
}

async fn converse(mut stream: TcpStream, zone: PathBuf) -> io::Result<()> {
    loop {
        let length = stream.read_u16().await?;
        let mut question = vec![0; usize::from(length)];
        stream.read_exact(&mut question).await?;
        let Some(answer) = answer(&question, &zone, usize::from(u16::MAX)) else { return Ok(()) };
        stream.write_u16(answer.len() as u16).await?;
        stream.write_all(&answer).await?;
    }
}

/// The answer to a question, if it is one.
fn answer(question: &[u8], zone: &Path, most: usize) -> Option<Vec<u8>> {
    let question = Message::from_vec(question).ok().filter(|message| message.message_type == MessageType::Query)?;
    let query = question.queries.first()?;
    let name = query.name().to_string().trim_end_matches('.').to_ascii_lowercase();
    let mut message = Message::new(question.id, MessageType::Response, OpCode::Query);
    message.metadata.authoritative = true;
    message.metadata.recursion_desired = question.recursion_desired;
    message.add_query(query.clone());
    match read(zone) {
        Err(_) => message.metadata.response_code = ResponseCode::ServFail,
        Ok(lines) => match lines.into_iter().find(|line| line.name == name) {
            None => message.metadata.response_code = ResponseCode::NXDomain,
            Some(line) => {
                let data = line.addresses.into_iter().filter_map(|ip| match (ip, query.query_type()) {
                    (IpAddr::V4(ip), RecordType::A) => Some(RData::A(A(ip))),
                    (IpAddr::V6(ip), RecordType::AAAA) => Some(RData::AAAA(AAAA(ip))),
                    _ => None,
                });
                message.answers.extend(data.map(|data| Record::from_rdata(query.name().clone(), line.ttl, data)));
            }
        },
    }
    let whole = message.to_vec().ok()?;
    if whole.len() <= most {
        return Some(whole);
    }
    message.answers.clear();
    message.metadata.truncation = true;
    message.to_vec().ok()
}

/// What the file says of a name.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    name: String,
    ttl: u32,
    addresses: Vec<IpAddr>,
}

fn read(zone: &Path) -> Result<Vec<Line>, String> {
    let cannot = |why: &dyn std::fmt::Display| format!("cannot read the names in {}: {why}", zone.display());
    let size = std::fs::metadata(zone).map_err(|error| cannot(&error))?.len();
    if size > LARGEST {
        return Err(cannot(&format!("it has {size} bytes, the most is {LARGEST}")));
    }
    let text = std::fs::read_to_string(zone).map_err(|error| cannot(&error))?;
    lines(&text).map_err(|why| cannot(&why))
}

fn lines(text: &str) -> Result<Vec<Line>, String> {
    let mut out = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let Some(name) = words.next() else { continue };
        let wrong = || format!("line {number} is not NAME TTL ADDRESS...");
        let ttl = words.next().and_then(|ttl| ttl.parse().ok()).ok_or_else(wrong)?;
        let addresses = words.map(str::parse).collect::<Result<Vec<IpAddr>, _>>().map_err(|_| wrong())?;
        out.push(Line { name: name.trim_end_matches('.').to_ascii_lowercase(), ttl, addresses });
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use hickory_net::proto::{op::Query, rr::Name};

    use super::*;

    fn ask(zone: &Path, name: &str, record: RecordType, most: usize) -> Message {
        let mut question = Message::query();
        question.add_query(Query::query(Name::from_str(name).unwrap(), record));
        Message::from_vec(&answer(&question.to_vec().unwrap(), zone, most).unwrap()).unwrap()
    }

    #[test]
    fn it_says_what_the_file_says_now() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "# the shop\nWWW.example. 3600 127.0.1.1 ::1  # two\nempty.example 5\n").unwrap();
        let of = |name: &str, record| ask(file.path(), name, record, DATAGRAM);
        let four = of("www.Example.", RecordType::A);
        assert_eq!((four.answers.len(), four.answers[0].ttl), (1, 3600));
        assert_eq!(of("www.example.", RecordType::AAAA).answers.len(), 1);
        assert_eq!(of("empty.example.", RecordType::A).response_code, ResponseCode::NoError);
        assert_eq!(of("gone.example.", RecordType::A).response_code, ResponseCode::NXDomain);
        std::fs::write(file.path(), "www.example 1 127.0.1.2\n").unwrap();
        assert_eq!(of("www.example.", RecordType::A).answers[0].data, RData::A(A::new(127, 0, 1, 2)));
        std::fs::write(file.path(), "www.example soon 127.0.1.2\n").unwrap();
        assert_eq!(of("www.example.", RecordType::A).response_code, ResponseCode::ServFail);
        assert!(read(file.path()).unwrap_err().contains("line 1 is not NAME TTL ADDRESS"));
    }

    #[test]
    fn an_answer_that_is_too_long_is_cut_and_what_is_no_question_is_not_answered() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let many: Vec<String> = (0..100).map(|n| format!("10.0.0.{n}")).collect();
        std::fs::write(file.path(), format!("www.example 60 {}\n", many.join(" "))).unwrap();
        let cut = ask(file.path(), "www.example.", RecordType::A, DATAGRAM);
        assert!(cut.truncation && cut.answers.is_empty());
        assert_eq!(ask(file.path(), "www.example.", RecordType::A, 65_535).answers.len(), 100);
        for noise in [&[][..], &[0; 5], &[0xff; 600]] {
            assert_eq!(answer(noise, file.path(), DATAGRAM), None);
        }
    }
}

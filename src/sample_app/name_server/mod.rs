//! A name server for systems whose instances are found by their names alone. It says what its records or a file say, at the moment when it
//! is asked, so that a step of an experiment can change a name by writing the file; and like a name service with health checks it leaves
//! addresses out where nobody answers, if it is told to look.
//!
//! It answers over UDP, and over TCP where an answer is too long for that. Names that no record has do not exist.

mod checks;
mod zone;

use std::{
    io,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::Arc,
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

use self::{checks::Checks, zone::Zone};
use crate::model::quantity;

/// The longest answer over UDP.
const DATAGRAM: usize = 512;
/// How long a TCP connection may take to ask.
const PATIENCE: Duration = Duration::from_secs(5);

/// The flags of the verb `name-server`.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Where to listen, as ADDRESS:PORT
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:5353")]
    pub listen: SocketAddr,
    /// The file of names, read anew for each question: lines of NAME TTL ADDRESS...
    #[arg(long, value_name = "FILE", required_unless_present = "records", conflicts_with = "records")]
    pub zone: Option<PathBuf>,
    /// A name, as "NAME TTL ADDRESS..."; the TTL in seconds
    #[arg(long = "record", value_name = "LINE")]
    pub records: Vec<String>,
    /// Leave out addresses where nobody accepts a connection on this port; all are said when none would be left
    #[arg(long, value_name = "PORT")]
    pub check: Option<u16>,
    /// How often to look
    #[arg(long, value_name = "DURATION", default_value = "100ms", value_parser = quantity::duration, requires = "check")]
    pub every: Duration,
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

/// What is known of the names.
struct Names {
    zone: Zone,
    checks: Option<Checks>,
}

/// Answers until the process is ended. The names must make sense at the start; later, a file that does not is a server that cannot tell.
pub fn run(options: &Options) -> Result<(), RunError> {
    let zone = match &options.zone {
        Some(file) => Zone::File(file.clone()),
        None => Zone::fixed(&options.records).map_err(RunError::Zone)?,
    };
    zone.read().map_err(RunError::Zone)?;
    let names = Arc::new(Names { zone, checks: options.check.map(|port| Checks::new(port, options.every)) });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let address = options.listen;
        let listen = |source| RunError::Listen { address, source };
        let datagrams = UdpSocket::bind(address).await.map_err(listen)?;
        let connections = TcpListener::bind(datagrams.local_addr()?).await.map_err(listen)?;
        println!("answers on {}", datagrams.local_addr()?);
        let tasks = TaskTracker::new();
        let looking = names.clone();
        tasks.spawn(async move {
            if let Some(checks) = &looking.checks {
                checks.look(&looking.zone).await;
            }
        });
        let mut question = [0; 4096];
        loop {
            tokio::select! {
                asked = datagrams.recv_from(&mut question) => {
                    // A client that is gone makes itself heard here: its next question does not.
                    let Ok((n, from)) = asked else { continue };
                    if let Some(answer) = names.answer(&question[..n], DATAGRAM) {
                        let _ = datagrams.send_to(&answer, from).await;
                    }
                }
                accepted = connections.accept() => match accepted {
                    Ok((stream, _)) => drop(tasks.spawn(tokio::time::timeout(PATIENCE, converse(stream, names.clone())))),
                    // Too many open files, nearly always.
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                },
            }
        }
    })
}

async fn converse(mut stream: TcpStream, names: Arc<Names>) -> io::Result<()> {
    loop {
        let length = stream.read_u16().await?;
        let mut question = vec![0; usize::from(length)];
        stream.read_exact(&mut question).await?;
        let Some(answer) = names.answer(&question, usize::from(u16::MAX)) else { return Ok(()) };
        stream.write_u16(answer.len() as u16).await?;
        stream.write_all(&answer).await?;
    }
}

impl Names {
    /// The answer to a question, if it is one.
    fn answer(&self, question: &[u8], most: usize) -> Option<Vec<u8>> {
        let question = Message::from_vec(question).ok().filter(|message| message.message_type == MessageType::Query)?;
        let query = question.queries.first()?;
        let name = query.name().to_string().trim_end_matches('.').to_ascii_lowercase();
        let mut message = Message::new(question.id, MessageType::Response, OpCode::Query);
        message.metadata.authoritative = true;
        message.metadata.recursion_desired = question.recursion_desired;
        message.add_query(query.clone());
        match self.zone.read() {
            Err(_) => message.metadata.response_code = ResponseCode::ServFail,
            Ok(lines) => match lines.into_iter().find(|line| line.name == name) {
                None => message.metadata.response_code = ResponseCode::NXDomain,
                Some(line) => {
                    let addresses = self.checks.as_ref().map_or_else(|| line.addresses.clone(), |checks| checks.well(&line.addresses));
                    let data = addresses.into_iter().filter_map(|ip| match (ip, query.query_type()) {
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
}

#[cfg(test)]
mod tests {
    use std::{path::Path, str::FromStr};

    use hickory_net::proto::{op::Query, rr::Name};

    use super::*;

    fn of_file(file: &Path) -> Names {
        Names { zone: Zone::File(file.to_owned()), checks: None }
    }

    fn ask(names: &Names, name: &str, record: RecordType, most: usize) -> Message {
        let mut question = Message::query();
        question.add_query(Query::query(Name::from_str(name).unwrap(), record));
        Message::from_vec(&names.answer(&question.to_vec().unwrap(), most).unwrap()).unwrap()
    }

    #[test]
    fn it_says_what_the_file_says_now() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "# the shop\nWWW.example. 3600 127.0.1.1 ::1  # two\nempty.example 5\n").unwrap();
        let of = |name: &str, record| ask(&of_file(file.path()), name, record, DATAGRAM);
        let four = of("www.Example.", RecordType::A);
        assert_eq!((four.answers.len(), four.answers[0].ttl), (1, 3600));
        assert_eq!(of("www.example.", RecordType::AAAA).answers.len(), 1);
        assert_eq!(of("empty.example.", RecordType::A).response_code, ResponseCode::NoError);
        assert_eq!(of("gone.example.", RecordType::A).response_code, ResponseCode::NXDomain);
        std::fs::write(file.path(), "www.example 1 127.0.1.2\n").unwrap();
        assert_eq!(of("www.example.", RecordType::A).answers[0].data, RData::A(A::new(127, 0, 1, 2)));
        std::fs::write(file.path(), "www.example soon 127.0.1.2\n").unwrap();
        assert_eq!(of("www.example.", RecordType::A).response_code, ResponseCode::ServFail);
        let error = of_file(file.path()).zone.read().unwrap_err();
        assert!(error.contains("line 1 is not NAME TTL ADDRESS"), "{error}");
    }

    #[test]
    fn an_answer_that_is_too_long_is_cut_and_what_is_no_question_is_not_answered() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let many: Vec<String> = (0..100).map(|n| format!("10.0.0.{n}")).collect();
        std::fs::write(file.path(), format!("www.example 60 {}\n", many.join(" "))).unwrap();
        let cut = ask(&of_file(file.path()), "www.example.", RecordType::A, DATAGRAM);
        assert!(cut.truncation && cut.answers.is_empty());
        assert_eq!(ask(&of_file(file.path()), "www.example.", RecordType::A, 65_535).answers.len(), 100);
        for noise in [&[][..], &[0; 5], &[0xff; 600]] {
            assert_eq!(of_file(file.path()).answer(noise, DATAGRAM), None);
        }
    }
}

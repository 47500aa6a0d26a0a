//! The `dns` probe: one question to one name server, never remembered, never asked twice.

use std::{net::IpAddr, net::SocketAddr, rc::Rc, time::Duration};

use hickory_net::{
    NetError,
    proto::{
        op::ResponseCode,
        rr::{Name, RData, Record, RecordType},
    },
};

use crate::{
    clock,
    model::{
        probe::NameModel,
        protocol::{DnsExpect, DnsProbe, DnsRecord},
        sample::SampleOutcome,
    },
    probe::{
        address::Destination,
        connect::connect_failure,
        lookup::{absolute, ask, first_server, is_late},
        pacer::Shared,
        stage::Trace,
    },
};

/// A `dns` probe.
pub struct DnsKind {
    server: SocketAddr,
    name: Name,
    record: RecordType,
    expect: DnsExpect,
    limit: Duration,
}

impl DnsKind {
    /// Words for the user when there is nobody to ask.
    pub fn new(spec: &DnsProbe, timeout: Duration) -> Result<Self, String> {
        let server = match spec.server {
            Some(server) => server,
            None => first_server()?,
        };
        // Not for its address, but because a metadata service is never probed.
        Destination::new(&server.ip().to_string(), server.port(), &[], NameModel::EachConnection)?;
        Ok(Self { server, name: absolute(&spec.name)?, record: kind(spec.record), expect: spec.expect.clone(), limit: timeout })
    }

    /// One question.
    pub async fn attempt(&self, shared: &Rc<Shared>, trace: &mut Trace) -> SampleOutcome {
        let Some(_held) = shared.descriptors.take() else {
            return SampleOutcome::NotSent;
        };
        trace.address = shared.names.borrow_mut().address(self.server);
        let answer = match ask(self.server, self.name.clone(), self.record, self.limit).await {
            Ok(answer) => answer,
            Err(error) => return failure(&error),
        };
        trace.first_byte(clock::now());
        trace.bytes = answer.as_buffer().len() as u64;
        trace.status = u16::from(answer.response_code);
        judge(&self.expect, self.record, answer.response_code, &answer.answers)
    }
}

fn kind(record: DnsRecord) -> RecordType {
    match record {
        DnsRecord::A => RecordType::A,
        DnsRecord::Aaaa => RecordType::AAAA,
        DnsRecord::Cname => RecordType::CNAME,
        DnsRecord::Srv => RecordType::SRV,
        DnsRecord::Txt => RecordType::TXT,
        DnsRecord::Mx => RecordType::MX,
        DnsRecord::Ns => RecordType::NS,
        DnsRecord::Soa => RecordType::SOA,
        DnsRecord::Ptr => RecordType::PTR,
        DnsRecord::Caa => RecordType::CAA,
    }
}

fn failure(error: &NetError) -> SampleOutcome {
    match error {
        _ if is_late(error) => SampleOutcome::DnsTimeout,
        // The way to the server, not its answer.
        NetError::Io(error) if error.raw_os_error().is_some() => connect_failure(error),
        _ => SampleOutcome::DnsFailed,
    }
}

/// What an answer comes to. A name that does not exist and one without such a record are the same to who asks.
fn judge(expect: &DnsExpect, asked: RecordType, code: ResponseCode, answers: &[Record]) -> SampleOutcome {
    let found: Vec<&RData> = answers.iter().filter(|record| record.record_type() == asked).map(|record| &record.data).collect();
    let known = matches!(code, ResponseCode::NoError | ResponseCode::NXDomain);
    if !known {
        return SampleOutcome::DnsFailed;
    }
    if expect.none {
        return if found.is_empty() { SampleOutcome::Ok } else { SampleOutcome::Expectation };
    }
    if found.is_empty() {
        return SampleOutcome::DnsFailed;
    }
    let mut addresses: Vec<IpAddr> = found
        .iter()
        .filter_map(|data| match data {
            RData::A(address) => Some(IpAddr::V4(address.0)),
            RData::AAAA(address) => Some(IpAddr::V6(address.0)),
            _ => None,
        })
        .collect();
    addresses.sort_unstable();
    addresses.dedup();
    let same = |wanted: &[IpAddr]| addresses.iter().all(|a| wanted.contains(a)) && wanted.iter().all(|a| addresses.contains(a));
    let fits = (expect.addresses.is_empty() || same(&expect.addresses))
        && (expect.among.is_empty() || addresses.iter().all(|address| expect.among.contains(address)))
        && expect.at_least.is_none_or(|n| found.len() as u64 >= n)
        && expect.contains.as_ref().is_none_or(|text| found.iter().any(|data| data.to_string().contains(text.as_str())));
    if fits { SampleOutcome::Ok } else { SampleOutcome::Expectation }
}

#[cfg(test)]
mod tests {
    use hickory_net::proto::rr::rdata::{A, CNAME, TXT};

    use super::*;

    fn records(list: &[[u8; 4]]) -> Vec<Record> {
        let name = absolute("www.example").unwrap();
        let alias = Record::from_rdata(name.clone(), 60, RData::CNAME(CNAME(absolute("web.example").unwrap())));
        let found = list.iter().map(|ip| Record::from_rdata(name.clone(), 60, RData::A(A((*ip).into()))));
        std::iter::once(alias).chain(found).collect()
    }

    fn ips(list: &[[u8; 4]]) -> Vec<IpAddr> {
        list.iter().map(|ip| (*ip).into()).collect()
    }

    #[test]
    fn each_expectation_is_held_against_the_records_of_the_type() {
        let two = records(&[[10, 0, 0, 1], [10, 0, 0, 2]]);
        let of = |expect: DnsExpect| judge(&expect, RecordType::A, ResponseCode::NoError, &two);
        let any = DnsExpect::default;
        assert_eq!(of(any()), SampleOutcome::Ok);
        assert_eq!(of(DnsExpect { addresses: ips(&[[10, 0, 0, 2], [10, 0, 0, 1]]), ..any() }), SampleOutcome::Ok);
        assert_eq!(of(DnsExpect { addresses: ips(&[[10, 0, 0, 1]]), ..any() }), SampleOutcome::Expectation);
        assert_eq!(of(DnsExpect { addresses: ips(&[[10, 0, 0, 1], [10, 0, 0, 2], [10, 0, 0, 3]]), ..any() }), SampleOutcome::Expectation);
        assert_eq!(of(DnsExpect { among: ips(&[[10, 0, 0, 1], [10, 0, 0, 2], [10, 0, 0, 3]]), ..any() }), SampleOutcome::Ok);
        assert_eq!(of(DnsExpect { among: ips(&[[10, 0, 0, 1]]), ..any() }), SampleOutcome::Expectation);
        assert_eq!(of(DnsExpect { at_least: Some(2), ..any() }), SampleOutcome::Ok);
        assert_eq!(of(DnsExpect { at_least: Some(3), ..any() }), SampleOutcome::Expectation);
        assert_eq!(of(DnsExpect { none: true, ..any() }), SampleOutcome::Expectation);
        let text = vec![Record::from_rdata(absolute("www.example").unwrap(), 60, RData::TXT(TXT::new(vec!["v=spf1 -all".to_owned()])))];
        let of = |part: &str| judge(&DnsExpect { contains: Some(part.to_owned()), ..any() }, RecordType::TXT, ResponseCode::NoError, &text);
        assert_eq!((of("spf1"), of("spf2")), (SampleOutcome::Ok, SampleOutcome::Expectation));
    }

    #[test]
    fn no_record_is_a_failure_unless_there_must_be_none_and_a_server_that_cannot_tell_is_one_always() {
        let none = DnsExpect { none: true, ..DnsExpect::default() };
        let alias_only = records(&[]);
        for (code, answers) in [(ResponseCode::NXDomain, vec![]), (ResponseCode::NoError, vec![]), (ResponseCode::NoError, alias_only)] {
            assert_eq!(judge(&DnsExpect::default(), RecordType::A, code, &answers), SampleOutcome::DnsFailed);
            assert_eq!(judge(&none, RecordType::A, code, &answers), SampleOutcome::Ok);
        }
        for code in [ResponseCode::ServFail, ResponseCode::Refused] {
            assert_eq!(judge(&DnsExpect::default(), RecordType::A, code, &records(&[[1, 2, 3, 4]])), SampleOutcome::DnsFailed);
            assert_eq!(judge(&none, RecordType::A, code, &[]), SampleOutcome::DnsFailed);
        }
    }
}

//! A page of `DescribeInstances`.
//!
//! EC2 tells some forty elements of an instance, 3 KB, and a drill reads ten. The SDK would hold the whole answer and make a tree of all of
//! it: most of what a drill of a thousand instances costs. So the SDK signs, sends and reads what AWS has against it; the list itself is read
//! here, and the SDK is given an empty one.

use std::{
    io::BufRead,
    sync::{Arc, Mutex, PoisonError},
};

use aws_sdk_ec2::{
    config::{ConfigBag, Intercept, RuntimeComponents, interceptors::BeforeDeserializationInterceptorContextMut},
    error::BoxError,
};
use aws_smithy_types::body::SdkBody;
use bytes::{Buf, Bytes};
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use jiff::Timestamp;
use quick_xml::{Reader, escape::resolve_xml_entity, events::Event};

use super::world::{Machine, Phase};

const EMPTY: &[u8] = b"<DescribeInstancesResponse></DescribeInstancesResponse>";

/// What a page said.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Told {
    pub(super) machines: Vec<Machine>,
    /// Where the next page begins; none on the last one.
    pub(super) next: Option<String>,
}

/// Takes the list from one call's answer: an interceptor of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Page(Arc<Mutex<Told>>);

impl Page {
    /// What the answer said.
    pub(super) fn told(&self) -> Told {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Intercept for Page {
    fn name(&self) -> &'static str {
        "Page"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let answer = context.response_mut();
        // An error is short, and the SDK's to read.
        if answer.status().is_success() {
            let list = answer.take_body();
            // It says how long the list is.
            answer.headers_mut().remove("content-length");
            let page = self.clone();
            *answer.body_mut() = SdkBody::from_body_1_x(StreamBody::new(stream::once(async move {
                let list = list.collect().await?.aggregate();
                let told = Answer::new(list.reader()).read()?;
                *page.0.lock().unwrap_or_else(PoisonError::into_inner) = told;
                Ok::<_, BoxError>(Frame::data(Bytes::from_static(EMPTY)))
            })));
        }
        Ok(())
    }
}

/// The answer, element by element.
struct Answer<R> {
    reader: Reader<R>,
    event: Vec<u8>,
}

/// The elements that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Element {
    Answer,
    Reservations,
    Item,
    Instances,
    Next,
    Id,
    Image,
    State,
    Name,
    Launched,
    Placement,
    Zone,
    Address,
    Reason,
    Subnet,
    Vpc,
    Tags,
    Key,
    Value,
    /// Any other.
    Other,
}

impl Element {
    fn named(name: &[u8]) -> Self {
        match name {
            b"DescribeInstancesResponse" => Self::Answer,
            b"reservationSet" => Self::Reservations,
            b"item" => Self::Item,
            b"instancesSet" => Self::Instances,
            b"nextToken" => Self::Next,
            b"instanceId" => Self::Id,
            b"imageId" => Self::Image,
            b"instanceState" => Self::State,
            b"name" => Self::Name,
            b"launchTime" => Self::Launched,
            b"placement" => Self::Placement,
            b"availabilityZone" => Self::Zone,
            b"privateIpAddress" => Self::Address,
            b"reason" => Self::Reason,
            b"subnetId" => Self::Subnet,
            b"vpcId" => Self::Vpc,
            b"tagSet" => Self::Tags,
            b"key" => Self::Key,
            b"value" => Self::Value,
            _ => Self::Other,
        }
    }
}

impl<R: BufRead> Answer<R> {
    fn new(list: R) -> Self {
        let mut reader = Reader::from_reader(list);
        reader.config_mut().expand_empty_elements = true;
        Self { reader, event: Vec::new() }
    }

    fn read(mut self) -> Result<Told, BoxError> {
        let mut told = Told::default();
        if self.child()? != Some(Element::Answer) {
            return Err("this is no answer to DescribeInstances".into());
        }
        while let Some(element) = self.child()? {
            match element {
                Element::Reservations => {
                    while self.child()?.is_some() {
                        self.reservation(&mut told.machines)?;
                    }
                }
                Element::Next => told.next = Some(self.text()?).filter(|token| !token.is_empty()),
                _ => self.skip()?,
            }
        }
        // To the last byte: only then does the connection serve again.
        while self.next()? != Event::Eof {}
        Ok(told)
    }

    fn reservation(&mut self, machines: &mut Vec<Machine>) -> Result<(), BoxError> {
        while let Some(element) = self.child()? {
            if element == Element::Instances {
                while self.child()?.is_some() {
                    let machine = self.machine()?;
                    machines.extend(Some(machine).filter(|machine| !machine.id.is_empty()));
                }
            } else {
                self.skip()?;
            }
        }
        Ok(())
    }

    fn machine(&mut self) -> Result<Machine, BoxError> {
        let mut machine = Machine::default();
        while let Some(element) = self.child()? {
            match element {
                Element::Id => machine.id = self.text()?,
                Element::Image => machine.image = self.text()?,
                Element::State => machine.state = Phase::read(&self.within(Element::Name)?),
                Element::Launched => {
                    machine.launched = self.text()?.parse::<Timestamp>().map_or(0, Timestamp::as_nanosecond);
                }
                Element::Placement => machine.zone = self.within(Element::Zone)?,
                Element::Address => machine.address = Some(self.text()?),
                Element::Reason => machine.because = self.text()?,
                Element::Subnet => machine.subnet = Some(self.text()?),
                Element::Vpc => machine.vpc = Some(self.text()?),
                Element::Tags => {
                    while self.child()?.is_some() {
                        let (key, value) = self.tag()?;
                        machine.tags.insert(key, value);
                    }
                }
                _ => self.skip()?,
            }
        }
        Ok(machine)
    }

    fn tag(&mut self) -> Result<(String, String), BoxError> {
        let (mut key, mut value) = (String::new(), String::new());
        while let Some(element) = self.child()? {
            match element {
                Element::Key => key = self.text()?,
                Element::Value => value = self.text()?,
                _ => self.skip()?,
            }
        }
        Ok((key, value))
    }

    /// The text of the one element of this kind in the one that has begun.
    fn within(&mut self, wanted: Element) -> Result<String, BoxError> {
        let mut text = String::new();
        while let Some(element) = self.child()? {
            if element == wanted {
                text = self.text()?;
            } else {
                self.skip()?;
            }
        }
        Ok(text)
    }

    /// The next element in the one that has begun; none when that one ends.
    fn child(&mut self) -> Result<Option<Element>, BoxError> {
        loop {
            match self.next()? {
                Event::Start(start) => return Ok(Some(Element::named(start.local_name().as_ref()))),
                Event::End(_) => return Ok(None),
                Event::Eof => return Err(cut_off()),
                _ => {}
            }
        }
    }

    /// What is written in the element that has begun.
    fn text(&mut self) -> Result<String, BoxError> {
        let mut text = String::new();
        loop {
            match self.next()? {
                Event::Text(part) => text.push_str(&part.xml10_content()?),
                Event::CData(part) => text.push_str(&part.xml10_content()?),
                Event::GeneralRef(part) => match part.resolve_char_ref()? {
                    Some(char) => text.push(char),
                    None => text.push_str(resolve_xml_entity(&part.decode()?).ok_or("an unknown entity")?),
                },
                Event::End(_) => return Ok(text),
                Event::Eof => return Err(cut_off()),
                _ => {}
            }
        }
    }

    /// Leaves the element that has begun.
    fn skip(&mut self) -> Result<(), BoxError> {
        let mut depth: usize = 1;
        while depth > 0 {
            match self.next()? {
                Event::Start(_) => depth += 1,
                Event::End(_) => depth -= 1,
                Event::Eof => return Err(cut_off()),
                _ => {}
            }
        }
        Ok(())
    }

    fn next(&mut self) -> Result<Event<'_>, BoxError> {
        self.event.clear();
        Ok(self.reader.read_event_into(&mut self.event)?)
    }
}

fn cut_off() -> BoxError {
    "the answer ends in the middle".into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">
  <requestId>fdcdcab1-ae5c-489e-9c33-4637c5dda355</requestId>
  <reservationSet>
    <item>
      <reservationId>r-1</reservationId>
      <groupSet/>
      <instancesSet>
        <item>
          <instanceId>i-1</instanceId>
          <imageId>ami-1</imageId>
          <instanceState><code>16</code><name>running</name></instanceState>
          <privateIpAddress>10.0.0.1</privateIpAddress>
          <reason/>
          <launchTime>2026-11-27T10:00:01.500Z</launchTime>
          <placement><availabilityZone>eu-west-1a</availabilityZone><tenancy>default</tenancy></placement>
          <subnetId>subnet-1</subnetId>
          <vpcId>vpc-1</vpcId>
          <networkInterfaceSet>
            <item><subnetId>subnet-9</subnetId><attachment><instanceId>i-9</instanceId></attachment></item>
          </networkInterfaceSet>
          <tagSet>
            <item><key>Name</key><value>cart &amp; &lt;shop&gt; &#65;</value></item>
            <item><key>empty</key><value/></item>
          </tagSet>
        </item>
        <item>
          <instanceId>i-2</instanceId>
          <instanceState><code>48</code><name>terminated</name></instanceState>
          <reason>User initiated (2026-11-27 16:01:02 GMT)</reason>
        </item>
      </instancesSet>
    </item>
    <item>
      <instancesSet><item><instanceId>i-3</instanceId></item></instancesSet>
    </item>
  </reservationSet>
  <nextToken>further</nextToken>
</DescribeInstancesResponse>
"#;

    fn read(list: &str) -> Result<Told, String> {
        Answer::new(list.as_bytes()).read().map_err(|error| error.to_string())
    }

    #[test]
    fn a_list_is_read() {
        let told = read(LIST).unwrap();
        let one = Machine {
            id: "i-1".to_owned(),
            state: Phase::Running,
            because: String::new(),
            image: "ami-1".to_owned(),
            launched: 1_795_773_601_500_000_000,
            zone: "eu-west-1a".to_owned(),
            subnet: Some("subnet-1".to_owned()),
            vpc: Some("vpc-1".to_owned()),
            address: Some("10.0.0.1".to_owned()),
            tags: [("Name", "cart & <shop> A"), ("empty", "")].map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        };
        let two = Machine {
            id: "i-2".to_owned(),
            state: Phase::Terminated,
            because: "User initiated (2026-11-27 16:01:02 GMT)".to_owned(),
            ..Machine::default()
        };
        let three = Machine { id: "i-3".to_owned(), ..Machine::default() };
        assert_eq!(told, Told { machines: vec![one, two, three], next: Some("further".to_owned()) });
        assert_eq!(Machine::default().state, Phase::Stopped, "who says nothing does not run");
    }

    #[test]
    fn what_is_no_list_or_not_all_of_one_is_an_error() {
        for end in (0..LIST.len() - 2).filter(|end| LIST.is_char_boundary(*end)) {
            assert!(read(&LIST[..end]).is_err(), "{end}");
        }
        assert_eq!(read("<html>proxy</html>").unwrap_err(), "this is no answer to DescribeInstances");
        assert!(read(&LIST.replace("&amp;", "&shop;")).unwrap_err().contains("unknown entity"));
        assert!(read(&LIST.replace("</vpcId>", "</vpc>")).is_err());
    }
}

//! A page of `DescribeNetworkInterfaces`: those that are no instance's, counted by their kind. An answer tells 2 KB of each, and nearly all are the
//! instances' own.

use std::collections::BTreeMap;

use aws_sdk_ec2::error::BoxError;

use super::walk::{Node, Shape};

/// What a page said.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct Interfaces {
    /// How many of each kind are attached to no instance: `nat_gateway`, `load_balancer`.
    pub(in super::super) others: BTreeMap<String, usize>,
    /// Where the next page begins; none on the last one.
    pub(in super::super) next: Option<String>,
    /// The one that is being told.
    kind: String,
    of_an_instance: bool,
}

/// What is read of it.
#[derive(Debug, Clone, Copy)]
pub(in super::super) enum What {
    Next,
    Interface,
    Kind,
    Instance,
}

const INTERFACE: &[Node<What>] =
    &[Node::text("interfaceType", What::Kind), Node::way("attachment", &[Node::text("instanceId", What::Instance)])];

impl Shape for Interfaces {
    type What = What;

    const CALL: &'static str = "DescribeNetworkInterfaces";
    const ROOT: &'static Node<What> = &Node::way(
        "DescribeNetworkInterfacesResponse",
        &[Node::way("networkInterfaceSet", &[Node::item("item", What::Interface, INTERFACE)]), Node::text("nextToken", What::Next)],
    );
    const EMPTY: &'static [u8] = b"<DescribeNetworkInterfacesResponse></DescribeNetworkInterfacesResponse>";

    fn text(&mut self, what: What, text: &str) -> Result<(), BoxError> {
        match what {
            What::Next => self.next = Some(text.to_owned()).filter(|token| !token.is_empty()),
            What::Kind => text.clone_into(&mut self.kind),
            What::Instance => self.of_an_instance = !text.is_empty(),
            What::Interface => {}
        }
        Ok(())
    }

    fn item(&mut self, _: What) {
        let kind = std::mem::take(&mut self.kind);
        if !std::mem::take(&mut self.of_an_instance) {
            let kind = if kind.is_empty() { "interface".to_owned() } else { kind };
            *self.others.entry(kind).or_default() += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::walk::tests, *};

    const LIST: &str = r#"<DescribeNetworkInterfacesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">
  <requestId>1</requestId>
  <networkInterfaceSet>
    <item>
      <networkInterfaceId>eni-1</networkInterfaceId><interfaceType>interface</interfaceType>
      <attachment><attachmentId>a-1</attachmentId><instanceId>i-1</instanceId><deviceIndex>0</deviceIndex></attachment>
      <tagSet><item><key>interfaceType</key><value>trunk</value></item></tagSet>
    </item>
    <item><interfaceType>nat_gateway</interfaceType><attachment><attachmentId>a-2</attachmentId></attachment></item>
    <item><attachment><instanceId>i-2</instanceId></attachment><interfaceType>efa</interfaceType></item>
    <item><interfaceType>nat_gateway</interfaceType></item>
    <item><networkInterfaceId>eni-5</networkInterfaceId><attachment><instanceId/></attachment></item>
  </networkInterfaceSet>
  <nextToken>further</nextToken>
</DescribeNetworkInterfacesResponse>
"#;

    #[test]
    fn who_is_no_instances_is_counted() {
        for size in [1, 7, 64, LIST.len()] {
            let told = tests::read(Interfaces::default(), LIST, size).unwrap();
            assert_eq!(told.others, BTreeMap::from([("interface".to_owned(), 1), ("nat_gateway".to_owned(), 2)]), "{size}");
            assert_eq!(told.next.as_deref(), Some("further"));
        }
        assert!(tests::read(Interfaces::default(), &LIST[..LIST.len() - 9], 64).is_err());
    }
}

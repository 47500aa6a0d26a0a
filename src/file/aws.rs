//! `platform: { aws: … }` of `firedrill.yaml`: whose account, which regions, which instances are the system.

use std::collections::BTreeMap;

use super::{
    diagnostic::Sink,
    escape::quote,
    lower::experiment::labels,
    read::{self, Fields},
    source::Span,
    suggest::{listed, nearest},
    table::{Kind, Table, key, must},
    yaml::Node,
};
use crate::model::{
    aws::{AwsMembers, AwsRole, AwsSpec, Tag},
    ids::{Region, Service},
};

const ONE_OR_MANY: Kind = Kind::Either(&[Kind::Text, Kind::List(&Kind::Text)]);

/// The keys of `aws`.
pub(super) static AWS: Table = Table::new(
    "`aws`",
    &[
        key("region", ONE_OR_MANY, "the region, or several; the one that the AWS command line would use when left out"),
        key("endpoint", Kind::Text, "where an emulator of AWS listens, like `http://127.0.0.1:4566`; AWS itself when left out"),
        key("profile", Kind::Text, "a profile of ~/.aws/config"),
        key("role", Kind::Either(&[Kind::Text, Kind::Table(&ROLE)]), "a role to assume, by its ARN"),
        key("account", Kind::Text, "the number of the account that must answer; another one is refused before anything is listed"),
        key("vpc", Kind::Text, "only instances of this VPC"),
        key("tags", Kind::Map(&Kind::Text), "only instances with all of these tags"),
        key("groups", ONE_OR_MANY, "only instances of these Auto Scaling groups"),
        key("services", Kind::Map(&MEMBERS_FORM), "what each service is made of; instances of no service are no targets then"),
        key(
            "service-tag",
            Kind::Text,
            "the tag that names an instance's service; when left out, its Elastic Beanstalk environment, else its Auto Scaling group",
        ),
        key(
            "health-checks",
            Kind::Map(&Kind::Text),
            "by region, the id of the Route 53 health check that sends users elsewhere: it fails while a `region-outage` of the region lasts",
        ),
        key(
            "abort-alarms",
            ONE_OR_MANY,
            "CloudWatch alarms: one that rings halts a run, which is then undone, and keeps another from beginning",
        ),
        key(
            "opt-in",
            Kind::Either(&[Kind::Bool, Kind::Text]),
            "the tag that an instance must carry to be chosen, like `drills=yes`; `firedrill:allowed=true` when left out; `false`: none",
        ),
    ],
);

static ROLE: Table = Table::new(
    "`role`",
    &[must("arn", Kind::Text, "the ARN of the role"), key("external-id", Kind::Text, "what the role's trust policy asks for")],
);

static MEMBERS_FORM: Kind = Kind::Table(&MEMBERS);

static MEMBERS: Table = Table::new(
    "a service on AWS",
    &[
        key("group", ONE_OR_MANY, "the instances of this Auto Scaling group (or several)"),
        key("target-group", ONE_OR_MANY, "the instances that are registered in this target group (or several)"),
        key("beanstalk", ONE_OR_MANY, "the instances of this Elastic Beanstalk environment (or several)"),
        key("tags", Kind::Map(&Kind::Text), "the instances with all of these tags"),
        key("vpc", Kind::Text, "the instances of this VPC"),
        key("database", ONE_OR_MANY, "this database of RDS (or several)"),
        key("cluster", ONE_OR_MANY, "this cluster of RDS, Aurora or Multi-AZ (or several)"),
        key("cache", ONE_OR_MANY, "this replication group of ElastiCache (or several)"),
        key("id", ONE_OR_MANY, "just these instances"),
    ],
)
.one_of(&["group", "target-group", "beanstalk", "tags", "vpc", "database", "cluster", "cache", "id"]);

/// Reads `aws`; empty settings mean every instance of the default region that carries the tag.
pub(super) fn aws(node: &Node, sink: &mut Sink) -> Option<AwsSpec> {
    if node.is_null() {
        return Some(AwsSpec::default());
    }
    let fields = Fields::new(node, &AWS, sink)?;
    let opt_in = if fields.has("opt-in") { fields.get("opt-in", sink, opt_in).unwrap_or(None) } else { AwsSpec::default().opt_in };
    let regions = fields.get("region", sink, regions).unwrap_or_default();
    let health_checks = fields.get("health-checks", sink, |node, sink| health_checks(node, &regions, sink)).unwrap_or_default();
    Some(AwsSpec {
        regions,
        health_checks,
        endpoint: fields.get("endpoint", sink, endpoint),
        profile: fields.get("profile", sink, filled),
        role: fields.get("role", sink, role),
        account: fields.get("account", sink, account),
        vpc: fields.get("vpc", sink, vpc),
        tags: fields.get("tags", sink, tags).unwrap_or_default(),
        groups: fields.get("groups", sink, names).unwrap_or_default(),
        services: fields.get("services", sink, services).unwrap_or_default(),
        abort_alarms: fields.get("abort-alarms", sink, names).unwrap_or_default(),
        service_tag: fields.get("service-tag", sink, filled),
        opt_in,
    })
}

/// One line that is not empty.
fn filled(node: &Node, sink: &mut Sink) -> Option<String> {
    let text = read::line(node, sink)?;
    if text.trim().is_empty() {
        sink.error(node.span, "there is nothing here").expected("a name; or no key at all");
        return None;
    }
    Some(text.to_owned())
}

/// One or several names, each once.
fn names(node: &Node, sink: &mut Sink) -> Option<Vec<String>> {
    let nodes = read::one_or_many(node);
    if nodes.is_empty() {
        sink.error(node.span, "the list is empty, and would match nothing").expected("at least one name");
        return None;
    }
    let mut all: Vec<String> = Vec::new();
    for node in nodes {
        let Some(name) = filled(node, sink) else { continue };
        if all.contains(&name) {
            sink.error(node.span, format!("{} is listed twice", quote(&name))).expected("each once");
            continue;
        }
        all.push(name);
    }
    Some(all)
}

fn regions(node: &Node, sink: &mut Sink) -> Option<Vec<Region>> {
    let all = names(node, sink)?;
    for (name, node) in all.iter().zip(read::one_or_many(node)) {
        region(name, node.span, sink);
    }
    Some(all.into_iter().map(Region).collect())
}

/// Whether it can be the name of a region; reported when it cannot.
fn region(name: &str, span: Span, sink: &mut Sink) -> bool {
    let fine = |name: &str| {
        let (place, number) = name.rsplit_once('-').unwrap_or_default();
        let words: Vec<&str> = place.split('-').collect();
        words.len() >= 2
            && words.iter().all(|w| !w.is_empty() && w.bytes().all(|b| b.is_ascii_lowercase()))
            && !number.is_empty()
            && number.bytes().all(|b| b.is_ascii_digit())
    };
    if fine(name) {
        return true;
    }
    let what = if name.strip_suffix(|c: char| c.is_ascii_lowercase()).is_some_and(fine) { "a zone, not a region" } else { "no region" };
    sink.error(span, format!("{} is {what}", quote(name))).expected("a region like `eu-west-1`");
    false
}

/// A health check for each region, of those that the environment is in.
fn health_checks(node: &Node, regions: &[Region], sink: &mut Sink) -> Option<BTreeMap<Region, String>> {
    let entries = read::map(node, "the ids of health checks by region", sink)?;
    if entries.is_empty() {
        sink.error(node.span, "there are no health checks").expected("at least one, like `eu-west-1: ID`; or no `health-checks`");
    }
    let mut all: BTreeMap<Region, String> = BTreeMap::new();
    for entry in entries {
        if !region(&entry.key, entry.key_span, sink) {
            continue;
        }
        if !regions.is_empty() && !regions.iter().any(|known| known.as_str() == entry.key) {
            let known = || regions.iter().map(Region::as_str);
            sink.error(entry.key_span, format!("the environment is not in the region {}", quote(&entry.key)))
                .expected(listed(known(), "or"))
                .nearest(nearest(&entry.key, known()));
        }
        let Some(id) = filled(&entry.value, sink) else { continue };
        if id.len() > 64 || !id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            sink.error(entry.value.span, format!("{} is not the id of a health check", quote(&id)))
                .expected("an id like `3f1c2b9a-0d4e-4c55-9a61-7f20c1d2e3f4`");
        } else if let Some((other, _)) = all.iter().find(|(_, known)| **known == id) {
            sink.error(entry.value.span, format!("this health check stands for the region {other} already"))
                .expected("a health check of its own for each region");
        }
        all.insert(Region(entry.key.clone()), id);
    }
    Some(all)
}

/// Signed requests carry a session's token: in the clear they go no further than this machine.
fn endpoint(node: &Node, sink: &mut Sink) -> Option<String> {
    let text = filled(node, sink)?;
    let url = url::Url::parse(&text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let Some(host) = url.as_ref().and_then(url::Url::host) else {
        sink.error(node.span, format!("{} is no address of an endpoint", quote(&text))).expected("a URL like `http://127.0.0.1:4566`");
        return None;
    };
    let here = match host {
        url::Host::Ipv4(ip) => ip.is_loopback(),
        url::Host::Ipv6(ip) => ip.is_loopback(),
        url::Host::Domain(name) => name == "localhost",
    };
    if url.as_ref().is_some_and(|url| url.scheme() == "http") && !here {
        sink.error(node.span, "credentials would go over the network in the clear").expected("`https://`, or an endpoint on this machine");
    }
    Some(text)
}

fn role(node: &Node, sink: &mut Sink) -> Option<AwsRole> {
    let (arn_node, external_id) = if let Some(_short) = node.text() {
        (node, None)
    } else {
        let fields = Fields::new(node, &ROLE, sink)?;
        (fields.node("arn")?, fields.get("external-id", sink, filled))
    };
    let arn = filled(arn_node, sink)?;
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let fine = matches!(parts[..], ["arn", partition, "iam", "", account, role]
        if partition.starts_with("aws") && is_account(account) && role.strip_prefix("role/").is_some_and(|name| !name.is_empty()));
    if !fine {
        sink.error(arn_node.span, format!("{} is not the ARN of a role", quote(&arn)))
            .expected("a role like `arn:aws:iam::123456789012:role/drills`");
    }
    Some(AwsRole { arn, external_id })
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

fn account(node: &Node, sink: &mut Sink) -> Option<String> {
    let text = filled(node, sink)?;
    if !is_account(&text) {
        sink.error(node.span, format!("{} is not the number of an account", quote(&text))).expected("twelve digits like \"123456789012\"");
    }
    Some(text)
}

/// The id of a resource: its prefix and hexadecimal digits.
fn resource(node: &Node, prefix: &str, what: &str, sink: &mut Sink) -> Option<String> {
    let text = filled(node, sink)?;
    let hex = |rest: &str| (8..=17).contains(&rest.len()) && rest.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if !text.strip_prefix(prefix).is_some_and(hex) {
        sink.error(node.span, format!("{} is not the id of {what}", quote(&text)))
            .expected(format!("an id like `{prefix}0123456789abcdef0`"));
    }
    Some(text)
}

fn vpc(node: &Node, sink: &mut Sink) -> Option<String> {
    resource(node, "vpc-", "a VPC", sink)
}

fn tags(node: &Node, sink: &mut Sink) -> Option<BTreeMap<String, String>> {
    let all = labels(node, sink)?;
    if all.is_empty() {
        sink.error(node.span, "no tag at all matches everything").expected("at least one tag; or no key at all");
    }
    Some(all)
}

fn services(node: &Node, sink: &mut Sink) -> Option<BTreeMap<Service, AwsMembers>> {
    let mut all = BTreeMap::new();
    let entries = read::map(node, "services by name", sink)?;
    if entries.is_empty() {
        sink.error(node.span, "there are no services").expected("at least one, like `web: { group: shop-web }`; or no `services`");
    }
    for entry in entries {
        let name = read::name(&entry.key, entry.key_span, sink);
        let members = members(&entry.value, sink);
        if let (Some(name), Some(members)) = (name, members) {
            all.insert(Service(name), members);
        }
    }
    Some(all)
}

fn members(node: &Node, sink: &mut Sink) -> Option<AwsMembers> {
    if node.text().is_some() || node.is_null() {
        return read::wrong(node, "what the service is made of, like `{ group: shop-web }` or `{ target-group: shop }`", sink);
    }
    let fields = Fields::new(node, &MEMBERS, sink)?;
    if fields.has("group") {
        return fields.get("group", sink, names).map(AwsMembers::Groups);
    }
    if fields.has("target-group") {
        return fields.get("target-group", sink, names).map(AwsMembers::TargetGroups);
    }
    if fields.has("beanstalk") {
        return fields.get("beanstalk", sink, names).map(AwsMembers::Beanstalk);
    }
    if fields.has("database") {
        return fields.get("database", sink, names).map(AwsMembers::Databases);
    }
    if fields.has("cluster") {
        return fields.get("cluster", sink, names).map(AwsMembers::Clusters);
    }
    if fields.has("cache") {
        return fields.get("cache", sink, names).map(AwsMembers::Caches);
    }
    if fields.has("tags") {
        return fields.get("tags", sink, tags).map(AwsMembers::Tags);
    }
    if fields.has("vpc") {
        return fields.get("vpc", sink, vpc).map(AwsMembers::Vpc);
    }
    let ids = fields.get("id", sink, |node, sink| {
        let all = names(node, sink)?;
        for node in read::one_or_many(node) {
            resource(node, "i-", "an instance", sink);
        }
        Some(all)
    })?;
    Some(AwsMembers::Ids(ids.into_iter().map(Into::into).collect()))
}

/// The tag to ask for: `KEY=VALUE`, or `true` for the usual one, or `false` for none.
#[expect(clippy::option_option, reason = "`None` is an error that was reported, `Some(None)` is `false`")]
fn opt_in(node: &Node, sink: &mut Sink) -> Option<Option<Tag>> {
    match node.text() {
        Some("true") => return Some(AwsSpec::default().opt_in),
        Some("false") => return Some(None),
        _ => {}
    }
    let text = filled(node, sink)?;
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() && !value.trim().is_empty() => {
            Some(Some(Tag { key: key.trim().to_owned(), value: value.trim().to_owned() }))
        }
        _ => {
            sink.error(node.span, format!("{} is not a tag with its value", quote(&text)))
                .expected("`KEY=VALUE` like `drills=yes`; or `false`, when no tag is asked for");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::{source::Source, yaml};

    fn read(text: &str) -> Result<AwsSpec, String> {
        let source = Source::new("firedrill.yaml", text);
        let mut sink = Sink::new(&source);
        let node = yaml::parse(&source, &mut sink);
        let spec = node.and_then(|node| aws(&node, &mut sink));
        let findings = sink.finish();
        if findings.has_errors() { Err(findings.to_string()) } else { Ok(spec.unwrap_or_default()) }
    }

    #[test]
    fn nothing_said_still_asks_for_the_tag() {
        let spec = read("profile: staging").unwrap();
        assert_eq!(spec.opt_in.unwrap().to_string(), "firedrill:allowed=true");
        assert_eq!(read("opt-in: false").unwrap().opt_in, None);
        assert_eq!(read("opt-in: team = drills").unwrap().opt_in.unwrap().to_string(), "team=drills");
    }

    #[test]
    fn services_are_made_of_what_aws_has() {
        let spec = read(
            "region: [eu-west-1, us-east-1]\nservices:\n  web: { group: Shop-Web }\n  api: { target-group: [a, b] }\n  blog: { beanstalk: blog-prod }\n  \
             db: { tags: { role: db } }\n  one: { id: i-0123456789abcdef0 }\n",
        )
        .unwrap();
        assert_eq!(spec.regions.len(), 2);
        assert_eq!(spec.services[&Service::from("web")], AwsMembers::Groups(vec!["Shop-Web".to_owned()]));
        assert_eq!(spec.services.len(), 5);
    }

    #[test]
    fn an_endpoint_in_the_clear_is_on_this_machine() {
        assert!(read("endpoint: http://127.0.0.1:4566").is_ok() && read("endpoint: https://aws.example").is_ok());
        let error = read("endpoint: http://aws.example").unwrap_err();
        assert!(error.contains("in the clear"), "{error}");
    }
}

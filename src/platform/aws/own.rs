//! The instance that this process runs on, if it runs on one: it is never a target. No request is made for it.

use std::sync::OnceLock;

/// Where the hypervisor of EC2 shows a machine its own id.
const ASSET_TAG: &str = "/sys/devices/virtual/dmi/id/board_asset_tag";

/// Its id.
pub(super) fn instance() -> Option<&'static str> {
    static OWN: OnceLock<Option<String>> = OnceLock::new();
    OWN.get_or_init(|| std::fs::read_to_string(ASSET_TAG).ok().and_then(|text| id(&text))).as_deref()
}

fn id(text: &str) -> Option<String> {
    let text = text.trim();
    let digits = text.strip_prefix("i-")?;
    (digits.len() >= 8 && digits.bytes().all(|b| b.is_ascii_hexdigit())).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    #[test]
    fn only_an_id_is_an_id() {
        assert_eq!(super::id("i-0123456789abcdef0\n").as_deref(), Some("i-0123456789abcdef0"));
        assert_eq!(super::id("Default string"), None);
        assert_eq!(super::id("i-"), None);
    }
}

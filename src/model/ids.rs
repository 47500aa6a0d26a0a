//! Names and ids, each a type of its own, so that a zone cannot be passed where a service is wanted.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text)
            }
        }
    };
}

name_type!(
    /// What a platform calls one instance, unique in its scope (`web-a-1`, a container's full id, `i-0abc…`).
    InstanceId
);
name_type!(
    /// A service: instances that do the same job.
    Service
);
name_type!(
    /// An availability zone, as declared or labelled.
    Zone
);
name_type!(
    /// A region: a set of zones.
    Region
);
name_type!(
    /// A probe's name in the experiment file.
    ProbeName
);
name_type!(
    /// A run: `YYYYMMDD-HHMMSS-xxxxxx` (UTC and six random letters), also the name of its folder.
    RunId
);
name_type!(
    /// A target scope: what the lock of a run is keyed by (engine id + project, account + region + group, machine + boot id).
    Scope
);

impl InstanceId {
    /// The id as a person reads it: of a container's 64 digits the first 12, as its own tools show it; any other whole.
    pub fn short(&self) -> &str {
        let of_container = self.0.len() == 64 && self.0.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if of_container { &self.0[..12] } else { &self.0 }
    }

    /// Whether a text names it: the whole id, or the short one.
    pub fn is_meant_by(&self, text: &str) -> bool {
        text == self.0 || text == self.short()
    }
}

/// One act of a run: the step it belongs to (from 1, in file order) and its number inside that step (from 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct ActId {
    /// The step of the method, from 1.
    pub step: u32,
    /// The act inside the step, from 1.
    pub act: u32,
}

impl fmt::Display for ActId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.step, self.act)
    }
}

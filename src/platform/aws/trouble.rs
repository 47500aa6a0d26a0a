//! What a call of the API may come to, other than its answer. The one place that reads the SDK's errors and AWS's codes.

use std::error::Error as StdError;

use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};

use crate::{file::escape::safe, platform::PlatformError};

/// The longest text of AWS's that is shown: an encoded authorization message alone may have thousands of letters.
const LONGEST: usize = 300;

/// Why a call has no answer that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// There are no credentials, they are not accepted, or they have run out.
    #[error("{0}")]
    Credentials(String),
    /// These credentials may not do it.
    #[error("access denied to {action}: {says}")]
    Denied {
        /// What was asked, as a policy names it: `ec2:TerminateInstances`.
        action: &'static str,
        /// AWS's words.
        says: String,
    },
    /// What it is about is not there.
    #[error("{0}")]
    Gone(String),
    /// It is there, and in a state in which this cannot be done now.
    #[error("{0}")]
    Conflict(String),
    /// A quota is reached.
    #[error("{0}")]
    Quota(String),
    /// Asked too often, until our patience ended. Nothing was done.
    #[error("{0}")]
    Throttled(String),
    /// AWS said no, for another reason.
    #[error("{0}")]
    Refused(String),
    /// It cannot be reached at all. Nothing was done.
    #[error("{0}")]
    Unreachable(String),
    /// It failed at AWS: it may or may not have been done.
    #[error("{0}")]
    Failed(String),
    /// No answer came: it may or may not have been done.
    #[error("{0}")]
    Lost(String),
}

impl Trouble {
    /// Whether it is known that nothing was done.
    pub fn nothing_done(&self) -> bool {
        !matches!(self, Self::Failed(_) | Self::Lost(_))
    }

    /// Whether the same call may come to something else in a moment.
    pub fn passes(&self) -> bool {
        matches!(self, Self::Throttled(_) | Self::Failed(_) | Self::Lost(_) | Self::Unreachable(_))
    }
}

impl From<Trouble> for PlatformError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Credentials(says) | Trouble::Unreachable(says) => Self::Unavailable(says),
            Trouble::Denied { .. } | Trouble::Gone(_) | Trouble::Refused(_) | Trouble::Quota(_) => Self::Refused(trouble.to_string()),
            Trouble::Conflict(_) | Trouble::Throttled(_) | Trouble::Failed(_) | Trouble::Lost(_) => Self::Failed(trouble.to_string()),
        }
    }
}

/// Codes of AWS that say "not so often".
const THROTTLING: [&str; 11] = [
    "RequestLimitExceeded",
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestThrottled",
    "RequestThrottledException",
    "TooManyRequestsException",
    "EC2ThrottledException",
    "SlowDown",
    "BandwidthLimitExceeded",
    "PriorRequestNotComplete",
];
const EXPIRED: [&str; 4] = ["ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"];
const UNKNOWN_CREDENTIALS: [&str; 7] = [
    "AuthFailure",
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "SignatureDoesNotMatch",
    "MissingAuthenticationToken",
    "IncompleteSignature",
    "InvalidAccessKeyId",
];
const DENIED: [&str; 4] = ["UnauthorizedOperation", "AccessDenied", "AccessDeniedException", "NotAuthorized"];
const BUSY: [&str; 8] = [
    "ResourceContention",
    "ScalingActivityInProgress",
    "IncorrectInstanceState",
    "IncorrectState",
    "DependencyViolation",
    "ConcurrentModification",
    "HealthCheckVersionMismatch",
    "ConflictException",
];

/// The words for a call that was understood and answered with an error.
fn answered(action: &'static str, status: u16, code: &str, message: &str) -> Trouble {
    let message = short(message);
    let says = if message.is_empty() { format!("{action}: {code}") } else { format!("{action}: {message} ({code})") };
    let is = |codes: &[&str]| codes.contains(&code);
    if is(&THROTTLING) {
        return Trouble::Throttled(format!("AWS answers that it is asked too often: {says}"));
    }
    if is(&EXPIRED) {
        return Trouble::Credentials(format!("the AWS credentials have expired: {says}"));
    }
    if is(&UNKNOWN_CREDENTIALS) {
        return Trouble::Credentials(format!("AWS does not accept the credentials (or not in this region): {says}"));
    }
    if is(&DENIED) {
        return Trouble::Denied { action, says: if message.is_empty() { code.to_owned() } else { message } };
    }
    if is(&BUSY) {
        return Trouble::Conflict(says);
    }
    let gone = ["NotFound", "NotFoundException", "NotFoundFault"].iter().any(|end| code.ends_with(end));
    if gone || code == "NoSuchHealthCheck" {
        return Trouble::Gone(says);
    }
    if code.ends_with("LimitExceeded") || code.ends_with("LimitExceededException") {
        return Trouble::Quota(says);
    }
    if status >= 500 || matches!(code, "InternalError" | "InternalFailure" | "Unavailable" | "ServiceUnavailable") {
        return Trouble::Failed(format!("AWS failed: {says}"));
    }
    Trouble::Refused(says)
}

/// What an error of the SDK means. `place` names where it was asked.
pub fn read<E>(action: &'static str, place: &str, error: &SdkError<E>) -> Trouble
where
    E: StdError + ProvideErrorMetadata + 'static,
{
    let status = error.raw_response().map(|response| response.status().as_u16());
    match error {
        SdkError::ServiceError(service) => {
            let code = service.err().code();
            match (code, status.unwrap_or_default()) {
                (Some(code), status) => answered(action, status, code, service.err().message().unwrap_or_default()),
                (None, status) if status >= 500 => Trouble::Failed(format!("{action} in {place} failed at AWS with status {status}")),
                (None, status) => Trouble::Refused(format!("{action} in {place} was answered with status {status} and no reason")),
            }
        }
        // What is not XML: the page of a proxy, or of an emulator that has not got this call.
        SdkError::ResponseError(_) => {
            let status = status.unwrap_or_default();
            let says = format!("{action} in {place} got an answer (status {status}) that is not AWS's");
            if status >= 500 { Trouble::Failed(says) } else { Trouble::Lost(says) }
        }
        SdkError::TimeoutError(_) => Trouble::Lost(format!("{action} in {place} was not answered in time")),
        SdkError::ConstructionFailure(_) => Trouble::Refused(format!("{action} cannot be asked so: {}", causes(error))),
        SdkError::DispatchFailure(failure) => {
            let why = causes(error);
            if no_credentials(&why) {
                return Trouble::Credentials(format!("there are no AWS credentials: {why}"));
            }
            let never_sent = failure.as_connector_error().is_some_and(|error| {
                error.is_user() || why.contains("dns error") || why.contains("tcp connect error") || why.contains("Connection refused")
            });
            if never_sent {
                return Trouble::Unreachable(format!("AWS in {place} cannot be reached: {why}"));
            }
            Trouble::Lost(format!("{action} in {place} was cut off: {why}"))
        }
        _ => Trouble::Lost(format!("{action} in {place}: {}", causes(error))),
    }
}

/// Whether it failed before anything was sent, because nobody gave credentials.
fn no_credentials(why: &str) -> bool {
    ["no providers in chain", "credential", "Credential", "SSO", "the profile", "ProfileFile"].iter().any(|word| why.contains(word))
}

/// The causes of an error, each once.
fn causes(error: &(dyn StdError + 'static)) -> String {
    let mut said: Vec<String> = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = short(&cause.to_string());
        if said.last() != Some(&text) && !text.is_empty() {
            said.push(text);
        }
        next = cause.source();
    }
    if said.is_empty() { short(&error.to_string()) } else { said.join(": ") }
}

/// Text of AWS's: one line without what a terminal obeys, and not too long.
pub fn short(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut out: String = safe(&line).chars().take(LONGEST).collect();
    if line.chars().count() > LONGEST {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_told_apart() {
        let of = |status, code: &str| answered("ec2:X", status, code, "words");
        assert!(matches!(of(503, "RequestLimitExceeded"), Trouble::Throttled(_)));
        assert!(matches!(of(400, "InstanceLimitExceeded"), Trouble::Quota(_)));
        assert!(matches!(of(400, "InvalidInstanceID.NotFound"), Trouble::Gone(_)));
        assert!(matches!(of(400, "ExpiredToken"), Trouble::Credentials(_)));
        assert!(matches!(of(500, "InternalError"), Trouble::Failed(_)));
        assert!(matches!(of(400, "ScalingActivityInProgress"), Trouble::Conflict(_)));
        assert!(matches!(of(400, "ValidationError"), Trouble::Refused(_)));
        let denied = of(403, "UnauthorizedOperation");
        assert_eq!(denied.to_string(), "access denied to ec2:X: words");
        assert!(denied.nothing_done() && !denied.passes());
        assert!(!of(500, "InternalError").nothing_done());
    }

    #[test]
    fn texts_of_others_are_shown_in_one_short_line() {
        assert_eq!(short("a\n  b\u{1b}[31m"), "a b\\u{1b}[31m");
        assert_eq!(short(&"x".repeat(400)).chars().count(), LONGEST + 1);
    }
}

//! Regular expressions of tolerances, with a bound on what they cost.

/// The most bytes of an expression.
const LONGEST: usize = 4096;

/// An expression, ready to be looked for.
///
/// # Errors
/// Words on what is not right, or not carried: Python has forms (looking ahead and behind, repeating a group) that are not here.
pub fn compile(pattern: &str) -> Result<regex_lite::Regex, String> {
    if pattern.len() > LONGEST {
        return Err(format!("it is longer than {LONGEST} bytes"));
    }
    regex_lite::RegexBuilder::new(pattern).size_limit(1 << 20).build().map_err(|error| error.to_string())
}

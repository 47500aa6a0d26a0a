//! Texts with `${name}` in them: where the pieces are. What a name stands for is for others to say.

/// One piece of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'t> {
    /// Text as it stands.
    Text(&'t str),
    /// The name in `${name}`.
    Var(&'t str),
    /// `${` without `}`: the rest of the text is not looked at.
    Open,
}

/// The pieces of a text, in order. `$${` writes `${`.
pub fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('$') {
            out.push(Piece::Text(&rest[..at - 1]));
            out.push(Piece::Text("${"));
            rest = &rest[at + 2..];
            continue;
        }
        out.push(Piece::Text(&rest[..at]));
        let Some(end) = rest[at..].find('}') else {
            out.push(Piece::Open);
            return out;
        };
        out.push(Piece::Var(rest[at + 2..at + end].trim()));
        rest = &rest[at + end + 1..];
    }
    out.push(Piece::Text(rest));
    out
}

/// The text with each name's value in its place. A name without a value is left out, and so is what is behind an open `${`.
pub fn fill(text: &str, value: impl Fn(&str) -> String) -> String {
    let part = |piece| match piece {
        Piece::Text(text) => text.to_owned(),
        Piece::Var(name) => value(name),
        Piece::Open => String::new(),
    };
    pieces(text).into_iter().map(part).collect()
}

/// The names in a text, in order.
pub fn names(text: &str) -> impl Iterator<Item = &str> {
    pieces(text).into_iter().filter_map(|piece| if let Piece::Var(name) = piece { Some(name) } else { None })
}

/// A text so written that nothing in it is a name.
pub fn escape(text: &str) -> String {
    text.replace("${", "$${")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_filled_and_escapes_are_not() {
        let filled = |text| fill(text, |name| format!("<{name}>"));
        assert_eq!(filled("a ${ b } $${c} ${d}${e}"), "a <b> ${c} <d><e>");
        assert_eq!(filled("${a} ${open"), "<a> ");
        assert_eq!(filled(&escape("${a}")), "${a}");
        assert_eq!(names("${a}/$${b}/${c}").collect::<Vec<_>>(), ["a", "c"]);
    }
}

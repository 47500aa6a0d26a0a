//! Walks through an XML answer whose pieces come one after the other, along a tree of the names that are of interest.
//!
//! Only the elements that are open are held, and the last markup when a piece ends in the middle of it.

use aws_sdk_ec2::error::BoxError;
use quick_xml::{Error, Reader, escape::resolve_xml_entity, events::Event};

/// The longest markup, and text before it, that is waited for. Nothing that AWS lists comes near.
const LONGEST: usize = 1 << 20;

/// An element that is of interest. Others, and what is in them, are passed over.
#[derive(Debug)]
pub(in super::super) struct Node<W: 'static> {
    pub(super) name: &'static str,
    /// What it is to whoever reads; none when it only leads to others.
    pub(super) what: Option<W>,
    /// None in one whose text is read.
    pub(super) children: &'static [Node<W>],
    /// One of a long list, which may be known from an earlier answer.
    kept: bool,
}

impl<W> Node<W> {
    /// Leads to others.
    pub(super) const fn way(name: &'static str, children: &'static [Self]) -> Self {
        Self { name, what: None, children, kept: false }
    }

    /// One of a list: its end is told.
    pub(super) const fn item(name: &'static str, what: W, children: &'static [Self]) -> Self {
        Self { name, what: Some(what), children, kept: false }
    }

    /// One of a long list: whoever reads may know it, and is told the bytes that it had. There is none in another one.
    pub(super) const fn kept(name: &'static str, what: W, children: &'static [Self]) -> Self {
        Self { name, what: Some(what), children, kept: true }
    }

    /// Its text is told.
    pub(super) const fn text(name: &'static str, what: W) -> Self {
        Self { name, what: Some(what), children: &[], kept: false }
    }
}

/// What is made of an answer.
pub(in super::super) trait Shape: std::fmt::Debug + Clone + Send + Sync + 'static {
    /// The elements of interest.
    type What: Copy + Send + Sync + 'static;

    /// The call.
    const CALL: &'static str;
    /// The root of an answer to it.
    const ROOT: &'static Node<Self::What>;
    /// An answer with nothing in it.
    const EMPTY: &'static [u8];

    /// The text of an element, at its end.
    fn text(&mut self, what: Self::What, text: &str) -> Result<(), BoxError>;

    /// All of an item was told.
    fn item(&mut self, what: Self::What);

    /// One that is kept has begun, and these bytes follow. If it is known it is taken as if it were told; the answer is how long it is, with its end.
    fn known(&mut self, rest: &[u8]) -> Option<usize> {
        let _ = rest;
        None
    }

    /// All that followed the beginning of the one that is kept and was told last, with its end; none when it came in more than one piece.
    fn bytes(&mut self, bytes: Option<&[u8]>) {
        let _ = bytes;
    }
}

/// How far one answer is read.
pub(super) struct Walk<S: Shape> {
    /// What has come and is not read yet.
    rest: Vec<u8>,
    /// The elements of interest that are open.
    open: Vec<&'static Node<S::What>>,
    /// One of no interest is open in them, the last of `names`; more than one where it is in one of its own name.
    passed: usize,
    /// The names of all that are open, one behind the other, and where each begins.
    names: Vec<u8>,
    begins: Vec<usize>,
    text: String,
    /// How much was left to read where the kept item began that is open; none when it was in an earlier piece.
    kept: Option<usize>,
    over: bool,
}

impl<S: Shape> Default for Walk<S> {
    fn default() -> Self {
        Self {
            rest: Vec::new(),
            open: Vec::new(),
            passed: 0,
            names: Vec::new(),
            begins: Vec::new(),
            text: String::new(),
            kept: None,
            over: false,
        }
    }
}

impl<S: Shape> Walk<S> {
    /// The next piece.
    ///
    /// # Errors
    /// When this is no answer to the call.
    pub(super) fn piece(&mut self, piece: &[u8], told: &mut S) -> Result<(), BoxError> {
        let (mut held, mut piece) = (std::mem::take(&mut self.rest), piece);
        if !held.is_empty() {
            // The markup that was cut, alone: what follows it is read where it lies.
            let (first, further) = piece.split_at(memchr::memchr(b'>', piece).map_or(piece.len(), |at| at + 1));
            held.extend_from_slice(first);
            piece = further;
            let read = self.whole(&held, told)?;
            held.drain(..read);
            if !held.is_empty() {
                // It goes on behind that, as a comment may.
                held.extend_from_slice(std::mem::take(&mut piece));
                let read = self.whole(&held, told)?;
                held.drain(..read);
            }
        }
        let read = self.whole(piece, told)?;
        held.extend_from_slice(&piece[read..]);
        self.rest = held;
        if self.rest.len() > LONGEST {
            return Err(format!("an element of the answer to {} has no end", S::CALL).into());
        }
        Ok(())
    }

    /// The last piece has come.
    ///
    /// # Errors
    /// When that was not all.
    pub(super) fn end(self) -> Result<(), BoxError> {
        if self.over && self.rest.iter().all(u8::is_ascii_whitespace) { Ok(()) } else { Err("the answer ends in the middle".into()) }
    }

    /// Reads up to the last markup that is there: behind it there is no half of a text, of an entity or of a character. Says how far.
    fn whole(&mut self, pieces: &[u8], told: &mut S) -> Result<usize, BoxError> {
        match memchr::memrchr(b'>', pieces) {
            Some(last) => self.read(&pieces[..=last], told),
            None => Ok(0),
        }
    }

    fn read(&mut self, pieces: &[u8], told: &mut S) -> Result<usize, BoxError> {
        self.kept = None;
        let mut reader = Reader::from_reader(pieces);
        let config = reader.config_mut();
        // What is open began in an earlier piece, perhaps: `close` checks it.
        config.check_end_names = false;
        config.allow_unmatched_ends = true;
        // What was gone ahead of the reader, which may be done where an element began or ended.
        let (mut ahead, mut may) = (0, true);
        loop {
            if may {
                let to = self.ahead(reader.get_ref(), pieces, told)?;
                ahead += reader.get_ref().len() - to.len();
                *reader.get_mut() = to;
            }
            let before = usize::try_from(reader.buffer_position())? + ahead;
            let event = reader.read_event();
            may = matches!(event, Ok(Event::Start(_) | Event::Empty(_) | Event::End(_)));
            match event {
                Ok(Event::Start(start)) => self.begin(start.name().as_ref(), start.local_name().as_ref())?,
                Ok(Event::Empty(empty)) => {
                    self.begin(empty.name().as_ref(), empty.local_name().as_ref())?;
                    self.close(empty.name().as_ref(), told)?;
                }
                Ok(Event::End(end)) => self.close(end.name().as_ref(), told)?,
                Ok(Event::Text(part)) if self.reads() => self.text.push_str(&part.xml10_content()?),
                Ok(Event::CData(part)) if self.reads() => self.text.push_str(&part.xml10_content()?),
                Ok(Event::GeneralRef(part)) if self.reads() => match part.resolve_char_ref()? {
                    Some(char) => self.text.push(char),
                    None => self.text.push_str(resolve_xml_entity(&part.decode()?).ok_or("an unknown entity")?),
                },
                Ok(Event::Eof) => return Ok(pieces.len()),
                Ok(_) => {}
                // The markup does not end with this `>`, as a comment may not.
                Err(Error::Syntax(_)) => return Ok(before),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Goes ahead to where there is something for the reader: nearly all that AWS lists is elements without attributes, plain texts, and line ends
    /// between elements. `rest` is the end of `pieces`.
    fn ahead<'p>(&mut self, mut rest: &'p [u8], pieces: &'p [u8], told: &mut S) -> Result<&'p [u8], BoxError> {
        loop {
            if self.passed > 0 {
                rest = self.pass(rest);
            }
            if self.reads() {
                let Some(text) = self.plain(rest) else { return Ok(rest) };
                self.text.push_str(std::str::from_utf8(text)?);
                rest = &rest[text.len() + self.name().len() + b"</>".len()..];
                self.closed(told, None)?;
            }
            rest = &rest[memchr::memchr(b'<', rest).unwrap_or(rest.len())..];
            let Some(further) = self.markup(rest, pieces, told)? else { return Ok(rest) };
            rest = further;
        }
    }

    /// Takes the markup that stands here, if it is a name and nothing else. What comes after it.
    fn markup<'p>(&mut self, rest: &'p [u8], pieces: &'p [u8], told: &mut S) -> Result<Option<&'p [u8]>, BoxError> {
        let Some(markup) = rest.get(1..) else { return Ok(None) };
        if let Some(end) = markup.strip_prefix(b"/") {
            let after = end.strip_prefix(self.name()).and_then(|after| after.strip_prefix(b">"));
            let Some(after) = after.filter(|_| !self.begins.is_empty()) else { return Ok(None) };
            let bytes = self.kept.map(|left| &pieces[pieces.len() - left..pieces.len() - after.len()]);
            self.closed(told, bytes)?;
            return Ok(Some(after));
        }
        let Some(length) = markup.iter().position(|byte| !byte.is_ascii_alphanumeric()).filter(|length| *length > 0) else {
            return Ok(None);
        };
        let (name, after) = markup.split_at(length);
        if let Some(after) = after.strip_prefix(b"/>") {
            self.begin(name, name)?;
            if std::mem::take(&mut self.passed) > 0 {
                self.forget();
            } else {
                self.closed(told, None)?;
            }
            return Ok(Some(after));
        }
        let Some(after) = after.strip_prefix(b">") else { return Ok(None) };
        self.begin(name, name)?;
        if self.passed > 0 || !self.open.last().is_some_and(|node| node.kept) {
            return Ok(Some(after));
        }
        if let Some(length) = told.known(after) {
            self.forget();
            self.open.pop();
            return Ok(Some(&after[length..]));
        }
        self.kept = Some(after.len());
        Ok(Some(after))
    }

    /// The name of the element that began last.
    fn name(&self) -> &[u8] {
        &self.names[self.begins.last().copied().unwrap_or_default()..]
    }

    /// The text of the element that has just begun, if it stands there as it is and its end follows.
    fn plain<'p>(&self, rest: &'p [u8]) -> Option<&'p [u8]> {
        let (text, markup) = rest.split_at(memchr::memchr3(b'<', b'&', b'\r', rest)?);
        let end = markup.strip_prefix(b"</")?.strip_prefix(self.name())?;
        (self.text.is_empty() && end.first() == Some(&b'>')).then_some(text)
    }

    /// What is left when the element of no interest ends that has begun: without more than a look at where markup begins. Comments in which elements
    /// begin or end are none of AWS's.
    fn pass<'p>(&mut self, rest: &'p [u8]) -> &'p [u8] {
        let name = &self.names[self.begins.last().copied().unwrap_or_default()..];
        for at in memchr::memchr_iter(b'<', rest) {
            let markup = &rest[at + 1..];
            let (ends, named) = markup.strip_prefix(b"/").map_or((false, markup), |named| (true, named));
            let Some(after) = named.strip_prefix(name).filter(|after| after.first().is_some_and(|byte| b"/> \t\r\n".contains(byte))) else {
                continue;
            };
            // A piece ends behind a `>`.
            let end = memchr::memchr(b'>', after).unwrap_or(after.len() - 1);
            if ends && self.passed == 1 {
                self.passed = 0;
                self.forget();
                return &after[end + 1..];
            }
            let empty = after[..end].ends_with(b"/");
            match (ends, empty) {
                (true, _) => self.passed -= 1,
                (false, false) => self.passed += 1,
                (false, true) => {}
            }
        }
        &[]
    }

    /// Whether text is of interest.
    fn reads(&self) -> bool {
        self.passed == 0 && self.open.last().is_some_and(|node| node.children.is_empty())
    }

    fn begin(&mut self, name: &[u8], local: &[u8]) -> Result<(), BoxError> {
        self.begins.push(self.names.len());
        self.names.extend_from_slice(name);
        let found = match self.open.last() {
            Some(node) => node.children.iter().find(|child| child.name.as_bytes() == local),
            None if !self.over && S::ROOT.name.as_bytes() == local => Some(S::ROOT),
            None => return Err(format!("this is no answer to {}", S::CALL).into()),
        };
        match found {
            Some(node) => {
                if node.kept {
                    self.kept = None;
                }
                self.open.push(node);
                self.text.clear();
            }
            None => self.passed = 1,
        }
        Ok(())
    }

    fn close(&mut self, name: &[u8], told: &mut S) -> Result<(), BoxError> {
        if self.begins.is_empty() {
            return Err("an element ends that did not begin".into());
        }
        if self.name() != name {
            return Err("an element ends with another name than it began with".into());
        }
        if self.passed > 0 {
            self.passed = 0;
            self.forget();
            return Ok(());
        }
        self.closed(told, None)
    }

    /// The name of who began last is of no use any more.
    fn forget(&mut self) {
        self.names.truncate(self.begins.pop().unwrap_or_default());
    }

    /// The element of interest that began last has ended. These are the bytes of the kept item that is open or ends, as far as they are at hand.
    fn closed(&mut self, told: &mut S, bytes: Option<&[u8]>) -> Result<(), BoxError> {
        self.forget();
        let closed = self.open.pop();
        self.over = self.open.is_empty();
        match closed {
            Some(Node { what: Some(what), children: [], .. }) => told.text(*what, &self.text),
            Some(Node { what: Some(what), kept, .. }) => {
                told.item(*what);
                if *kept {
                    told.bytes(bytes);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Reads an answer that comes in pieces of this size.
    pub(in super::super) fn read<S: Shape>(nothing: S, answer: &str, size: usize) -> Result<S, String> {
        let (mut walk, mut told) = (Walk::default(), nothing);
        for piece in answer.as_bytes().chunks(size) {
            walk.piece(piece, &mut told).map_err(|error| error.to_string())?;
        }
        walk.end().map_err(|error| error.to_string())?;
        Ok(told)
    }

    #[derive(Debug, Clone, Default)]
    struct Seen(Vec<String>);

    impl Shape for Seen {
        type What = &'static str;
        const CALL: &'static str = "Look";
        const ROOT: &'static Node<&'static str> = &Node::way("look", LIST);
        const EMPTY: &'static [u8] = b"<look/>";

        fn text(&mut self, what: &'static str, text: &str) -> Result<(), BoxError> {
            self.0.push(format!("{what}={text}"));
            Ok(())
        }

        fn item(&mut self, what: &'static str) {
            self.0.push(what.to_owned());
        }
    }

    const LIST: &[Node<&str>] = &[Node::way("list", &[Node::item("item", "item", &[Node::text("name", "name")])])];

    fn seen(answer: &str, size: usize) -> Result<String, String> {
        read(Seen::default(), answer, size).map(|seen| seen.0.join(" "))
    }

    #[test]
    fn pieces_of_any_size_say_the_same() {
        let answer = "<?xml version=\"1.0\"?><!-- a > b --><look a=\"x > y\"><list><item><other><name>no</name><b/></other>\
                      <name>a &gt; b &amp; c&#33; > <![CDATA[<d> ]]>é</name></item><item/></list><list><item><name/></item></list></look>\n";
        for size in 1..=answer.len() {
            assert_eq!(seen(answer, size).as_deref(), Ok("name=a > b & c! > <d> é item item name= item"), "{size}");
        }
    }

    #[test]
    fn what_is_of_no_interest_is_passed_over_whole() {
        let answer = "<look><list><item><x:set a=\"1\"><x:set><setter/></x:set ><x:set/><x:set\n/><name>no</name></x:set>\
                      <name>a</name><name2>no</name2><settle></settle><name>b<c>no</c>c<c/>d</name><name><c>no</c>e</name></item></list><list2><list><item/></list></list2></look>";
        for size in 1..=answer.len() {
            assert_eq!(seen(answer, size).as_deref(), Ok("name=a name=bcd name=e item"), "{size}");
        }
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        for (answer, why) in [
            ("", "in the middle"),
            ("<html>proxy</html>", "this is no answer to Look"),
            ("<look></look><look></look>", "this is no answer to Look"),
            ("<look></look> and <more", "in the middle"),
            ("<look><list></look></list>", "another name"),
            ("<look></look></look>", "did not begin"),
            ("<look><list><item><name>&shop;</name></item></list></look>", "unknown entity"),
            ("<look><list><item><name>& </name></item></list></look>", "ref"),
            ("<look><!-- </look>", "in the middle"),
        ] {
            for size in [1, 7, 1000] {
                let error = seen(answer, size).expect_err(answer);
                assert!(error.contains(why), "{answer}: {error}");
            }
        }
        assert!(seen(&format!("<look a='{}'></look>", "x".repeat(2 * LONGEST)), 4096).unwrap_err().contains("has no end"));
        assert_eq!(seen(&format!("<look><b>{}</b></look>", "<c/>".repeat(LONGEST)), 4096).as_deref(), Ok(""));
    }
}

//! The values in a list that an application gives: counted while it is read, so that a body made to be large in memory (a list of a million
//! empty lists) costs no more than its own bytes.

use std::{collections::HashMap, fmt};

use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// How often each value that begins with `prefix` stands in a body, one a line, or in the list at a JSON pointer. `None` when that is not
/// there.
pub fn count(body: &[u8], pointer: Option<&str>, prefix: &str) -> Option<HashMap<String, u64>> {
    let mut counts = HashMap::new();
    let mut put = |value: &str| {
        if value.starts_with(prefix) {
            *counts.entry(value.to_owned()).or_default() += 1;
        }
    };
    match pointer {
        None => String::from_utf8_lossy(body).lines().for_each(|line| put(line.trim())),
        Some(pointer) => {
            let way: Vec<String> = pointer.split('/').skip(1).map(|name| name.replace("~1", "/").replace("~0", "~")).collect();
            let mut json = serde_json::Deserializer::from_slice(body);
            let found = At { way: &way, put: &mut put }.deserialize(&mut json).ok()?;
            json.end().ok()?;
            if !found {
                return None;
            }
        }
    }
    Some(counts)
}

/// Goes the way of a pointer; at its end, takes the texts of the list that is there. Says whether there was one.
struct At<'a> {
    way: &'a [String],
    put: &'a mut dyn FnMut(&str),
}

impl<'de> DeserializeSeed<'de> for At<'_> {
    type Value = bool;

    fn deserialize<D: serde::Deserializer<'de>>(self, json: D) -> Result<bool, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for At<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of texts")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<bool, A::Error> {
        let Some((name, rest)) = self.way.split_first() else {
            while list.next_element_seed(Item(self.put))?.is_some() {}
            return Ok(true);
        };
        let mut found = false;
        let mut left = name.parse::<usize>().ok();
        loop {
            let more = if left == Some(0) {
                let there = list.next_element_seed(At { way: rest, put: self.put })?;
                found |= there == Some(true);
                there.is_some()
            } else {
                list.next_element::<IgnoredAny>()?.is_some()
            };
            if !more {
                return Ok(found);
            }
            left = left.and_then(|left| left.checked_sub(1));
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        let mut found = false;
        while let Some(key) = map.next_key::<std::borrow::Cow<'_, str>>()? {
            match self.way.split_first() {
                Some((name, rest)) if *name == key => found |= map.next_value_seed(At { way: rest, put: self.put })?,
                _ => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        Ok(found)
    }

    fn visit_bool<E>(self, _: bool) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_i64<E>(self, _: i64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_u64<E>(self, _: u64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_f64<E>(self, _: f64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_str<E>(self, _: &str) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_unit<E>(self) -> Result<bool, E> {
        Ok(false)
    }
}

/// One item of the list: a text, or something that is none of ours.
struct Item<'a>(&'a mut dyn FnMut(&str));

impl<'de> DeserializeSeed<'de> for Item<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Item<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        (self.0)(text);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(body: &str, pointer: Option<&str>) -> Option<Vec<(String, u64)>> {
        let mut counts: Vec<_> = count(body.as_bytes(), pointer, "fd-")?.into_iter().collect();
        counts.sort();
        Some(counts)
    }

    #[test]
    fn values_are_counted_where_the_pointer_leads() {
        let ours = |list: &[(&str, u64)]| Some(list.iter().map(|(value, times)| ((*value).to_owned(), *times)).collect::<Vec<_>>());
        assert_eq!(counted("fd-1\nother\n fd-2 \r\nfd-1\n", None), ours(&[("fd-1", 2), ("fd-2", 1)]));
        assert_eq!(counted(r#"["fd-1","x",7,null,["fd-9"],{"a":"fd-9"},true,-1,1.5,"fd-1"]"#, Some("")), ours(&[("fd-1", 2)]));
        let deep = r#"{"a":["no",{"b/c":["fd-3"],"other":{"x":[1]}}],"z":"fd-4"}"#;
        assert_eq!(counted(deep, Some("/a/1/b~1c")), ours(&[("fd-3", 1)]));
        for (body, pointer) in
            [(deep, "/a/2"), (deep, "/a/1/none"), (deep, "/z"), (deep, "/a/x"), ("7", ""), ("[\"fd-1\"", ""), ("[] x", ""), ("", "")]
        {
            assert_eq!(counted(body, Some(pointer)), None, "{body} at {pointer}");
        }
    }

    #[test]
    fn nesting_costs_no_stack() {
        let deep = format!("[{}{},\"fd-1\"]", "[".repeat(1_000_000), "]".repeat(1_000_000));
        assert_eq!(counted(&deep, Some("")), Some(vec![("fd-1".to_owned(), 1)]));
        // On the way to the list it has an end.
        assert_eq!(counted(&deep, Some(&"/0".repeat(100_000))), None);
    }
}

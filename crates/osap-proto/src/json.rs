//! JSON as far as the profile needs it: read whole, with a bound on depth.
//!
//! Written here because records and envelopes hold a handful of members, and a device without an operating
//! system has to read them.

use alloc::string::String;
use alloc::vec::Vec;

/// Lists and objects inside each other; deeper text is no JSON to us.
const DEPTH_MAX: u8 = 8;

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    Null,
    Bool(bool),
    /// As it is written.
    Number(&'a str),
    Text(String),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
}

impl<'a> Value<'a> {
    /// Reads one value that fills `bytes`.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader { text: core::str::from_utf8(bytes).ok()?, at: 0 };
        reader.skip_space();
        let value = reader.value(DEPTH_MAX)?;
        reader.skip_space();
        (reader.at == reader.text.len()).then_some(value)
    }

    /// The member of an object; `None` also when it stands there twice, since readers differ on which counts.
    pub(crate) fn member(&self, name: &str) -> Option<&Self> {
        let Self::Object(members) = self else { return None };
        let mut found = members.iter().filter(|(key, _)| key == name);
        let (_, value) = found.next()?;
        found.next().is_none().then_some(value)
    }

    /// An integer without sign, point and exponent.
    pub(crate) fn unsigned(&self) -> Option<u64> {
        let Self::Number(digits) = self else { return None };
        digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| digits.parse().ok())?
    }

    pub(crate) fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    pub(crate) fn bool(&self) -> Option<bool> {
        if let Self::Bool(value) = self { Some(*value) } else { None }
    }

    /// A list of small integers.
    pub(crate) fn bytes(&self) -> Option<Vec<u8>> {
        let Self::List(values) = self else { return None };
        values.iter().map(|value| u8::try_from(value.unsigned()?).ok()).collect()
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while self.peek().is_some_and(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn take(&mut self, expected: u8) -> Option<()> {
        (self.peek() == Some(expected)).then(|| self.at += 1)
    }

    fn word(&mut self, word: &str, value: Value<'a>) -> Option<Value<'a>> {
        self.text[self.at..].starts_with(word).then(|| {
            self.at += word.len();
            value
        })
    }

    fn value(&mut self, depth: u8) -> Option<Value<'a>> {
        match self.peek()? {
            b'n' => self.word("null", Value::Null),
            b't' => self.word("true", Value::Bool(true)),
            b'f' => self.word("false", Value::Bool(false)),
            b'"' => self.string().map(Value::Text),
            b'[' => self.list(depth.checked_sub(1)?),
            b'{' => self.object(depth.checked_sub(1)?),
            _ => self.number(),
        }
    }

    fn list(&mut self, depth: u8) -> Option<Value<'a>> {
        self.take(b'[')?;
        self.skip_space();
        let mut values = Vec::new();
        if self.take(b']').is_some() {
            return Some(Value::List(values));
        }
        loop {
            self.skip_space();
            values.push(self.value(depth)?);
            self.skip_space();
            if self.take(b']').is_some() {
                return Some(Value::List(values));
            }
            self.take(b',')?;
        }
    }

    fn object(&mut self, depth: u8) -> Option<Value<'a>> {
        self.take(b'{')?;
        self.skip_space();
        let mut members = Vec::new();
        if self.take(b'}').is_some() {
            return Some(Value::Object(members));
        }
        loop {
            self.skip_space();
            let name = self.string()?;
            self.skip_space();
            self.take(b':')?;
            self.skip_space();
            members.push((name, self.value(depth)?));
            self.skip_space();
            if self.take(b'}').is_some() {
                return Some(Value::Object(members));
            }
            self.take(b',')?;
        }
    }

    fn string(&mut self) -> Option<String> {
        self.take(b'"')?;
        let mut out = String::new();
        loop {
            let next = self.text[self.at..].chars().next()?;
            self.at += next.len_utf8();
            match next {
                '"' => return Some(out),
                '\\' => out.push(self.escaped()?),
                '\0'..='\x1F' => return None,
                _ => out.push(next),
            }
        }
    }

    fn escaped(&mut self) -> Option<char> {
        let escape = self.peek()?;
        self.at += 1;
        Some(match escape {
            b'"' | b'\\' | b'/' => char::from(escape),
            b'b' => '\x08',
            b'f' => '\x0C',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode(),
            _ => return None,
        })
    }

    fn unicode(&mut self) -> Option<char> {
        let first = self.hex4()?;
        if !(0xD800..0xDC00).contains(&first) {
            return char::from_u32(first);
        }
        self.take(b'\\')?;
        self.take(b'u')?;
        let low = self.hex4()?.checked_sub(0xDC00).filter(|low| *low < 0x400)?;
        char::from_u32(0x1_0000 + ((first - 0xD800) << 10) + low)
    }

    fn hex4(&mut self) -> Option<u32> {
        let digits = self.text.as_bytes().get(self.at..self.at + 4)?;
        self.at += 4;
        digits.iter().try_fold(0, |sum, &digit| Some(sum * 16 + char::from(digit).to_digit(16)?))
    }

    fn number(&mut self) -> Option<Value<'a>> {
        let start = self.at;
        let _ = self.take(b'-');
        if self.take(b'0').is_none() {
            self.digits()?;
        }
        if self.take(b'.').is_some() {
            self.digits()?;
        }
        if self.take(b'e').or_else(|| self.take(b'E')).is_some() {
            let _ = self.take(b'+').or_else(|| self.take(b'-'));
            self.digits()?;
        }
        Some(Value::Number(&self.text[start..self.at]))
    }

    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_json_is_not_read() {
        for text in [
            "",
            "{",
            "{}}",
            "[1,]",
            "{\"a\":1,}",
            "{\"a\" 1}",
            "{a:1}",
            "01",
            "-",
            "1.",
            ".5",
            "1e",
            "+1",
            "nul",
            "\"a",
            "\"\n\"",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\ud800\"",
            "\"\\ud800\\u0041\"",
            "\"\\udc00\"",
            "[[[[[[[[[1]]]]]]]]]",
        ] {
            assert_eq!(Value::parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(Value::parse(b"\"\xFF\""), None);
    }

    #[test]
    fn values_are_read_with_their_escapes() {
        let text = "\"a\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00\"";
        let value = Value::parse(text.as_bytes()).unwrap();
        assert_eq!(value.text(), Some("a\"\\/\u{8}\u{C}\n\r\t\u{e9}\u{1F600}"));
        let value = Value::parse(b" { \"a\" : [ 1 , 255 ] , \"b\" : true , \"c\" : null } ").unwrap();
        assert_eq!(value.member("a").and_then(Value::bytes), Some([1, 255].to_vec()));
        assert_eq!(value.member("b").and_then(Value::bool), Some(true));
        assert_eq!(value.member("c"), Some(&Value::Null));
        assert_eq!(value.member("d"), None);
        assert!(Value::parse(b"[[[[[[[[1]]]]]]]]").is_some());
    }

    #[test]
    fn numbers_are_whole_and_members_stand_once() {
        for (text, number) in [("18446744073709551615", Some(u64::MAX)), ("0", Some(0))] {
            assert_eq!(Value::parse(text.as_bytes()).unwrap().unsigned(), number);
        }
        for text in ["-1", "1.0", "1e3", "18446744073709551616"] {
            assert_eq!(Value::parse(text.as_bytes()).unwrap().unsigned(), None, "{text}");
        }
        assert_eq!(Value::parse(b"{\"a\":1,\"a\":1}").unwrap().member("a"), None);
        assert_eq!(Value::parse(b"[256]").unwrap().bytes(), None);
    }
}

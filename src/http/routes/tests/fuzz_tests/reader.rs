//! A reader of JSON that goes character by character, and keeps all.

/// A value of a document, and where it stands.
#[derive(Clone, Debug)]
pub(super) struct At {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) json: Json,
}

#[derive(Clone, Debug)]
pub(super) enum Json {
    Null,
    /// A number, `true` or `false` as they are written.
    Bare,
    /// The text of a string.
    Text(Vec<u8>),
    Array(Vec<At>),
    Object(Vec<(Vec<u8>, At)>),
}

/// Reads RFC 8259 character by character.
struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn is(&mut self, byte: u8) -> bool {
        let is = self.peek() == Some(byte);
        self.at += usize::from(is);
        is
    }

    fn space(&mut self) {
        while [b' ', b'\n', b'\t', b'\r'].iter().any(|it| self.is(*it)) {}
    }

    fn value(&mut self) -> Option<At> {
        let start = self.at;
        let json = match self.peek()? {
            b'{' => self.object()?,
            b'[' => self.array()?,
            b'"' => Json::Text(self.string()?),
            b'n' => self.word("null").then_some(Json::Null)?,
            b't' => self.word("true").then_some(Json::Bare)?,
            b'f' => self.word("false").then_some(Json::Bare)?,
            _ => self.number().then_some(Json::Bare)?,
        };
        let end = self.at;
        Some(At { start, end, json })
    }

    fn word(&mut self, word: &str) -> bool {
        word.bytes().all(|byte| self.is(byte))
    }

    fn digits(&mut self) -> bool {
        let before = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        self.at > before
    }

    fn number(&mut self) -> bool {
        self.is(b'-');
        let whole = self.is(b'0') || self.digits();
        let fraction = !self.is(b'.') || self.digits();
        let mut exponent = true;
        if self.is(b'e') || self.is(b'E') {
            let _sign = self.is(b'+') || self.is(b'-');
            exponent = self.digits();
        }
        whole && fraction && exponent
    }

    fn string(&mut self) -> Option<Vec<u8>> {
        self.is(b'"').then_some(())?;
        let mut units: Vec<u16> = Vec::new();
        let mut plain = Vec::new();
        loop {
            match self.next()? {
                b'"' => break,
                0..=0x1f => return None,
                b'\\' => {
                    let unit = match self.next()? {
                        b'b' => 8,
                        b'f' => 12,
                        b'n' => 10,
                        b'r' => 13,
                        b't' => 9,
                        b'u' => {
                            let digits = self.text.get(self.at..self.at + 4)?;
                            self.at += 4;
                            let digits = digits.iter().map(|it| char::from(*it).to_digit(16));
                            digits
                                .collect::<Option<Vec<_>>>()?
                                .iter()
                                .fold(0, |a, b| a << 4 | b)
                        }
                        other @ (b'"' | b'\\' | b'/') => u32::from(other),
                        _ => return None,
                    };
                    units.extend(text_of(&mut plain).encode_utf16());
                    units.push(unit as u16);
                }
                byte => plain.push(byte),
            }
        }
        units.extend(text_of(&mut plain).encode_utf16());
        Some(String::from_utf16_lossy(&units).into_bytes())
    }

    fn array(&mut self) -> Option<Json> {
        self.at += 1;
        let mut all = Vec::new();
        self.space();
        if self.is(b']') {
            return Some(Json::Array(all));
        }
        loop {
            self.space();
            all.push(self.value()?);
            self.space();
            if self.is(b']') {
                return Some(Json::Array(all));
            }
            self.is(b',').then_some(())?;
        }
    }

    fn object(&mut self) -> Option<Json> {
        self.at += 1;
        let mut all = Vec::new();
        self.space();
        if self.is(b'}') {
            return Some(Json::Object(all));
        }
        loop {
            self.space();
            let name = self.string()?;
            self.space();
            self.is(b':').then_some(())?;
            self.space();
            all.push((name, self.value()?));
            self.space();
            if self.is(b'}') {
                return Some(Json::Object(all));
            }
            self.is(b',').then_some(())?;
        }
    }
}

/// The text so far, taken away.
fn text_of(plain: &mut Vec<u8>) -> String {
    String::from_utf8(std::mem::take(plain)).unwrap()
}

/// The document that a text is, from `at` on and with nothing but white space around it.
pub(super) fn document(text: &[u8], at: usize) -> Option<At> {
    std::str::from_utf8(&text[at..]).ok()?;
    let mark = if text[at..].starts_with(b"\xef\xbb\xbf") {
        3
    } else {
        0
    };
    let mut reader = Reader {
        text,
        at: at + mark,
    };
    reader.space();
    let value = reader.value()?;
    reader.space();
    (reader.at == text.len()).then_some(value)
}

/// What a pointer leads to: the last of several members, elements also from the end.
pub(super) fn found<'a>(value: &'a At, pointer: &str) -> Option<&'a At> {
    pointer
        .split('/')
        .skip(1)
        .try_fold(value, |value, name| match &value.json {
            Json::Object(members) => {
                let mut members = members.iter().rev();
                Some(&members.find(|(known, _)| known == name.as_bytes())?.1)
            }
            Json::Array(all) => match name.strip_prefix('-') {
                Some(back) => all.get(all.len().checked_sub(back.parse().ok()?)?),
                None => all.get(name.parse::<usize>().ok()?),
            },
            _ => None,
        })
}

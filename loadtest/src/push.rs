//! A quick reader of the frames that come by the thousand: pushes and acknowledgements.
//!
//! In: the payload of a frame. Out: the same [`Incoming`] that serde would give. Reads only what
//! servers write when nothing is special: no white space, no escapes, whole numbers, one object
//! inside the outer one. Everything else is left to serde. No allocation.

use crate::envelope::{Body, Incoming};
use std::borrow::Cow;

/// Digits that always fit a signed number of 64 bits.
const DIGITS_MAX: usize = 18;

/// Reads `payload`; `None` when it is no JSON object of this wire.
pub(crate) fn read(payload: &[u8]) -> Option<Incoming<'_>> {
    quick(payload).or_else(|| serde_json::from_slice(payload).ok())
}

fn quick(payload: &[u8]) -> Option<Incoming<'_>> {
    let mut scan = Scan { text: std::str::from_utf8(payload).ok()?, at: 0 };
    let mut incoming = Incoming::default();
    scan.object(|scan, key| {
        match key {
            "data" => incoming.data = Some(body(scan)?),
            "reqIdentifier" => incoming.request = scan.integer()?,
            "msgIncr" => incoming.incr = scan.integer()?,
            "errCode" => incoming.code = scan.integer()?,
            "errMsg" => incoming.text = Cow::Borrowed(scan.string()?),
            _ => scan.skip()?,
        }
        Some(())
    })?;
    (scan.at == payload.len()).then_some(incoming)
}

fn body<'a>(scan: &mut Scan<'a>) -> Option<Body<'a>> {
    let mut body = Body::default();
    scan.object(|scan, key| {
        match key {
            "serverMsgID" => body.server_id = Cow::Borrowed(scan.string()?),
            "sendID" => body.sender = Cow::Borrowed(scan.string()?),
            "recvID" => body.receiver = Cow::Borrowed(scan.string()?),
            "content" => body.content = Cow::Borrowed(scan.string()?),
            "contentType" => body.content_type = scan.integer()?,
            "sessionType" => body.session = scan.integer()?,
            "seq" => body.seq = scan.integer()?,
            "isEmphasize" => body.emphasized = scan.boolean()?,
            _ => scan.skip()?,
        }
        Some(())
    })?;
    Some(body)
}

/// A position in a text. Every step gives `None` at the first byte it does not expect.
struct Scan<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scan<'a> {
    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    fn take(&mut self, wanted: &[u8]) -> Option<()> {
        self.rest().starts_with(wanted).then(|| self.at += wanted.len())
    }

    /// An object, whose values `field` takes.
    fn object(&mut self, mut field: impl FnMut(&mut Self, &'a str) -> Option<()>) -> Option<()> {
        self.take(b"{")?;
        if self.take(b"}").is_some() {
            return Some(());
        }
        loop {
            let key = self.string()?;
            self.take(b":")?;
            field(self, key)?;
            if self.take(b",").is_none() {
                return self.take(b"}");
            }
        }
    }

    fn string(&mut self) -> Option<&'a str> {
        self.take(b"\"")?;
        let end = self.rest().iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20))?;
        let found = self.text.get(self.at..self.at + end)?;
        self.at += end;
        self.take(b"\"")?;
        Some(found)
    }

    fn integer(&mut self) -> Option<i64> {
        let negative = self.take(b"-").is_some();
        let digits = self.rest().iter().take_while(|byte| byte.is_ascii_digit()).count();
        let leading_zero = digits > 1 && self.rest().first() == Some(&b'0');
        if digits == 0 || digits > DIGITS_MAX || leading_zero {
            return None;
        }
        let (digits, behind) = self.rest().split_at(digits);
        // A fraction or an exponent is not for this reader.
        if !matches!(behind.first(), Some(b',' | b'}')) {
            return None;
        }
        self.at += digits.len();
        let number = digits.iter().fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'));
        Some(if negative { -number } else { number })
    }

    fn boolean(&mut self) -> Option<bool> {
        if self.take(b"false").is_some() {
            return Some(false);
        }
        self.take(b"true").map(|()| true)
    }

    /// Leaves out a value of a key that is not read.
    fn skip(&mut self) -> Option<()> {
        match self.rest().first()? {
            b'"' => self.string().map(|_| ()),
            b't' | b'f' => self.boolean().map(|_| ()),
            b'n' => self.take(b"null"),
            _ => self.integer().map(|_| ()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUSH: &str = r#"{"data":{"sendID":"lt-0","recvID":"lt-17 0123456789abcdef","msgFrom":100,"contentType":101,"sessionType":2,"senderPlatformID":1,"serverMsgID":"2021-05-26 20:50:31-lt-0-8674665223082153551","content":"lt.9.3.70000.äö","seq":12,"sendTime":1622033431,"isEmphasize":true,"senderNickName":null,"clientMsgID":""},"errCode":0,"errMsg":"","reqIdentifier":2001}"#;

    fn same(payload: &str) {
        let by_serde = serde_json::from_str::<Incoming<'_>>(payload).ok();
        assert_eq!(format!("{:?}", read(payload.as_bytes())), format!("{by_serde:?}"), "{payload}");
    }

    #[test]
    fn an_ordinary_push_and_its_acknowledgement_are_read_at_once() {
        let push = quick(PUSH.as_bytes()).unwrap();
        let body = push.data.as_ref().unwrap();
        assert_eq!((push.request, push.code, body.seq, body.session), (2001, 0, 12, 2));
        assert_eq!((&*body.receiver, &*body.sender), ("lt-17 0123456789abcdef", "lt-0"));
        assert!(body.emphasized);
        same(PUSH);
        let ack = r#"{"data":{"clientMsgID":"c","serverMsgID":"s","sendTime":-7},"errCode":0,"errMsg":"","msgIncr":3,"reqIdentifier":1003}"#;
        assert!(quick(ack.as_bytes()).is_some());
        same(ack);
    }

    #[test]
    fn what_is_special_is_left_to_serde_and_means_the_same() {
        for payload in [
            r#"{ "data" : {"seq" : 1}, "errCode" : 0}"#,
            r#"{"data":{"content":"say \"hi\"\n"},"errCode":0}"#,
            r#"{"data":null,"errCode":1,"errMsg":"no"}"#,
            r#"{"data":{"single":[],"group":[]},"errCode":0}"#,
            r#"{"data":{"sendTime":1.5,"seq":1},"errCode":0}"#,
            r#"{"errCode":9223372036854775807}"#,
            r#"{}"#,
        ] {
            same(payload);
        }
    }

    #[test]
    fn every_cut_and_every_wrong_byte_is_refused_as_serde_does() {
        for cut in (0..PUSH.len()).filter(|cut| PUSH.is_char_boundary(*cut)) {
            assert!(quick(&PUSH.as_bytes()[..cut]).is_none());
        }
        for (at, _) in PUSH.char_indices().filter(|(_, one)| one.is_ascii()) {
            for wrong in ["\"", "\\", "}", "{", "0", ",", "\n", "x"] {
                let mut text = PUSH.to_owned();
                text.replace_range(at..=at, wrong);
                if quick(text.as_bytes()).is_some() {
                    same(&text);
                }
            }
        }
        assert!(quick(&[b'{', 0xFF, b'}']).is_none());
        assert!(read(b"").is_none());
    }
}

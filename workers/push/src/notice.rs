//! A notice: what somebody who is away is told of one message. Pure.

/// Bytes of title and text: all services take 4,096 of everything together.
const TITLE_BYTES_MAX: usize = 256;
const TEXT_BYTES_MAX: usize = 1024;

/// What one user is told of one message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notice {
    /// Of the message, the same whenever it is told of: a notice that comes again replaces the first.
    pub id: u128,
    /// Who is told.
    pub uid: String,
    /// Who wrote, by name.
    pub title: String,
    /// What, or of which kind it is.
    pub text: String,
    /// Messages that no mobile terminal has got, as far as is known.
    pub badge: Option<u32>,
    /// `sessionType` of the message.
    pub chat_type: i32,
    /// Who wrote, by uid.
    pub from: String,
    /// To whom: the uid, or the id of the group.
    pub to: String,
    /// The message's number in the inbox of who is told; 0: not known.
    pub seq: u64,
    /// When the log took it, unix milliseconds.
    pub sent_ms: i64,
}

/// A device of a user, as its app named it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// 1 to 7.
    pub platform: u8,
    /// Whose token it is.
    pub vendor: String,
    /// Names the device to that vendor.
    pub token: String,
}

impl Notice {
    /// Its id as text.
    #[must_use]
    pub fn collapse_id(&self) -> String {
        format!("{:032x}", self.id)
    }

    /// Its id as a number for services that want one; never 0, which is none.
    pub(crate) fn collapse_number(&self) -> u32 {
        u32::try_from(self.id % 0x7fff_ffff).unwrap_or(0) + 1
    }

    /// With a title and a text that fit.
    #[must_use]
    pub fn fitting(mut self) -> Self {
        cut(&mut self.title, TITLE_BYTES_MAX);
        cut(&mut self.text, TEXT_BYTES_MAX);
        self
    }
}

fn cut(text: &mut String, bytes_max: usize) {
    if text.len() > bytes_max {
        text.truncate(text.floor_char_boundary(bytes_max - '\u{2026}'.len_utf8()));
        text.push('\u{2026}');
    }
}

/// What a notice of a message says, by its kind (spec, websocket 4.8); `None`: nobody is told of such. `hidden`: of none is said
/// more than that it is there.
#[must_use]
pub fn text(content_type: i32, content: &str, hidden: bool) -> Option<&str> {
    let text = match content_type {
        101 => content,
        102 => "[picture]",
        103 => "[voice]",
        104 => "[video]",
        105 => "[file]",
        _ => return None,
    };
    Some(if hidden { "[message]" } else { text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_text_and_tips_have_none() {
        let said = [100, 101, 102, 103, 104, 105, 106, 201].map(|kind| text(kind, "hi", false));
        let some =
            [Some("hi"), Some("[picture]"), Some("[voice]"), Some("[video]"), Some("[file]")];
        assert_eq!(said[1..6], some);
        assert_eq!([said[0], said[6], said[7]], [None; 3]);
        assert_eq!([text(101, "hi", true), text(108, "hi", true)], [Some("[message]"), None]);
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let text = "\u{4f60}".repeat(1000);
        let notice = Notice { title: text.clone(), text, ..Notice::default() }.fitting();
        assert_eq!((notice.title.len(), notice.text.len()), (255, 1023));
        assert!(notice.text.ends_with('\u{2026}'));
    }
}

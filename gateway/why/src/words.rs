//! What a reason says to people, in two languages.

use crate::decide::Reason;
use crate::note::{Ended, LinkName};
use crate::trail::{Had, Taken};

/// A language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// English.
    English,
    /// Chinese.
    Chinese,
}

use Language::{Chinese, English};

impl Reason {
    /// The reason in plain words, one sentence or two.
    #[must_use]
    pub fn text(&self, language: Language) -> String {
        match language {
            English => self.english(),
            Chinese => self.chinese(),
        }
    }

    fn english(&self) -> String {
        match *self {
            Self::Pulled(Taken { at_ms, platform, link, .. }) => {
                let over = over(link, English);
                format!("Pulled at {} by {}{over}.", utc(at_ms), device(platform, English))
            }
            Self::Pushed(Taken { at_ms, platform, link, .. }) => {
                let over = over(link, English);
                format!("Pushed at {} to {}{over}.", utc(at_ms), device(platform, English))
            }
            Self::Waits { seq, link_since: None, since_ms } => format!(
                "It waits in the inbox as seq {seq}: since {} there was no link, and nobody has pulled it.",
                utc(since_ms)
            ),
            Self::Waits { seq, link_since: Some((at_ms, platform)), since_ms } => format!(
                "It waits in the inbox as seq {seq}: {} has had a link since {}, and nobody has pulled it since {}.",
                device(platform, English),
                utc(at_ms),
                utc(since_ms)
            ),
            Self::Refused { code, at_ms } => format!(
                "The send was refused at {} with errCode {code}; there is no such message.",
                utc(at_ms)
            ),
            Self::NotMember { group: true } => {
                "It went to the members of a group, and the user was none at that time.".to_owned()
            }
            Self::NotMember { group: false } => "It was a message between two others.".to_owned(),
            Self::Blocked { at_ms, refused: true } => format!(
                "The send was refused at {}, because the receiver had blocked the sender.",
                utc(at_ms)
            ),
            Self::Blocked { at_ms, refused: false } => format!(
                "It was accepted at {}, and not delivered: the user does not receive messages of this conversation (receive option 1).",
                utc(at_ms)
            ),
            Self::Cut(cut) => format!(
                "The link {} of {} ended at {} before it had taken it ({}), and nobody has pulled it since.",
                cut.link,
                device(cut.platform, English),
                utc(cut.at_ms),
                ended(cut.why, English)
            ),
            Self::Expired => "It was in the inbox, and is older than history is kept.".to_owned(),
            Self::OtherDevice(_)
            | Self::NeverAccepted { .. }
            | Self::Duplicate { .. }
            | Self::NoHistory { .. } => self.english_of_none(),
        }
    }

    /// Of reasons that are about no inbox of the user, or no device that is asked about.
    fn english_of_none(&self) -> String {
        match *self {
            Self::OtherDevice(Taken { how: Had::Sent, at_ms, platform, .. }) => format!(
                "The user sent it, from {}, at {}.",
                device(platform, English),
                utc(at_ms)
            ),
            Self::OtherDevice(Taken { at_ms, platform, link, .. }) => format!(
                "Another device has it: {}, since {}{}. The one that was asked about has not pulled it.",
                device(platform, English),
                utc(at_ms),
                over(link, English)
            ),
            Self::NeverAccepted { back_to_ms, sender_unknown } => {
                never_accepted(back_to_ms, sender_unknown, English)
            }
            Self::Duplicate { first_ms } => format!(
                "It is a repeat of the message of the same id that was accepted at {}, which stands for both.",
                utc(first_ms)
            ),
            Self::NoHistory { link_since: None } => {
                "Its sender asked for no history: it is in no inbox, and when it was sent there was no link."
                    .to_owned()
            }
            Self::NoHistory { link_since: Some((at_ms, platform)) } => format!(
                "Its sender asked for no history: it is in no inbox. Links that were there got it; {} has had one since {}.",
                device(platform, English),
                utc(at_ms)
            ),
            Self::Pulled(_)
            | Self::Pushed(_)
            | Self::Waits { .. }
            | Self::Refused { .. }
            | Self::NotMember { .. }
            | Self::Blocked { .. }
            | Self::Cut(_)
            | Self::Expired => String::new(),
        }
    }

    fn chinese(&self) -> String {
        match *self {
            Self::Pulled(Taken { at_ms, platform, link, .. }) => {
                let over = over(link, Chinese);
                format!("{}已于 {} 拉取{over}。", device(platform, Chinese), utc(at_ms))
            }
            Self::Pushed(Taken { at_ms, platform, link, .. }) => {
                let over = over(link, Chinese);
                format!("已于 {} 推送到{}{over}。", utc(at_ms), device(platform, Chinese))
            }
            Self::Waits { seq, link_since: None, since_ms } => format!(
                "消息在收件箱中等待，序号 {seq}：自 {} 起没有连接，也没有被拉取。",
                utc(since_ms)
            ),
            Self::Waits { seq, link_since: Some((at_ms, platform)), since_ms } => format!(
                "消息在收件箱中等待，序号 {seq}：{}自 {} 起有连接，但自 {} 起没有拉取它。",
                device(platform, Chinese),
                utc(at_ms),
                utc(since_ms)
            ),
            Self::Refused { code, at_ms } => {
                format!("发送于 {} 被拒绝，错误码 {code}；没有这条消息。", utc(at_ms))
            }
            Self::NotMember { group: true } => {
                "消息发给了一个群的成员，该用户当时不是成员。".to_owned()
            }
            Self::NotMember { group: false } => "这是另外两个人之间的消息。".to_owned(),
            Self::Blocked { at_ms, refused: true } => {
                format!("发送于 {} 被拒绝，因为接收者已将发送者拉黑。", utc(at_ms))
            }
            Self::Blocked { at_ms, refused: false } => {
                format!("消息于 {} 被接受，但该用户不接收此会话（选项 1）。", utc(at_ms))
            }
            Self::Cut(cut) => format!(
                "{}的连接 {} 在收到它之前于 {} 断开（{}），之后没有被拉取。",
                device(cut.platform, Chinese),
                cut.link,
                utc(cut.at_ms),
                ended(cut.why, Chinese)
            ),
            Self::Expired => "消息曾在收件箱中，已超过历史保留期限。".to_owned(),
            Self::OtherDevice(Taken { how: Had::Sent, at_ms, platform, .. }) => {
                format!("该用户自己于 {} 从{}发送了它。", utc(at_ms), device(platform, Chinese))
            }
            Self::OtherDevice(Taken { at_ms, platform, link, .. }) => format!(
                "另一台设备已有它：{}，自 {}{}。所问的设备没有拉取它。",
                device(platform, Chinese),
                utc(at_ms),
                over(link, Chinese)
            ),
            Self::NeverAccepted { back_to_ms, sender_unknown } => {
                never_accepted(back_to_ms, sender_unknown, Chinese)
            }
            Self::Duplicate { first_ms } => {
                format!("它是 {} 已接受的同一编号消息的重复，以那一条为准。", utc(first_ms))
            }
            Self::NoHistory { link_since: None } => {
                "发送者不要历史记录：它不在任何收件箱中，发送时没有连接。".to_owned()
            }
            Self::NoHistory { link_since: Some((at_ms, platform)) } => format!(
                "发送者不要历史记录：它不在任何收件箱中。当时的连接收到了它；{}自 {} 起有连接。",
                device(platform, Chinese),
                utc(at_ms)
            ),
        }
    }
}

/// Of a message that is in no inbox that was looked through.
fn never_accepted(back_to_ms: i64, sender_unknown: bool, language: Language) -> String {
    let back_to = utc(back_to_ms);
    match (language, sender_unknown, back_to_ms) {
        (English, true, 0) => {
            "It is not in this inbox. Who sent it was not said, so no other one was looked through: name its sender, whose inbox may have it."
                .to_owned()
        }
        (English, true, _) => format!(
            "It is not in this inbox, as far back as {back_to}. Who sent it was not said, so no other one was looked through: name its sender, whose inbox may have it."
        ),
        (English, false, 0) => {
            "There is no such message: no send of it was ever accepted, unless with history and persistent off, which leaves no trace."
                .to_owned()
        }
        (English, false, _) => format!(
            "There is no such message: no send of it was accepted since {back_to}, which is as far as was looked."
        ),
        (Chinese, true, 0) => {
            "它不在该收件箱中。没有说明发送者，因此未查看其他收件箱：请给出发送者，其收件箱中可能有它。".to_owned()
        }
        (Chinese, true, _) => format!(
            "它不在该收件箱中（查找到 {back_to} 为止）。没有说明发送者，因此未查看其他收件箱：请给出发送者，其收件箱中可能有它。"
        ),
        (Chinese, false, 0) => {
            "没有这条消息：它的发送从未被接受（history 与 persistent 都关闭的发送不留痕迹）。".to_owned()
        }
        (Chinese, false, _) => {
            format!("没有这条消息：自 {back_to} 起（查找的范围）没有接受过它的发送。")
        }
    }
}

fn device(platform: u8, language: Language) -> String {
    let name = match platform {
        1 => "iOS",
        2 => "Android",
        3 => "Windows",
        4 => "OSX",
        5 => "Web",
        6 => "MiniWeb",
        7 => "Linux",
        _ => match language {
            English => return "a device".to_owned(),
            Chinese => return "某设备".to_owned(),
        },
    };
    match language {
        English => format!("{name} (platform {platform})"),
        Chinese => format!("{name}（平台 {platform}）"),
    }
}

fn over(link: Option<LinkName>, language: Language) -> String {
    match (link, language) {
        (Some(link), English) => format!(", link {link}"),
        (Some(link), Chinese) => format!("，连接 {link}"),
        (None, English) => ", by REST".to_owned(),
        (None, Chinese) => "，通过 REST".to_owned(),
    }
}

const fn ended(why: Ended, language: Language) -> &'static str {
    match (why, language) {
        (Ended::Left, English) => "its client went",
        (Ended::Left, Chinese) => "客户端离开",
        (Ended::Slow, English) => "it was cut as too slow",
        (Ended::Slow, Chinese) => "因过慢被切断",
        (Ended::Closed, English) => "the server closed it",
        (Ended::Closed, Chinese) => "服务器关闭了它",
        (Ended::Lost, English) => "the server ended",
        (Ended::Lost, Chinese) => "服务器终止",
    }
}

/// A time as people write it, in UTC.
#[must_use]
pub fn utc(unix_ms: i64) -> String {
    let (days, ms) = (unix_ms.div_euclid(86_400_000), unix_ms.rem_euclid(86_400_000));
    // Years begin in March here, so that the day that comes and goes is their last.
    let z = days + 719_468;
    let (era, day) = (z.div_euclid(146_097), z.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let date = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    let (hour, minute) = (ms / 3_600_000, ms / 60_000 % 60);
    let (second, ms) = (ms / 1000 % 60, ms % 1000);
    format!("{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_utc() {
        for (unix_ms, told) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_622_548_800_007, "2021-06-01T12:00:00.007Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(utc(unix_ms), told);
        }
    }
}

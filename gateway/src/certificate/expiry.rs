//! From when to when a certificate is good: the one thing of it that rustls does not tell.
//!
//! In: its bytes (DER). Out: unix seconds. Reads only as far as the validity (RFC 5280, 4.1).

use time::{Date, Month, Time, UtcDateTime};

use super::Span;

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
/// The version, which may be missing.
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// None where the bytes are no certificate.
pub(super) fn of(certificate: &[u8]) -> Option<Span> {
    let (whole, _) = value(certificate, SEQUENCE)?;
    let (mut rest, _) = value(whole, SEQUENCE)?;
    if rest.first() == Some(&VERSION) {
        rest = value(rest, VERSION)?.1;
    }
    // Serial number, algorithm, issuer.
    for tag in [INTEGER, SEQUENCE, SEQUENCE] {
        rest = value(rest, tag)?.1;
    }
    let (validity, _) = value(rest, SEQUENCE)?;
    let (_, after) = any(validity)?;
    Some(Span { begins_s: moment(validity)?, ends_s: moment(after)? })
}

/// The time at the front.
fn moment(bytes: &[u8]) -> Option<i64> {
    match *bytes.first()? {
        UTC_TIME => {
            let (text, _) = value(bytes, UTC_TIME)?;
            let year = number(text.get(..2)?)?;
            // RFC 5280, 4.1.2.5.1.
            seconds(if year < 50 { 2000 + year } else { 1900 + year }, text.get(2..)?)
        }
        GENERALIZED_TIME => {
            let (text, _) = value(bytes, GENERALIZED_TIME)?;
            seconds(number(text.get(..4)?)?, text.get(4..)?)
        }
        _ => None,
    }
}

/// The content of a value with this tag at the front, and what follows it.
fn value(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    if bytes.first() == Some(&tag) { any(bytes) } else { None }
}

fn any(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&first, rest) = bytes.get(1..)?.split_first()?;
    let (length, rest) = match first {
        short @ ..=0x7f => (usize::from(short), rest),
        long @ 0x81..=0x83 => {
            let (length, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
            (length.iter().fold(0, |sum, &byte| sum << 8 | usize::from(byte)), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

/// Month, day, hour, minute and second, in UTC.
fn seconds(year: i64, text: &[u8]) -> Option<i64> {
    if text.len() != 11 || text[10] != b'Z' {
        return None;
    }
    let mut parts = [0_u8; 5];
    for (part, digits) in parts.iter_mut().zip(text.chunks(2)) {
        *part = u8::try_from(number(digits)?).ok()?;
    }
    let [month, day, hour, minute, second] = parts;
    let date =
        Date::from_calendar_date(i32::try_from(year).ok()?, Month::try_from(month).ok()?, day);
    let time = Time::from_hms(hour, minute, second);
    Some(UtcDateTime::new(date.ok()?, time.ok()?).unix_timestamp())
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |sum, digit| {
        digit.is_ascii_digit().then(|| sum * 10 + i64::from(digit - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    #[test]
    fn ends_of_both_forms_are_read() {
        for (year, month, day, expected) in [
            (2030, 2, 28, 1_898_467_200),
            (2049, 12, 31, 2_524_521_600),
            (2050, 1, 1, 2_524_608_000),
            (3000, 6, 1, 32_516_726_400),
        ] {
            let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(year, month, day);
            let made = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
            assert_eq!(of(made.der()).map(|span| span.ends_s), Some(expected), "{year}");
            assert_eq!(of(made.der()).map(|span| span.begins_s), Some(1_577_836_800));
        }
    }

    #[test]
    fn whatever_the_bytes_are_nothing_breaks() {
        let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let made = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let whole = made.der().to_vec();
        for cut in 0..whole.len() {
            assert_eq!(of(&whole[..cut]), None);
        }
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0xff;
            let _end = of(&bytes);
        }
    }
}

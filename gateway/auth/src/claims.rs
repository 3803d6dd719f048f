//! The claims as JSON: written in the wire's order, read with the wire's leniency.
//!
//! Reading: names in any case, unknown names skipped, the last of a repeated name counts, `null` leaves
//! the value absent. A value of another type makes the whole token malformed.

use serde::de::{self, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The claims to write; the order of the fields is the order on the wire.
#[derive(Serialize)]
pub(crate) struct Written<'a> {
    #[serde(rename = "UID")]
    pub(crate) uid: &'a str,
    #[serde(rename = "Platform")]
    pub(crate) platform: &'a str,
    /// Left out of a permanent token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) exp: Option<i64>,
    pub(crate) iat: i64,
    pub(crate) nbf: i64,
    /// Left out when empty.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) jti: &'a str,
}

/// The claims as read. A time of 0 is the same as an absent one.
#[derive(Default)]
pub(crate) struct Read {
    pub(crate) uid: String,
    pub(crate) platform: String,
    pub(crate) exp: i64,
    pub(crate) iat: i64,
    pub(crate) nbf: i64,
}

/// A header other than the one written here. Its names are matched exactly.
#[derive(Deserialize)]
#[serde(transparent)]
pub(crate) struct Header(serde_json::Map<String, serde_json::Value>);

impl Header {
    /// Whether the header names the one algorithm that is accepted.
    pub(crate) fn is_hs256(&self) -> bool {
        self.0.get("alg").and_then(|alg| alg.as_str()) == Some("HS256")
    }
}

enum Name {
    Uid,
    Platform,
    Exp,
    Iat,
    Nbf,
    Unknown,
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Name, D::Error> {
        struct NameVisitor;
        impl Visitor<'_> for NameVisitor {
            type Value = Name;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a claim's name")
            }
            fn visit_str<E: de::Error>(self, name: &str) -> Result<Name, E> {
                let names = [
                    ("UID", Name::Uid),
                    ("Platform", Name::Platform),
                    ("exp", Name::Exp),
                    ("iat", Name::Iat),
                    ("nbf", Name::Nbf),
                ];
                let found = names.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
                Ok(found.map_or(Name::Unknown, |(_, name)| name))
            }
        }
        deserializer.deserialize_identifier(NameVisitor)
    }
}

impl<'de> Deserialize<'de> for Read {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Read, D::Error> {
        struct ReadVisitor;
        impl<'de> Visitor<'de> for ReadVisitor {
            type Value = Read;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of claims")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Read, A::Error> {
                let mut read = Read::default();
                while let Some(name) = map.next_key::<Name>()? {
                    match name {
                        Name::Uid => set(&mut read.uid, map.next_value()?),
                        Name::Platform => set(&mut read.platform, map.next_value()?),
                        Name::Exp => set(&mut read.exp, map.next_value()?),
                        Name::Iat => set(&mut read.iat, map.next_value()?),
                        Name::Nbf => set(&mut read.nbf, map.next_value()?),
                        Name::Unknown => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(read)
            }
        }
        deserializer.deserialize_map(ReadVisitor)
    }
}

fn set<T>(slot: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *slot = value;
    }
}

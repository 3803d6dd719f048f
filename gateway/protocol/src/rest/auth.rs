//! `/auth/user_register` and `/auth/user_token`.

use std::borrow::Cow;

use super::bind::{BindError, Checks, bind};
use crate::json::{self, keys};
use crate::request::{UID_CHARS_MAX, valid_uid};

/// A user to create. Texts not given are empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Register<'a> {
    /// To compare with the server's own, in constant time.
    pub secret: Cow<'a, str>,
    /// 1 to 7: for whom the first token is.
    pub platform: i32,
    /// Satisfies [`valid_uid`].
    pub uid: Cow<'a, str>,
    /// Shown name.
    pub name: Cow<'a, str>,
    /// Address of the picture.
    pub icon: Cow<'a, str>,
    /// 0 unknown, 1 or 2.
    pub gender: i32,
    /// Telephone number.
    pub mobile: Cow<'a, str>,
    /// Birthday.
    pub birth: Cow<'a, str>,
    /// Mail address.
    pub email: Cow<'a, str>,
    /// For the application.
    pub ex: Cow<'a, str>,
}

/// A request for a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRequest<'a> {
    /// To compare with the server's own, in constant time.
    pub secret: Cow<'a, str>,
    /// 1 to 7: for whom the token is.
    pub platform: i32,
    /// 1 to 64 code points. Whether it exists is for the directory to say.
    pub uid: Cow<'a, str>,
}

const SECRET_CHARS_MAX: usize = 32;
const NAME_CHARS_MAX: usize = 64;
const PLATFORM_MAX: i32 = 7;

keys! {
    FIELDS =
    0: "secret",
    1: "platform",
    2: "uid",
    3: "name",
    4: "icon",
    5: "gender",
    6: "mobile",
    7: "birth",
    8: "email",
    9: "ex",
}

#[derive(Default)]
struct Draft<'a> {
    secret: Option<Cow<'a, str>>,
    platform: Option<i32>,
    uid: Option<Cow<'a, str>>,
    name: Option<Cow<'a, str>>,
    icon: Option<Cow<'a, str>>,
    gender: Option<i32>,
    mobile: Option<Cow<'a, str>>,
    birth: Option<Cow<'a, str>>,
    email: Option<Cow<'a, str>>,
    ex: Option<Cow<'a, str>>,
}

impl<'a> Draft<'a> {
    fn read(body: &'a [u8]) -> Result<Self, BindError> {
        let mut draft = Self::default();
        bind(body, &FIELDS, |index, reader, fields| {
            match index {
                0 => fields.put(index, reader.text()?, &mut draft.secret),
                1 => fields.put(index, reader.integer()?, &mut draft.platform),
                2 => fields.put(index, reader.text()?, &mut draft.uid),
                3 => fields.put(index, reader.text()?, &mut draft.name),
                4 => fields.put(index, reader.text()?, &mut draft.icon),
                5 => fields.put(index, reader.integer()?, &mut draft.gender),
                6 => fields.put(index, reader.text()?, &mut draft.mobile),
                7 => fields.put(index, reader.text()?, &mut draft.birth),
                8 => fields.put(index, reader.text()?, &mut draft.email),
                _ => fields.put(index, reader.text()?, &mut draft.ex),
            }
            Ok(())
        })?;
        Ok(draft)
    }

    /// What both routes ask for.
    fn check(&self, checks: &mut Checks) {
        checks.required(&self.secret, "Secret");
        checks.max(&self.secret, "Secret", SECRET_CHARS_MAX);
        let platform = self.platform.unwrap_or_default();
        checks.require(platform != 0, "Platform", "required");
        checks.require(platform >= 0, "Platform", "min");
        checks.require(platform <= PLATFORM_MAX, "Platform", "max");
        checks.required(&self.uid, "UID");
        checks.max(&self.uid, "UID", UID_CHARS_MAX);
    }
}

/// Reads the body of `/auth/user_register`.
///
/// # Errors
/// As the route's table says; also a uid with white space or control characters.
pub fn decode_register(body: &[u8]) -> Result<Register<'_>, BindError> {
    let draft = Draft::read(body)?;
    let mut checks = Checks::new("paramsUserRegister");
    draft.check(&mut checks);
    let uid = draft.uid.as_deref().unwrap_or_default();
    let right_length = (1..=UID_CHARS_MAX).contains(&uid.chars().count());
    checks.require(!right_length || valid_uid(uid), "UID", "uid");
    checks.required(&draft.name, "Name");
    checks.max(&draft.name, "Name", NAME_CHARS_MAX);
    checks.max(&draft.icon, "Icon", 1024);
    let gender = draft.gender.unwrap_or_default();
    checks.require((0..=2).contains(&gender), "Gender", "oneof");
    checks.max(&draft.mobile, "Mobile", 32);
    checks.max(&draft.birth, "Birth", 16);
    checks.max(&draft.email, "Email", 64);
    checks.max(&draft.ex, "Ex", 1024);
    checks.finish()?;
    Ok(Register {
        secret: draft.secret.unwrap_or_default(),
        platform: draft.platform.unwrap_or_default(),
        uid: draft.uid.unwrap_or_default(),
        name: draft.name.unwrap_or_default(),
        icon: draft.icon.unwrap_or_default(),
        gender,
        mobile: draft.mobile.unwrap_or_default(),
        birth: draft.birth.unwrap_or_default(),
        email: draft.email.unwrap_or_default(),
        ex: draft.ex.unwrap_or_default(),
    })
}

/// Reads the body of `/auth/user_token`.
///
/// # Errors
/// As the route's table says.
pub fn decode_token(body: &[u8]) -> Result<TokenRequest<'_>, BindError> {
    keys! {
        TOKEN_FIELDS =
        0: "secret",
        1: "platform",
        2: "uid",
    }
    let mut draft = Draft::default();
    bind(body, &TOKEN_FIELDS, |index, reader, fields| {
        match index {
            0 => fields.put(index, reader.text()?, &mut draft.secret),
            1 => fields.put(index, reader.integer()?, &mut draft.platform),
            _ => fields.put(index, reader.text()?, &mut draft.uid),
        }
        Ok(())
    })?;
    let mut checks = Checks::new("paramsUserToken");
    draft.check(&mut checks);
    checks.finish()?;
    Ok(TokenRequest {
        secret: draft.secret.unwrap_or_default(),
        platform: draft.platform.unwrap_or_default(),
        uid: draft.uid.unwrap_or_default(),
    })
}

/// Appends the answer of both routes; `expired_time` is in unix seconds.
pub fn token_answer(out: &mut Vec<u8>, uid: &str, token: &str, expired_time: i64) {
    out.extend_from_slice(b"{\"data\":{\"uid\":");
    json::string(out, uid);
    out.extend_from_slice(b",\"token\":");
    json::string(out, token);
    out.extend_from_slice(b",\"expiredTime\":");
    json::integer(out, expired_time);
    out.extend_from_slice(b"},\"errCode\":0,\"errMsg\":\"\"}");
}

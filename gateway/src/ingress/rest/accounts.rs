//! `/auth/user_register` and `/auth/user_token` (spec, REST 1.6).

use std::rc::Rc;
use std::time::Duration;

use hyper::Response;
use openim_auth::{Newest, Platform, secrets_match};
use openim_protocol::errcode::ErrCode;
use openim_protocol::rest::{self, token_answer};
use openim_record::UserId;
use openim_storage::port::{Ban, User};

use super::answer::{self, Answer};
use crate::bus::{self, Call, Refused};
use crate::driver::{Core, moment};

/// Time until a token is made again that would have been of an ended second.
const ISSUE_AGAIN: Duration = Duration::from_millis(50);

pub(super) async fn user_register(core: &Rc<Core>, body: &[u8]) -> Response<Answer> {
    let asked = match rest::decode_register(body) {
        Ok(asked) => asked,
        Err(error) => return answer::bind(&error),
    };
    if !secrets_match(asked.secret.as_bytes(), core.settings.secret.as_bytes()) {
        return answer::refused(ErrCode::NotAuthorized);
    }
    let user = User {
        uid: UserId::new(&asked.uid),
        name: asked.name.into_owned(),
        icon: asked.icon.into_owned(),
        gender: asked.gender,
        mobile: asked.mobile.into_owned(),
        birth: asked.birth.into_owned(),
        email: asked.email.into_owned(),
        ex: asked.ex.into_owned(),
        create_ms: core.now().unix_ms(),
    };
    let home = core.home(&asked.uid);
    match core.call(home, Call::Register(Box::new(user))).await {
        bus::Answer::Registered => issue(core, &asked.uid, asked.platform).await,
        other => failed(&other),
    }
}

pub(super) async fn user_token(core: &Rc<Core>, body: &[u8]) -> Response<Answer> {
    let asked = match rest::decode_token(body) {
        Ok(asked) => asked,
        Err(error) => return answer::bind(&error),
    };
    if !secrets_match(asked.secret.as_bytes(), core.settings.secret.as_bytes()) {
        return answer::refused(ErrCode::NotAuthorized);
    }
    issue(core, &asked.uid, asked.platform).await
}

async fn issue(core: &Rc<Core>, uid: &str, platform: i32) -> Response<Answer> {
    let Some(platform) = Platform::from_id(platform.into()) else {
        return answer::error(ErrCode::Binding, "platform is not one of 1 to 7");
    };
    loop {
        let issued = core.signer.issue(uid, platform, moment(core.now()), &core.next_jti());
        let newest =
            Newest { id: issued.id, issued_at: issued.issued_at, expires_at: issued.expires_at };
        let call = Call::Issue { uid: UserId::new(uid), platform, newest };
        match core.call(core.home(uid), call).await {
            bus::Answer::Issued => {
                let mut body = Vec::with_capacity(512);
                token_answer(&mut body, uid, &issued.token, issued.expires_at.unwrap_or(0));
                return answer::json(200, body);
            }
            // Tokens were ended in this very second: the new one is of the next.
            bus::Answer::IssueAfter => tokio::time::sleep(ISSUE_AGAIN).await,
            other => return failed(&other),
        }
    }
}

fn banned(ban: &Ban) -> Response<Answer> {
    let until = match ban.until_s {
        i64::MAX => String::new(),
        until_s => format!(" until {until_s}"),
    };
    let reason = if ban.reason.is_empty() { "" } else { ": " };
    let text = format!("{}{until}{reason}{}", ErrCode::Banned.text(), ban.reason);
    answer::error(ErrCode::Banned, &text)
}

fn failed(outcome: &bus::Answer) -> Response<Answer> {
    if let bus::Answer::Banned(ban) = outcome {
        return banned(ban);
    }
    answer::refused(match outcome {
        bus::Answer::Refused(Refused::Exists) => ErrCode::AlreadyRegistered,
        bus::Answer::Refused(Refused::UnknownUser) => ErrCode::UnknownUser,
        _ => ErrCode::Unavailable,
    })
}

//! `/auth/user_register` and `/auth/user_token` (spec, REST 1.6).

use std::rc::Rc;

use openim_auth::Platform;
use openim_protocol::errcode::ErrCode;
use openim_protocol::rest::{self, token_answer};
use openim_record::UserId;
use openim_storage::port::{Ban, User};

use super::answer::{self, Outcome, Refusal};
use super::bearer::Secret;
use crate::bus::{Refused, Register};
use crate::driver::Core;
use crate::ops::acts;
use crate::page::Guest;

pub(super) async fn user_register(core: &Rc<Core>, secret: Secret, body: &[u8]) -> Outcome {
    let asked = rest::decode_register(body)?;
    if !is_guest(core, &asked)? {
        secret.check(core, &asked.secret, ErrCode::NotAuthorized)?;
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
    core.at_home(Register { user: Box::new(user) }).await.map_err(refused)?;
    issue(core, &asked.uid, asked.platform).await
}

pub(super) async fn user_token(core: &Rc<Core>, secret: Secret, body: &[u8]) -> Outcome {
    let asked = rest::decode_token(body)?;
    secret.check(core, &asked.secret, ErrCode::NotAuthorized)?;
    issue(core, &asked.uid, asked.platform).await
}

/// Whether a guest of the chat page registers: the page's key is good for a new uid of guests, and for nothing else.
fn is_guest(core: &Core, asked: &rest::Register<'_>) -> Result<bool, Refusal> {
    let Some(page) = &core.settings.page else { return Ok(false) };
    match page.guest(&asked.uid, &asked.secret, core.now().mono_ms) {
        None => Ok(false),
        Some(Guest::Welcome) => {
            core.metrics.guests.add(1);
            Ok(true)
        }
        Some(Guest::TooMany) => {
            core.metrics.guests_refused.add(1);
            Err(answer::too_many_guests().into())
        }
    }
}

async fn issue(core: &Rc<Core>, uid: &str, platform: i32) -> Outcome {
    let Some(platform) = Platform::from_id(platform.into()) else {
        return Err(answer::error(ErrCode::Binding, "platform is not one of 1 to 7").into());
    };
    let issued = acts::fresh_token(core, uid, platform).await.map_err(refused)?;
    let mut body = Vec::with_capacity(512);
    token_answer(&mut body, uid, &issued.token, issued.expires_at.unwrap_or(0));
    Ok(answer::json(200, body))
}

fn refused(why: Refused) -> Refusal {
    match why {
        Refused::Banned(ban) => banned(&ban),
        Refused::Exists => ErrCode::AlreadyRegistered.into(),
        Refused::UnknownUser => ErrCode::UnknownUser.into(),
        _ => ErrCode::Unavailable.into(),
    }
}

fn banned(ban: &Ban) -> Refusal {
    let until = match ban.until_s {
        i64::MAX => String::new(),
        until_s => format!(" until {until_s}"),
    };
    let reason = if ban.reason.is_empty() { "" } else { ": " };
    let text = format!("{}{until}{reason}{}", ErrCode::Banned.text(), ban.reason);
    answer::error(ErrCode::Banned, &text).into()
}

//! `/user`: profiles, and who is online (spec, REST 1.7, 7.8, 7.9).

use std::rc::Rc;

use openim_auth::Platform;
use openim_protocol::errcode::ErrCode;
use openim_protocol::rest::{
    self, ListKey, OnlineStatus, Profile, UpdateUserInfo, get_user_info_error,
};
use openim_protocol::tip;
use openim_record::UserId;
use openim_storage::port::{User, UserChange};

use super::answer::{self, Outcome, Refusal, unavailable};
use super::bearer::{Denied, Open, Secret, Token};
use super::pages::{Named, Source, list};
use crate::bus::{Refused, UpdateProfile};
use crate::driver::Core;
use crate::ops::profile::{gather_presence, gather_profiles, seen_whole};
use crate::ops::tip::{generation, tell_friends};

/// Open to everybody; who has a good token may see more.
pub(super) async fn get_user_info(core: &Rc<Core>, token: Open<'_>, body: &[u8]) -> Outcome {
    let asked = rest::decode_get_user_info(body, core.settings.ids_per_call_max)?;
    if asked.uid_list.is_empty() {
        return Err(ErrCode::UidListNil.into());
    }
    let failed = || {
        let mut out = Vec::new();
        get_user_info_error(&mut out, ErrCode::Unavailable.text());
        Refusal::from(answer::json(500, out))
    };
    let reader = token.reader(core).await.map_err(|_| failed())?;
    let uids = asked.uid_list.iter().map(|uid| UserId::new(uid));
    let source = Profiles { reader, named: Named::new(ListKey::Data, uids) };
    list(core, source, |_| failed()).await
}

/// Profiles of named users, as `reader` may see them.
struct Profiles {
    reader: Option<UserId>,
    named: Named<UserId>,
}

impl Source for Profiles {
    async fn page(&mut self, core: &Rc<Core>, out: &mut Vec<u8>) -> Result<bool, Refused> {
        let uids = self.named.next();
        let found = gather_profiles(core, &uids).await?;
        let whole = seen_whole(core, self.reader.as_ref(), &uids).await?;
        let mut writer = self.named.writer(out);
        for (user, whole) in found.iter().zip(whole) {
            if let Some(user) = user {
                writer.element(out, &profile(user, whole));
            }
        }
        Ok(self.named.turn(writer, out))
    }
}

pub(super) async fn update_user_info(core: &Rc<Core>, token: Token<'_>, body: &[u8]) -> Outcome {
    let asked = rest::decode_update_user_info(body)?;
    let me = token.bearer(core).await.map_err(|denied| match denied {
        Denied::Unavailable => unavailable(denied),
        Denied::Token(_) => answer::error(ErrCode::ParseToken, &denied.text()).into(),
    })?;
    if !asked.fits() {
        return Err(ErrCode::UpdateUser.into());
    }
    let manages = me.is_manager(core);
    let of_another = !asked.uid.is_empty() && manages;
    let uid = if of_another { UserId::new(&asked.uid) } else { me.uid };
    if !asked.changes_anything() {
        return Ok(answer::plain(ErrCode::Ok));
    }
    let update = UpdateProfile { change: Box::new(change(uid, asked)), paced: !manages };
    let user = core.at_home(update).await.map_err(|why| match why {
        Refused::TooOften => {
            answer::error(ErrCode::UpdateUser, "the profile is changed too often").into()
        }
        _ => Refusal::from(ErrCode::UpdateUser),
    })?;
    // Nobody has this profile: nothing changed, and nobody needs to know.
    let Some(user) = user else { return Ok(answer::plain(ErrCode::Ok)) };
    if let Some(tip) = tip::profile_changed(generation(core), user.uid.as_str()) {
        tell_friends(core, &user, &tip).await?;
    }
    Ok(answer::plain(ErrCode::Ok))
}

fn change(uid: UserId, asked: UpdateUserInfo<'_>) -> UserChange {
    let given = |text: std::borrow::Cow<'_, str>| (!text.is_empty()).then(|| text.into_owned());
    UserChange {
        uid,
        name: given(asked.name),
        icon: given(asked.icon),
        gender: (asked.gender != 0).then_some(asked.gender),
        mobile: given(asked.mobile),
        birth: given(asked.birth),
        email: given(asked.email),
        ex: given(asked.ex),
    }
}

pub(super) async fn get_users_online_status(
    core: &Rc<Core>,
    secret: Secret,
    body: &[u8],
) -> Outcome {
    let asked = rest::decode_get_users_online_status(body, core.settings.ids_per_call_max)?;
    secret.check(core, &asked.secret, ErrCode::WrongSecret)?;
    online(core, asked.user_id_list.iter().map(|uid| UserId::new(uid))).await
}

/// Who of `uids` is online, and on which platforms.
pub(super) async fn online(core: &Rc<Core>, uids: impl Iterator<Item = UserId>) -> Outcome {
    let source = Online(Named::new(ListKey::SuccessResult, uids));
    list(core, source, unavailable).await
}

struct Online(Named<UserId>);

impl Source for Online {
    async fn page(&mut self, core: &Rc<Core>, out: &mut Vec<u8>) -> Result<bool, Refused> {
        let uids = self.0.next();
        let found = gather_presence(core, &uids).await?;
        let mut writer = self.0.writer(out);
        for (uid, platforms) in uids.iter().zip(&found) {
            let names: Vec<&str> = platforms
                .iter()
                .filter_map(|&id| Platform::from_id(i64::from(id)))
                .map(Platform::name)
                .collect();
            writer.element(out, &OnlineStatus { user_id: uid.as_str(), platforms: &names });
        }
        Ok(self.0.turn(writer, out))
    }
}

/// A user's row as the wire writes it: the `whole` of it, or what a stranger may know.
pub(super) fn profile(user: &User, whole: bool) -> Profile<'_> {
    let known = |text| if whole { text } else { "" };
    Profile {
        uid: user.uid.as_str(),
        name: &user.name,
        icon: &user.icon,
        gender: user.gender,
        mobile: known(&user.mobile),
        birth: known(&user.birth),
        email: known(&user.email),
        ex: known(&user.ex),
    }
}

//! Tokens of clients: verified here, held against the newest ones only at their users' homes.

use std::net::IpAddr;

use openim_auth::{Claims, Platform};
use openim_shard::Credentials;

use crate::audit::{Event, Stranger, short};
use crate::driver::{Core, moment};

/// Verifies a token and that it is `uid`'s, and where tokens are for one platform (`policy.tokenPlatform`)
/// that it is for the one that its bearer names; whether it was superseded only the home can say.
pub(crate) fn credentials(
    core: &Core,
    token: &str,
    uid: &str,
    platform: Option<u8>,
) -> Option<Credentials> {
    let claims =
        core.keys.verify(token, moment(core.now())).ok().filter(|claims| claims.uid == uid)?;
    if let Some(platform) = platform.filter(|_| core.live().rules.strict_platform) {
        let named = Platform::from_id(platform.into())?;
        if claims.platform_name != named.name() {
            return None;
        }
    }
    Some(of_claims(core, token, &claims))
}

/// What links and calls keep of a token that was verified.
pub(crate) fn of_claims(core: &Core, token: &str, claims: &Claims) -> Credentials {
    Credentials {
        class: claims.class,
        platform: Platform::from_name(&claims.platform_name).map_or(0, Platform::id),
        id: claims.id,
        issued_at: claims.issued_at,
        expires_at: claims.expires_at.unwrap_or(i64::MAX),
        frame: core.keys.digest(token),
    }
}

/// What is wrong with a token that was refused.
pub(crate) fn why_refused(core: &Core, token: &str, uid: &str) -> String {
    match core.keys.verify(token, moment(core.now())) {
        Err(error) => error.to_string(),
        Ok(claims) if claims.uid != uid => "another user's token".to_owned(),
        Ok(_) => "a token of another platform".to_owned(),
    }
}

/// Notes that somebody who claims to be `uid` was refused for their token.
pub(crate) fn refused_token(core: &Core, uid: &str, from: Option<IpAddr>, reason: &str) {
    tracing::debug!(uid = ?short(uid), ?from, reason, "token refused");
    let event = Event::new("token", Some(reason)).uid(uid).from(from);
    core.audit.note(event.with("route", "websocket").of_stranger(Stranger::Token));
}

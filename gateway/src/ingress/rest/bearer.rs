//! Who calls: the token of a request, verified here and held against the newest ones at its user's home.

use std::rc::Rc;

use openim_auth::{Platform, TokenError};
use openim_protocol::reply::TimeUnit;
use openim_record::UserId;
use openim_shard::Credentials;

use crate::bus::{Answer, Call, Caller, Refused};
use crate::driver::{Core, moment};

/// Somebody whose token is good.
pub(super) struct Bearer {
    /// The acting user.
    pub(super) uid: UserId,
    /// The unit of times that the calling device reads, if it is known: it tells its generation.
    pub(super) unit: Option<TimeUnit>,
}

impl Bearer {
    /// Whether they may act for others (`manager.appManagerUid`).
    pub(super) fn is_manager(&self, core: &Core) -> bool {
        core.settings.is_manager(self.uid.as_str())
    }
}

/// Why nobody acts.
#[derive(Clone, Copy, Debug)]
pub(super) enum Denied {
    /// The token is not good; the text says why (spec, REST 2.3).
    Token(TokenError),
    /// That cannot be told now.
    Unavailable,
}

impl Denied {
    /// For humans.
    pub(super) fn text(self) -> String {
        match self {
            Self::Token(error) => error.to_string(),
            Self::Unavailable => openim_protocol::errcode::ErrCode::Unavailable.text().to_owned(),
        }
    }
}

/// Who holds `token`.
pub(super) async fn bearer(core: &Rc<Core>, token: &str) -> Result<Bearer, Denied> {
    let claims = core.signer.verify(token, moment(core.now())).map_err(Denied::Token)?;
    let credentials = Credentials {
        class: claims.class,
        platform: Platform::from_name(&claims.platform_name).map_or(0, Platform::id),
        id: claims.id,
        issued_at: claims.issued_at,
        expires_at: claims.expires_at.unwrap_or(i64::MAX),
        frame: core.digest(token),
    };
    let uid = UserId::new(&claims.uid);
    let caller = Caller { uid: uid.clone(), credentials, sign: None };
    match core.call(core.home(uid.as_str()), Call::Authenticate(caller)).await {
        Answer::Authentic { unit, .. } => Ok(Bearer { uid, unit }),
        Answer::Refused(Refused::Token) => Err(Denied::Token(TokenError::Superseded)),
        _ => Err(Denied::Unavailable),
    }
}

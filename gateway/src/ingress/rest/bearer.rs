//! Who calls: what each route asks of its callers, and how a token becomes somebody who acts.
//!
//! A token is verified here and held against the newest ones at its user's home. Routes differ in how they
//! answer one that is not good, so there is more than one way to a [`Bearer`].

use std::rc::Rc;

use openim_auth::{TokenError, secrets_match};
use openim_protocol::errcode::ErrCode;
use openim_protocol::reply::TimeUnit;
use openim_record::UserId;

use super::answer::{Refusal, unavailable};
use super::groups::no_list;
use crate::bus::{Authentic, Authenticate, Caller, Refused};
use crate::driver::{Core, moment};
use crate::ops::credentials::of_claims;

/// What a route asks of its callers. Each kind is a type as well, which the route's handler is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Guard {
    Open,
    Secret,
    Token,
    Manager,
}

/// Nothing. Whoever has a good token may see more.
pub(super) struct Open<'a>(&'a str);

/// The secret of the app's own server, which the body brings. Wrong ones slow their address down.
pub(super) struct Secret;

/// A good token.
#[derive(Clone, Copy)]
pub(super) struct Token<'a>(&'a str);

/// The token of a manager. Calls are told to the audit.
#[derive(Clone, Copy)]
pub(super) struct Manager<'a>(&'a str);

impl<'a> Open<'a> {
    pub(super) const fn new(token: &'a str) -> Self {
        Self(token)
    }

    /// Who calls, if their token is good: one that is not counts as none.
    pub(super) async fn reader(self, core: &Rc<Core>) -> Result<Option<UserId>, Denied> {
        match self.0 {
            "" => Ok(None),
            token => match bearer(core, token).await {
                Ok(reader) => Ok(Some(reader.uid)),
                Err(Denied::Token(_)) => Ok(None),
                Err(denied @ Denied::Unavailable) => Err(denied),
            },
        }
    }
}

impl Secret {
    pub(super) const fn new(_token: &str) -> Self {
        Self
    }

    /// Whether the caller knows it; else the code to answer with.
    pub(super) fn check(self, core: &Core, given: &str, wrong: ErrCode) -> Result<(), ErrCode> {
        match secrets_match(given.as_bytes(), core.settings.secret.as_bytes()) {
            true => Ok(()),
            false => Err(wrong),
        }
    }
}

impl<'a> Token<'a> {
    pub(super) const fn new(token: &'a str) -> Self {
        Self(token)
    }

    pub(super) const fn text(self) -> &'a str {
        self.0
    }

    pub(super) async fn bearer(self, core: &Rc<Core>) -> Result<Bearer, Denied> {
        bearer(core, self.0).await
    }

    /// The bearer, where a bad token has the code `bad` and its text.
    pub(super) async fn or(self, core: &Rc<Core>, bad: ErrCode) -> Result<Bearer, Refusal> {
        self.bearer(core).await.map_err(|denied| match denied {
            Denied::Token(_) => bad.into(),
            Denied::Unavailable => unavailable(denied),
        })
    }

    /// The same, where the answer is a list.
    pub(super) async fn or_no_list(self, core: &Rc<Core>) -> Result<Bearer, Refusal> {
        self.bearer(core).await.map_err(|denied| no_list(denied.code()))
    }
}

impl<'a> Manager<'a> {
    pub(super) const fn new(token: &'a str) -> Self {
        Self(token)
    }

    /// The bearer, if it is a manager's token.
    pub(super) async fn bearer(self, core: &Rc<Core>) -> Result<Bearer, NoManager> {
        match bearer(core, self.0).await {
            Ok(me) if me.is_manager(core) => Ok(me),
            Ok(_) => Err(NoManager::Ordinary),
            Err(denied) => Err(NoManager::Denied(denied)),
        }
    }
}

/// Somebody whose token is good.
pub(super) struct Bearer {
    /// The acting user.
    pub(super) uid: UserId,
    /// The unit of times that the calling device reads, if it is known: it tells its generation.
    pub(super) unit: Option<TimeUnit>,
    /// A time that their next send is later than.
    pub(super) after_ns: i64,
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
    /// What most routes answer.
    pub(super) const fn code(self) -> ErrCode {
        match self {
            Self::Token(_) => ErrCode::ParseToken,
            Self::Unavailable => ErrCode::Unavailable,
        }
    }

    /// For humans.
    pub(super) fn text(self) -> String {
        match self {
            Self::Token(error) => error.to_string(),
            Self::Unavailable => ErrCode::Unavailable.text().to_owned(),
        }
    }
}

/// Why no manager acts.
#[derive(Clone, Copy, Debug)]
pub(super) enum NoManager {
    Denied(Denied),
    /// The token is good, and somebody else's.
    Ordinary,
}

impl NoManager {
    /// What most routes of managers answer.
    pub(super) fn told(self) -> (ErrCode, String) {
        match self {
            Self::Denied(denied) => (denied.code(), denied.text()),
            Self::Ordinary => (ErrCode::NotManager, ErrCode::NotManager.text().to_owned()),
        }
    }
}

/// Who holds `token`.
async fn bearer(core: &Rc<Core>, token: &str) -> Result<Bearer, Denied> {
    let claims = core.keys.verify(token, moment(core.now())).map_err(Denied::Token)?;
    let credentials = of_claims(core, token, &claims);
    let uid = UserId::new(&claims.uid);
    let caller = Caller { uid: uid.clone(), credentials, sign: None };
    match core.at_home(Authenticate { caller }).await {
        Ok(Authentic { unit, after_ns }) => Ok(Bearer { uid, unit, after_ns }),
        Err(Refused::Token) => Err(Denied::Token(TokenError::Superseded)),
        Err(_) => Err(Denied::Unavailable),
    }
}

//! What is said of a REST request when it has been answered: one debug line, the count of failed logins,
//! and the audit of logins, refused tokens and managers' calls.

use std::rc::Rc;
use std::time::Duration;

use openim_protocol::errcode::ErrCode;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::answer::{self, Response};
use super::bearer::Guard;
use super::route::{Asked, Route};
use crate::audit::{Event, Stranger, short};
use crate::driver::{Core, moment};
use crate::metrics::{Label as _, LoginFailed, RestRoute};

/// Bytes of a value in a manager's body that are kept.
const VALUE_BYTES_MAX: usize = 1_024;

/// What a body says of itself, whatever its route.
#[derive(Default, Deserialize)]
struct Head<'a> {
    #[serde(rename = "operationID", borrow, default)]
    operation: Option<&'a RawValue>,
    #[serde(borrow, default)]
    uid: Option<&'a RawValue>,
    #[serde(borrow, default)]
    platform: Option<&'a RawValue>,
    #[serde(rename = "deleteUidList", borrow, default)]
    deleted: Option<&'a RawValue>,
    #[serde(borrow, default)]
    until: Option<&'a RawValue>,
    #[serde(borrow, default)]
    reason: Option<&'a RawValue>,
    #[serde(rename = "sendID", borrow, default)]
    sender: Option<&'a RawValue>,
    #[serde(rename = "recvID", borrow, default)]
    receiver: Option<&'a RawValue>,
}

impl Head<'_> {
    fn text(value: Option<&RawValue>) -> String {
        value.and_then(|value| serde_json::from_str(value.get()).ok()).unwrap_or_default()
    }
}

/// Says what came of a request.
pub(super) fn tell(
    core: &Rc<Core>,
    route: &Route,
    asked: &Asked,
    body: &[u8],
    response: &Response,
    took: Duration,
) {
    let code = answer::code(response);
    let name = route.name();
    // A body that is no JSON was refused as such.
    let head = || serde_json::from_slice::<Head<'_>>(body).unwrap_or_default();
    if tracing::enabled!(tracing::Level::DEBUG) {
        let operation = Head::text(head().operation);
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let status = response.status().as_u16();
        tracing::debug!(route = name, operationID = operation, from = %asked.from, status, code, us, "answered");
    }
    if matches!(answer::named(response), Some(ErrCode::NotAuthorized | ErrCode::WrongSecret)) {
        core.doors.wrong_guess(asked.from, core.now().mono_ms);
    }
    match route.label {
        RestRoute::UserToken | RestRoute::UserRegister => {
            login(core, route, asked, &head(), response, code);
        }
        _ if !asked.token.is_empty() => bearer(core, route, asked, head, response, code),
        _ => {}
    }
}

/// Says, if nobody did so for a while, that right secrets are refused as well.
pub(super) fn crowded(asked: &Asked, tell: bool) {
    if tell {
        tracing::warn!(
            address = %asked.from,
            "logins from this address are refused, right secrets too: it gives wrong ones by the dozen; is it \
             a proxy of yours, list it in limits.trustedProxies"
        );
    }
}

/// Notes a call that was refused because its address has given too many wrong secrets.
pub(super) fn slowed(core: &Core, route: &Route, asked: &Asked, body: &[u8]) {
    core.metrics.logins_failed.of(LoginFailed::Slowed).add(1);
    let head = serde_json::from_slice::<Head<'_>>(body).unwrap_or_default();
    let event = Event::new("login", Some("slowed")).uid(&Head::text(head.uid));
    let event = event.from(Some(asked.from)).with("route", route.name());
    let event = with_body(event, &[], &head, i64::from(ErrCode::Unavailable.number()));
    core.audit.note(event.of_stranger(Stranger::Login));
}

fn login(
    core: &Rc<Core>,
    route: &Route,
    asked: &Asked,
    head: &Head<'_>,
    response: &Response,
    code: i64,
) {
    let failed = (code != 0).then(|| LoginFailed::of(answer::named(response)));
    if let Some(failed) = failed {
        core.metrics.logins_failed.of(failed).add(1);
    }
    let what = if route.label == RestRoute::UserToken { "login" } else { "registration" };
    let reason = failed.map(|failed| LoginFailed::VALUES[failed.index()]);
    let uid = Head::text(head.uid);
    core.trace(&uid, what, || format!("errCode={code} from={}", asked.from));
    if code == 0 && !core.audit.hears_all() {
        return;
    }
    let event = Event::new(what, reason).uid(&uid).from(Some(asked.from));
    let event = with_body(event, &[("platform", head.platform)], head, code);
    core.audit.note(if code == 0 { event } else { event.of_stranger(Stranger::Login) });
}

/// A call with a token: refused for it, a manager's, or refused as it is for managers only.
fn bearer<'a>(
    core: &Rc<Core>,
    route: &Route,
    asked: &Asked,
    head: impl FnOnce() -> Head<'a>,
    response: &Response,
    code: i64,
) {
    let name = route.name();
    let verified = core.keys.verify(&asked.token, moment(core.now()));
    let refused = match &verified {
        Err(error) if code != 0 => Some(error.to_string()),
        Ok(_) if answer::says_superseded(response) => Some("superseded".to_owned()),
        _ => None,
    };
    let uid = verified.as_ref().map(|claims| claims.uid.clone()).unwrap_or_default();
    if let Some(reason) = refused {
        let head = head();
        let event = Event::new("token", Some(&reason)).uid(&uid).from(Some(asked.from));
        let event = with_body(event.with("route", name), &[], &head, code);
        core.audit.note(event.of_stranger(Stranger::Token));
    } else if core.settings.managers.contains(&uid) || (code != 0 && route.guard == Guard::Manager)
    {
        let head = head();
        let manages = core.settings.managers.contains(&uid);
        let reason = (code != 0).then(|| match manages {
            true => format!("errCode {code}"),
            false => "not a manager".to_owned(),
        });
        let event = Event::new("manager", reason.as_deref()).uid(&uid).from(Some(asked.from));
        let values = [
            ("target", head.uid),
            ("targets", head.deleted),
            ("platform", head.platform),
            ("until", head.until),
            ("because", head.reason),
            ("sendID", head.sender),
            ("recvID", head.receiver),
        ];
        let event = with_body(event.with("route", name), &values, &head, code);
        // Anybody can be refused as often as they like.
        core.audit.note(if manages { event } else { event.of_stranger(Stranger::Token) });
    }
}

fn with_body(
    mut event: Event,
    values: &[(&'static str, Option<&RawValue>)],
    head: &Head<'_>,
    code: i64,
) -> Event {
    for (name, value) in values {
        let Some(value) = value else { continue };
        event = match serde_json::from_str::<serde_json::Value>(value.get()) {
            Ok(value_of) if value.get().len() <= VALUE_BYTES_MAX => event.with(name, value_of),
            _ => event.with(name, short(value.get())),
        };
    }
    event.with("operationID", short(&Head::text(head.operation))).with("errCode", code)
}

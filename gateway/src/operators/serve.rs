//! Requests to the console: which may be answered, and who answers.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::header::{
    AUTHORIZATION, COOKIE, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN, SET_COOKIE,
};
use hyper::{Method, Request, Response, StatusCode};
use openim_auth::secrets_match;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::answers::{self, file};
use super::{Console, Role, Shut, books, groups, lines, messages, users, why};
use crate::audit::Stranger;
use crate::configured::row_json;
use crate::copying::Sent;
use crate::query::Query;
use crate::web;

/// Where the console is.
const HOME: &str = "/console";
/// Where one logs in.
const LOGIN: &str = "/console/login";
const LOGOUT: &str = "/console/logout";
const API: &str = "/console/api/";

const COOKIE_NAME: &str = "openim_console";
/// Bytes of what is sent here, and the time for it.
const BODY_BYTES_MAX: usize = 64 * 1024;
const BODY_TIME_MAX: Duration = Duration::from_secs(5);

/// An answer that is no good one: why, in a word that pages know and one for people.
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) why: &'static str,
    pub(super) text: String,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, why: &'static str, text: impl Into<String>) -> Self {
        Self { status, why, text: text.into() }
    }

    pub(super) fn unknown(text: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "unknown", text)
    }

    fn into_response(self) -> Response<Sent> {
        answers::json(self.status, &json!({ "error": self.why, "text": self.text }))
    }
}

/// Who asks.
pub(super) struct Asker {
    pub(super) role: Role,
    pub(super) from: IpAddr,
    /// Empty: it showed the secret instead.
    pub(super) cookie: String,
}

impl Console {
    /// Whether a path is one of the console's.
    pub(crate) fn is_at(path: &str) -> bool {
        path.strip_prefix(HOME).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Answers a request. `alive` is told each time that a piece of an answer without an end is taken.
    pub(crate) async fn answer(
        self: &Arc<Self>,
        request: Request<Incoming>,
        from: IpAddr,
        alive: &Arc<AtomicBool>,
    ) -> Response<Sent> {
        let from = from.to_canonical();
        let answered = match request.uri().path() {
            LOGIN | LOGOUT => self.door(request, from).await,
            path if path.starts_with(API) => self.ask(request, from, alive).await,
            path => page(path, request.method(), request.headers()),
        };
        let mut response = answered.unwrap_or_else(Refusal::into_response);
        web::guard(response.headers_mut());
        response
    }

    async fn door(
        &self,
        request: Request<Incoming>,
        from: IpAddr,
    ) -> Result<Response<Sent>, Refusal> {
        only(&request, Method::POST)?;
        self.of_this_site(request.headers())?;
        if request.uri().path() == LOGOUT {
            self.sessions.lock().close(cookie(request.headers()));
            return Ok(self.with_cookie(&json!({}), "", Duration::ZERO));
        }
        let asked = body(request.into_body()).await?;
        let password = asked["password"].as_str().unwrap_or_default();
        let role = self.admit(from, || self.of_password(password)).await;
        let role = role.map_err(|shut| self.shut("login", shut, from))?;
        let mut sessions = self.sessions.lock();
        let (lasts, cookie) = (sessions.lasts(), sessions.open(role, Instant::now()));
        drop(sessions);
        let no_chance = "the system gives no random numbers";
        let none = || Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "failed", no_chance);
        let cookie = cookie.ok_or_else(none)?;
        self.logins.fetch_add(1, Ordering::Relaxed);
        let event = self.note("login", None, from).with("role", role.name());
        self.sources.audit.note(event);
        Ok(self.with_cookie(&json!({ "role": role.name() }), &cookie, lasts))
    }

    /// Gives a cookie that scripts do not see and other sites do not send, nor a browser without TLS where there is some here.
    fn with_cookie(&self, told: &Value, cookie: &str, lasts: Duration) -> Response<Sent> {
        let mut response = answers::json(StatusCode::OK, told);
        let secure = if self.is_tls { "; Secure" } else { "" };
        let text = format!(
            "{COOKIE_NAME}={cookie}; Path={HOME}; Max-Age={}; HttpOnly; SameSite=Strict{secure}",
            lasts.as_secs()
        );
        if let Ok(value) = HeaderValue::try_from(text) {
            response.headers_mut().insert(SET_COOKIE, value);
        }
        response
    }

    fn shut(&self, act: &str, shut: Shut, from: IpAddr) -> Refusal {
        let (status, why, text) = match shut {
            Shut::Wrong => (StatusCode::FORBIDDEN, "wrong", "that is not the password"),
            Shut::Slowed => {
                (StatusCode::TOO_MANY_REQUESTS, "slowed", "too many wrong passwords: wait")
            }
        };
        let event = self.note(act, Some(text), from);
        self.sources.audit.note(event.of_stranger(Stranger::Login));
        Refusal::new(status, why, text)
    }

    /// Refuses what a page of another site has a browser send.
    fn of_this_site(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        if is_foreign(headers) {
            self.refused.fetch_add(1, Ordering::Relaxed);
            let text = "this comes from a page of another site; a proxy in front must keep the header host";
            return Err(Refusal::new(StatusCode::FORBIDDEN, "foreign", text));
        }
        Ok(())
    }

    /// Who asks, by cookie or by the secret of programs.
    async fn who(&self, headers: &HeaderMap, from: IpAddr) -> Result<Asker, Refusal> {
        let bearer = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        if let Some(given) = bearer.and_then(|text| text.strip_prefix("Bearer ")) {
            let kept = self.keys.bearer.expose().as_bytes();
            let is = || secrets_match(given.as_bytes(), kept).then_some(Role::Operator);
            let role = self.admit(from, is).await;
            let role = role.map_err(|shut| self.shut("bearer", shut, from))?;
            return Ok(Asker { role, from, cookie: String::new() });
        }
        let cookie = cookie(headers);
        let role = self.sessions.lock().role(cookie, Instant::now());
        let Some(role) = role else {
            self.refused.fetch_add(1, Ordering::Relaxed);
            let text = "log in at /console, or show admin.secret";
            return Err(Refusal::new(StatusCode::UNAUTHORIZED, "login", text));
        };
        Ok(Asker { role, from, cookie: cookie.to_owned() })
    }

    async fn ask(
        self: &Arc<Self>,
        request: Request<Incoming>,
        from: IpAddr,
        alive: &Arc<AtomicBool>,
    ) -> Result<Response<Sent>, Refusal> {
        self.of_this_site(request.headers())?;
        let asker = self.who(request.headers(), from).await?;
        let path = request.uri().path().strip_prefix(API).unwrap_or_default();
        if let Some(name) = path.strip_prefix("act/") {
            only(&request, Method::POST)?;
            let name = name.to_owned();
            self.may(&asker, &name)?;
            let asked = body(request.into_body()).await?;
            return Ok(answers::json(StatusCode::OK, &self.act(&asker, &name, &asked).await?));
        }
        only(&request, Method::GET)?;
        let asked = Query::read(request.uri().query().unwrap_or_default());
        let told = match path {
            "who" => {
                json!({ "role": asker.role.name(), "version": env!("CARGO_PKG_VERSION"), "revision": crate::REVISION })
            }
            "live" => return self.stream(asker, alive),
            "users" => users::find(&self.asking, &asked).await?,
            "user" => users::one(&self.asking, &asked).await?,
            "group" => groups::one(&self.asking, &asked).await?,
            "messages" => messages::tell(&self.asking, &asked).await?,
            "why" => why::tell(&self.asking, &asked).await?,
            "log" => lines::tell(&self.told.kept.log, &asked),
            "audit" => lines::tell(&self.told.kept.audit, &asked),
            "config" => self.settings(),
            "bounds" => self.bounds(),
            "books" => books::tell(self.sources.shards.iter().map(|shard| &**shard)),
            _ => return Err(Refusal::unknown("there is no such question")),
        };
        Ok(answers::json(StatusCode::OK, &told))
    }

    fn settings(&self) -> Value {
        json!({ "settings": self.told.settings.iter().map(row_json).collect::<Vec<_>>() })
    }

    fn bounds(&self) -> Value {
        let rows = self.sources.bounds.look(&self.sources);
        let rows = rows.iter().map(|row| {
            json!({
                "name": row.name, "key": row.key, "limit": row.limit, "now": row.now,
                "highest": row.highest, "reached": row.reached,
            })
        });
        json!({ "bounds": rows.collect::<Vec<_>>() })
    }

    /// Whether who asks may act; a viewer who tries is in the audit.
    fn may(&self, asker: &Asker, act: &str) -> Result<(), Refusal> {
        if asker.role >= Role::Operator {
            return Ok(());
        }
        let text = "a viewer may not do that";
        let act: String = act.chars().take(32).collect();
        self.sources.audit.note(self.note(&act, Some(text), asker.from));
        Err(Refusal::new(StatusCode::FORBIDDEN, "viewer", text))
    }

    /// Whether who asked may still be told.
    pub(super) fn still_holds(&self, asker: &Asker) -> bool {
        asker.cookie.is_empty()
            || self.sessions.lock().role(&asker.cookie, Instant::now()).is_some()
    }
}

fn page(path: &str, method: &Method, headers: &HeaderMap) -> Result<Response<Sent>, Refusal> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "method", "GET only"));
    }
    let path = if path == "/console/" { HOME } else { path };
    openim_web::find(path)
        .map(|found| file(found, headers))
        .ok_or_else(|| Refusal::unknown("there is no such file"))
}

fn only<B>(request: &Request<B>, method: Method) -> Result<(), Refusal> {
    match *request.method() == method {
        true => Ok(()),
        false => {
            Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "method", format!("{method} only")))
        }
    }
}

/// What has to be asked for.
pub(super) fn needed<'a>(asked: &'a Query, name: &str) -> Result<&'a str, Refusal> {
    match asked.text(name) {
        "" => Err(Refusal::new(StatusCode::BAD_REQUEST, "body", format!("{name} is missing"))),
        text => Ok(text),
    }
}

/// The object that was sent.
async fn body(incoming: Incoming) -> Result<Value, Refusal> {
    let bad = |text: &str| Refusal::new(StatusCode::BAD_REQUEST, "body", text);
    let read = timeout(BODY_TIME_MAX, Limited::new(incoming, BODY_BYTES_MAX).collect()).await;
    let read = read.map_err(|_| bad("it does not end"))?.map_err(|_| bad("it is too long"))?;
    serde_json::from_slice(&read.to_bytes()).map_err(|_| bad("no JSON"))
}

/// The value of our cookie, empty without one.
fn cookie(headers: &HeaderMap) -> &str {
    let all = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|value| value.split(';')).filter_map(|pair| pair.split_once('='));
    pairs.find(|(name, _)| name.trim() == COOKIE_NAME).map_or("", |(_, value)| value.trim())
}

/// Whether a browser sends this for a page that is not ours. Other ports of this machine are the same site to it, so it
/// is the origin that must be ours.
fn is_foreign(headers: &HeaderMap) -> bool {
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let site = text(HeaderName::from_static("sec-fetch-site"));
    if site.is_some_and(|site| !matches!(site, "same-origin" | "none")) {
        return true;
    }
    let host = text(HOST);
    text(ORIGIN).is_some_and(|origin| origin.split_once("://").map(|(_, host)| host) != host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let of = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        pairs.iter().map(of).collect()
    }

    #[test]
    fn what_another_origin_sends_is_foreign() {
        let host = ("host", "127.0.0.1:10002");
        for (more, foreign) in [
            (&[][..], false),
            (&[("sec-fetch-site", "same-origin")], false),
            (&[("sec-fetch-site", "none")], false),
            (&[("sec-fetch-site", "same-site")], true),
            (&[("sec-fetch-site", "cross-site")], true),
            (&[("origin", "http://127.0.0.1:10002")], false),
            (&[("origin", "http://127.0.0.1:10000")], true),
            (&[("origin", "null")], true),
            (&[("origin", "http://127.0.0.1:10002"), ("sec-fetch-site", "cross-site")], true),
        ] {
            let all = [&[host], more].concat();
            assert_eq!(is_foreign(&headers(&all)), foreign, "{more:?}");
        }
        assert!(is_foreign(&headers(&[("origin", "http://127.0.0.1:10002")])));
    }

    #[test]
    fn our_cookie_is_found_among_others() {
        let found = |value| cookie(&headers(&[("cookie", value)])).to_owned();
        assert_eq!(found("a=b; openim_console=12; c=d"), "12");
        assert_eq!(found("xopenim_console=12"), "");
        assert_eq!(cookie(&HeaderMap::new()), "");
    }
}

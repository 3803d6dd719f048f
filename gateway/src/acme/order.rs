//! One order at an authority: account, questions, certificate.
//!
//! In: the settings. Out: key and certificates in PEM, or one line of why not. What the protocol is made of is `instant_acme`'s;
//! here is how it asks.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Response};
use instant_acme::{
    Account, AuthorizationStatus, BodyWrapper, BytesResponse, ChallengeType, Error, HttpClient,
    Identifier, NewAccount, NewOrder, Order, OrderStatus, RetryPolicy,
};
use openim_config::Acme;

use super::answers::Answers;
use super::kept::Kept;
use crate::visit::{self, Trust};

/// For the authority to look whether the names are ours, and to sign.
const WAITING: RetryPolicy = RetryPolicy::new().timeout(Duration::from_secs(120));
/// What an authority says of an account that it does not know.
const NO_ACCOUNT: &str = "urn:ietf:params:acme:error:accountDoesNotExist";

/// How an authority is asked.
struct Http(Trust);

impl HttpClient for Http {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let trust = self.0.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let body =
                body.collect().await.map_or_else(|never| match never {}, |all| all.to_bytes());
            let asked = visit::fetch(Request::from_parts(head, Full::new(body)), trust).await;
            let answer = asked.map_err(|cause| Error::Other(Box::new(cause)))?;
            let mut response = Response::new(Full::new(answer.body));
            *response.headers_mut() = answer.headers;
            *response.status_mut() =
                answer.status.try_into().map_err(|_| Error::Str("a status"))?;
            Ok(BytesResponse::from(response))
        })
    }
}

/// Has a certificate of all names signed: the key and the certificates, in PEM.
pub(super) async fn obtain(
    acme: &Acme,
    trust: &Trust,
    kept: &Kept,
    answers: &Answers,
) -> Result<String, String> {
    let account = account(acme, trust, kept).await?;
    let told = |error| told(&error);
    let names: Vec<Identifier> = acme.domains.iter().map(|name| identifier(name)).collect();
    let mut order = match account.new_order(&NewOrder::new(&names)).await {
        Err(Error::Api(problem)) if problem.r#type.as_deref() == Some(NO_ACCOUNT) => {
            kept.forget_account();
            return Err(format!("{}: it does not know the account any more", acme.directory_url));
        }
        order => order.map_err(told)?,
    };
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization.map_err(told)?;
        match authorization.status {
            AuthorizationStatus::Valid => continue,
            AuthorizationStatus::Pending => {}
            status => return Err(format!("the authority has it as {status:?}")),
        }
        let challenge = authorization.challenge(ChallengeType::Http01);
        let mut challenge = challenge.ok_or("the authority does not ask by HTTP-01")?;
        answers.put(&challenge.token, challenge.key_authorization().as_str());
        challenge.set_ready().await.map_err(told)?;
    }
    match order.poll_ready(&WAITING).await {
        Ok(OrderStatus::Ready | OrderStatus::Valid) => {}
        refused => return Err(why(&mut order, refused).await),
    }
    let key = order.finalize().await.map_err(told)?;
    let certificates = order.poll_certificate(&WAITING).await.map_err(told)?;
    Ok(format!("{}\n{certificates}", key.trim_end()))
}

/// What the authority found, as far as it tells.
async fn why(order: &mut Order, refused: Result<OrderStatus, Error>) -> String {
    let mut found = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        let Ok(state) = authorization.refresh().await else { continue };
        let problems = state.challenges.iter().filter_map(|challenge| challenge.error.as_ref());
        let name = state.identifier().to_string();
        found.extend(problems.map(|problem| format!("{name}: {}", line(&problem.to_string()))));
    }
    let unsaid = match refused {
        Ok(status) => format!("the order is {status:?}"),
        Err(error) => told(&error),
    };
    if found.is_empty() { unsaid } else { found.join("; ") }
}

async fn account(acme: &Acme, trust: &Trust, kept: &Kept) -> Result<Account, String> {
    let builder = Account::builder_with_http(Box::new(Http(trust.clone())));
    let failed = |error| format!("{}: {}", acme.directory_url, told(&error));
    if let Some(account) = kept.account()? {
        return builder.from_credentials(account).await.map_err(failed);
    }
    let mail = format!("mailto:{}", acme.email);
    let contact: &[&str] = if acme.email.is_empty() { &[] } else { &[&mail] };
    let account =
        NewAccount { contact, terms_of_service_agreed: true, only_return_existing: false };
    let made = builder.create(&account, acme.directory_url.clone(), None).await;
    let (account, credentials) = made.map_err(failed)?;
    kept.write_account(&credentials)?;
    Ok(account)
}

fn identifier(name: &str) -> Identifier {
    match name.parse::<IpAddr>() {
        Ok(address) => Identifier::Ip(address),
        Err(_) => Identifier::Dns(name.to_owned()),
    }
}

fn told(error: &Error) -> String {
    line(&error.to_string())
}

/// In one line of a length that a log takes; what an authority says is its own.
fn line(text: &str) -> String {
    text.chars().map(|char| if char.is_control() { ' ' } else { char }).take(600).collect()
}

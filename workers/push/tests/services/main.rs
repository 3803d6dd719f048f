//! Each service against a local server that checks what it is sent, fails, stalls, and asks to be left alone.

mod server;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openim_push::{
    Answering, Apns, Device, Fcm, Job, Notice, Offered, Options, Places, Sender, Service, Tpns,
    TpnsSystem, Vendor, Webhook, World, sign,
};
use parking_lot::Mutex;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
    RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey,
};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use server::{Asked, OK, STALL, Say, Server};

const RSA: &str = include_str!("../fixtures/rsa.pem");
const EC: &str = include_str!("../fixtures/ec.pem");
const START_MS: i64 = 1_700_000_000_000;

/// Time stands still until it is moved; chance is always the same.
#[derive(Default)]
struct Tested {
    at_ms: AtomicI64,
    back: AtomicBool,
    gone: Mutex<Vec<(String, String)>>,
    lines: Mutex<Vec<String>>,
}

impl World for Tested {
    fn now_ms(&self) -> i64 {
        START_MS + self.at_ms.load(Ordering::Relaxed)
    }

    fn chance(&self) -> u32 {
        0
    }

    fn still_away(&self, _: &Arc<Notice>) -> Answering<bool> {
        let away = !self.back.load(Ordering::Relaxed);
        Box::pin(async move { away })
    }

    fn gone(&self, uid: &str, device: &Device) {
        self.gone.lock().push((uid.to_owned(), device.token.clone()));
    }

    fn complain(&self, line: String) {
        self.lines.lock().push(line);
    }
}

struct Site {
    sender: Sender,
    world: Arc<Tested>,
    places: Arc<Places>,
    service: Service,
}

fn options() -> Options {
    Options {
        timeout: Duration::from_millis(300),
        pause: Duration::from_millis(20),
        pause_max: Duration::from_millis(40),
        waiting_max: 4,
        ..Options::default()
    }
}

impl Site {
    fn new(vendor: Vendor, options: Options) -> Self {
        let (world, service) = (Arc::new(Tested::default()), vendor.service());
        let sender = Sender::new(vec![vendor], options, Arc::clone(&world) as _);
        Self { sender, world, places: Arc::default(), service }
    }

    fn job(&self, id: u128) -> Job {
        let notice = Notice {
            id,
            uid: "alice".to_owned(),
            title: "Bob".to_owned(),
            text: "hi".to_owned(),
            badge: Some(2),
            chat_type: 1,
            from: "bob".to_owned(),
            to: "alice".to_owned(),
            seq: 3,
            sent_ms: START_MS,
        };
        let vendor = self.service.vendor().unwrap_or("huawei").to_owned();
        let device = Device { platform: 2, vendor, token: "00ff".to_owned() };
        let place = self.places.hold(u64::try_from(id).unwrap_or(0));
        Job { service: self.service, notice: Arc::new(notice), devices: vec![device], place }
    }

    fn offer(&self, id: u128) {
        assert!(matches!(self.sender.offer(self.job(id)), Offered::Taken));
    }

    fn count(&self, name: &str) -> u64 {
        let (_, counts, _) = self.sender.counts().next().expect("a service");
        counts.each().find(|(of, _)| *of == name).expect("a count").1
    }

    /// Waits until nothing is under way.
    async fn settle(&self) {
        until(|| self.places.first().is_none()).await;
    }
}

async fn until(mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < end, "it never came");
        sleep(Duration::from_millis(5)).await;
    }
}

fn webhook(server: &Server) -> Vendor {
    Vendor::Webhook(Webhook { url: format!("{}/push", server.url), secret: "s".to_owned() })
}

fn claims(bearer: &str, verify: impl Fn(&[u8], &[u8])) -> (Value, Value) {
    let parts: Vec<&str> = bearer.split('.').collect();
    let [head, claims, signature] = parts[..] else { panic!("{bearer}") };
    let text = format!("{head}.{claims}");
    verify(text.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).expect("base64"));
    let read = |part| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64"));
    (read(head).expect("a head"), read(claims).expect("claims"))
}

#[tokio::test]
async fn a_webhook_gets_a_signed_body_with_the_devices() {
    let server = Server::start(false).await;
    let site = Site::new(webhook(&server), options());
    site.offer(6);
    site.settle().await;
    let [asked] = &server.asked()[..] else { panic!("one notice") };
    let time = asked.header("x-openim-time");
    assert_eq!(time, (START_MS / 1000).to_string());
    assert_eq!(asked.header("x-openim-signature"), sign("s", time, &asked.body));
    let expected = json!({
        "id": "00000000000000000000000000000006", "uid": "alice", "title": "Bob", "text": "hi", "badge": 2,
        "chatType": 1, "from": "bob", "to": "alice", "seq": 3, "sendTime": START_MS,
        "tokens": [{ "platform": 2, "vendor": "huawei", "token": "00ff" }],
    });
    assert_eq!((asked.json(), asked.path.as_str()), (expected, "/push"));
    assert_eq!(site.count("sent"), 1);
}

#[tokio::test]
async fn tencent_gets_both_bodies_and_its_code_is_looked_at() {
    for system in [TpnsSystem::Ios, TpnsSystem::Android] {
        let server = Server::start(false).await;
        let tpns = Tpns {
            system,
            url: server.url.clone(),
            access_id: "15".to_owned(),
            secret_key: "k".to_owned(),
            environment: "product".to_owned(),
        };
        let site = Site::new(Vendor::Tpns(tpns), options());
        site.offer(6);
        site.settle().await;
        let asked = server.asked().remove(0);
        assert_eq!(asked.path, "/v3/push/app");
        assert_eq!(
            (asked.header("accessid"), asked.header("content-type")),
            ("15", "application/json")
        );
        assert!(!asked.header("sign").is_empty() && !asked.header("timestamp").is_empty());
        let body = asked.json();
        let part = if system == TpnsSystem::Ios { "ios" } else { "android" };
        assert!(body["message"][part]["custom_content"].is_string(), "{body}");
        assert_eq!(
            (&body["environment"], &body["account_list"]),
            (&json!("product"), &json!(["alice"]))
        );
        server.say([Say(200, None, r#"{"ret_code":1008001,"err_msg":"bad parameter"}"#)]);
        site.offer(7);
        site.settle().await;
        assert_eq!((site.count("sent"), site.count("refused")), (1, 1));
        server.say([Say(200, None, r#"{"ret_code":1008006,"err_msg":"auth failed"}"#)]);
        site.offer(8);
        site.settle().await;
        assert_eq!(site.count("credentials"), 1);
    }
}

fn fcm(server: &Server) -> Vendor {
    let account = json!({
        "client_email": "us@project", "project_id": "p1", "private_key": RSA,
        "token_uri": format!("{}/token", server.url),
    });
    Vendor::Fcm(Box::new(Fcm::new(server.url.clone(), &account.to_string()).expect("an account")))
}

const GRANTED: Say = Say(200, None, r#"{"access_token":"t1","expires_in":3600}"#);
const UNREGISTERED: Say = Say(
    404,
    None,
    r#"{"error":{"code":404,"status":"NOT_FOUND","details":[{"errorCode":"UNREGISTERED"}]}}"#,
);

fn token_requests(asked: &[Asked]) -> usize {
    asked.iter().filter(|asked| asked.path == "/token").count()
}

#[tokio::test]
async fn firebase_gets_an_oauth_token_that_is_kept_and_renewed() {
    let server = Server::start(false).await;
    let site = Site::new(fcm(&server), options());
    server.say([GRANTED]);
    site.offer(6);
    site.settle().await;
    site.offer(7);
    site.settle().await;
    let asked = server.asked();
    let form = String::from_utf8_lossy(&asked[0].body).into_owned();
    let key = RsaKeyPair::from_pkcs8(
        PrivatePkcs8KeyDer::from_pem_slice(RSA.as_bytes()).expect("a key").secret_pkcs8_der(),
    )
    .expect("a key");
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public_key());
    let (_, assertion) = form.rsplit_once("assertion=").expect("an assertion");
    let (head, claims) = claims(assertion, |text, signature| {
        public.verify(text, signature).expect("signed by the account");
    });
    assert_eq!(head["alg"], "RS256");
    assert_eq!(claims["iss"], "us@project");
    assert_eq!(claims["scope"], "https://www.googleapis.com/auth/firebase.messaging");
    assert_eq!(claims["aud"], format!("{}/token", server.url));
    let message = &asked[1];
    assert_eq!(message.path, "/v1/projects/p1/messages:send");
    assert_eq!(message.header("authorization"), "Bearer t1");
    let message = &message.json()["message"];
    assert_eq!(message["token"], "00ff");
    assert_eq!(message["notification"], json!({ "title": "Bob", "body": "hi" }));
    assert_eq!(message["android"]["notification"]["tag"], "00000000000000000000000000000006");
    assert_eq!(message["apns"]["headers"]["apns-collapse-id"], "00000000000000000000000000000006");
    assert_eq!((site.count("sent"), token_requests(&asked)), (2, 1));
    // Anew before it ends, and when it is taken back.
    site.world.at_ms.store(3_400_000, Ordering::Relaxed);
    server.say([GRANTED, Say(401, None, "{}"), GRANTED]);
    site.offer(8);
    site.settle().await;
    assert_eq!((site.count("sent"), token_requests(&server.asked())), (3, 3));
}

#[tokio::test]
async fn a_device_that_firebase_knows_no_more_is_forgotten() {
    let server = Server::start(false).await;
    let site = Site::new(fcm(&server), options());
    server.say([GRANTED, UNREGISTERED]);
    site.offer(6);
    site.settle().await;
    assert_eq!(*site.world.gone.lock(), [("alice".to_owned(), "00ff".to_owned())]);
    assert_eq!(site.count("gone"), 1);
}

#[tokio::test]
async fn an_account_that_is_refused_is_one_line_a_minute_by_its_key() {
    let server = Server::start(false).await;
    let site = Site::new(fcm(&server), options());
    server.always(Say(400, None, r#"{"error":"invalid_grant"}"#));
    for id in 6..9 {
        site.offer(id);
        site.settle().await;
    }
    assert_eq!(site.count("credentials"), 3);
    {
        let lines = site.world.lines.lock();
        assert!(lines.len() == 1 && lines[0].contains("push.fcm.serviceAccountFile"), "{lines:?}");
        assert!(lines[0].contains("invalid_grant"), "{lines:?}");
    }
    site.world.at_ms.store(60_000, Ordering::Relaxed);
    site.offer(9);
    site.settle().await;
    assert_eq!(site.world.lines.lock().len(), 2);
}

fn apns(server: &Server) -> Vendor {
    let names = ("KEY1".to_owned(), "TEAM1".to_owned(), "org.example.app".to_owned());
    Vendor::Apns(Box::new(Apns::new(server.url.clone(), EC, names, 3600).expect("a key")))
}

#[tokio::test]
async fn apple_gets_http_2_a_signed_token_its_topic_and_a_collapse_id() {
    let server = Server::start(true).await;
    let site = Site::new(apns(&server), options());
    server.say([
        Say(200, None, ""),
        Say(200, None, ""),
        Say(410, None, r#"{"reason":"Unregistered"}"#),
    ]);
    for id in 6..9 {
        site.offer(id);
        site.settle().await;
    }
    let asked = server.asked();
    let first = &asked[0];
    assert_eq!(first.path, "/3/device/00ff");
    let key = PrivatePkcs8KeyDer::from_pem_slice(EC.as_bytes()).expect("a key");
    let key = EcdsaKeyPair::from_pkcs8(
        &ECDSA_P256_SHA256_FIXED_SIGNING,
        key.secret_pkcs8_der(),
        &SystemRandom::new(),
    )
    .expect("a key");
    let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key.public_key());
    let bearer = first.header("authorization").strip_prefix("bearer ").expect("a token");
    let (head, claims) = claims(bearer, |text, signature| {
        public.verify(text, signature).expect("signed by the key");
    });
    assert_eq!(head, json!({ "alg": "ES256", "kid": "KEY1" }));
    assert_eq!(claims, json!({ "iss": "TEAM1", "iat": START_MS / 1000 }));
    assert_eq!(first.header("apns-topic"), "org.example.app");
    assert_eq!(first.header("apns-collapse-id"), "00000000000000000000000000000006");
    assert_eq!(first.header("apns-expiration"), (START_MS / 1000 + 3600).to_string());
    let aps = json!({ "alert": { "title": "Bob", "body": "hi" }, "badge": 2, "sound": "default" });
    assert_eq!(first.json()["aps"], aps);
    assert_eq!(asked[1].header("authorization"), first.header("authorization"));
    assert_eq!((site.count("sent"), site.count("gone")), (2, 1));
    assert_eq!(site.world.gone.lock().len(), 1);
    // The token that signs is renewed in time.
    site.world.at_ms.store(41 * 60_000, Ordering::Relaxed);
    site.offer(9);
    site.settle().await;
    assert_ne!(server.asked()[3].header("authorization"), first.header("authorization"));
    server.say([Say(403, None, r#"{"reason":"InvalidProviderToken"}"#)]);
    site.offer(10);
    site.settle().await;
    assert!(site.world.lines.lock()[0].contains("push.apns.keyFile"));
}

#[tokio::test]
async fn what_fails_is_tried_five_times_and_then_dropped() {
    let server = Server::start(false).await;
    let site = Site::new(webhook(&server), options());
    server.say([Say(503, None, ""), STALL, Say(500, None, "")]);
    site.offer(6);
    site.settle().await;
    assert_eq!((site.count("sent"), site.count("retried")), (1, 3));
    server.always(Say(502, None, "bad gateway"));
    site.offer(7);
    site.settle().await;
    assert_eq!((site.count("failed"), server.asked().len()), (1, 9));
    assert!(site.world.lines.lock()[0].contains("502 bad gateway"));
    // Each says which message it is: who has it already knows that.
    let ids: Vec<Value> =
        server.asked()[4..].iter().map(|asked| asked.json()["id"].take()).collect();
    assert!(ids.iter().all(|id| id == "00000000000000000000000000000007"), "{ids:?}");
}

#[tokio::test]
async fn who_asks_to_be_left_alone_is() {
    let server = Server::start(false).await;
    let site = Site::new(webhook(&server), options());
    server.say([Say(429, Some(1), "")]);
    let begun = Instant::now();
    site.offer(6);
    until(|| site.count("retried") == 1).await;
    // Others to the same service wait as well.
    site.offer(7);
    site.settle().await;
    assert!(begun.elapsed() >= Duration::from_secs(1));
    assert_eq!((site.count("sent"), server.asked().len()), (2, 3));
}

#[tokio::test]
async fn who_has_it_meanwhile_or_is_too_late_is_not_told() {
    let server = Server::start(false).await;
    let site = Site::new(webhook(&server), options());
    server.always(Say(503, None, ""));
    site.world.back.store(true, Ordering::Relaxed);
    site.offer(6);
    site.settle().await;
    assert_eq!((site.count("read"), server.asked().len()), (1, 1));
    site.world.at_ms.store(3_601_000, Ordering::Relaxed);
    site.offer(7);
    site.settle().await;
    assert_eq!((site.count("old"), server.asked().len()), (1, 1));
}

#[tokio::test]
async fn a_service_that_stalls_holds_a_bounded_number_and_loses_the_rest() {
    let server = Server::start(false).await;
    let site = Site::new(webhook(&server), options());
    server.always(STALL);
    for id in 0..4 {
        site.offer(id);
    }
    // Nothing is known yet: whoever has more waits.
    assert!(matches!(site.sender.offer(site.job(9)), Offered::Full(_)));
    assert_eq!(site.places.first(), Some(0));
    until(|| site.count("retried") > 0).await;
    assert!(matches!(site.sender.offer(site.job(9)), Offered::Lost));
    assert_eq!(site.count("full"), 1);
    server.always(OK);
    site.settle().await;
    assert_eq!(site.count("sent") + site.count("failed"), 4);
}

#[tokio::test]
async fn keys_that_are_none_are_told_in_a_line() {
    let names = || ("k".to_owned(), "t".to_owned(), "a".to_owned());
    let told =
        |pem: &str| Apns::new(String::new(), pem, names(), 1).err().map(|why| why.to_string());
    assert!(told("nothing").expect("refused").contains("PKCS#8"));
    assert!(told(RSA).expect("refused").contains("ES256"));
    let told = |account: &str| Fcm::new(String::new(), account).err().map(|why| why.to_string());
    assert!(told("x").expect("refused").contains("JSON"));
    assert!(told("{}").expect("refused").contains("client_email"));
}

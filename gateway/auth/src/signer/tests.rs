//! What a client, an operator or an attacker would notice about tokens.

use super::*;

const NOW: i64 = 1_621_000_000;
const LIFETIME: i64 = 604_800;

fn signer() -> Signer {
    Signer::new(b"open_im_server", LIFETIME)
}

fn segment(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

/// A token of any header and claims, rightly signed with HMAC-SHA-256.
fn forge(header: &str, claims: &str) -> String {
    let signed = format!("{}.{}", segment(header), segment(claims));
    let signature = URL_SAFE_NO_PAD.encode(signer().sign(&signed));
    format!("{signed}.{signature}")
}

fn with_claims(claims: &str) -> Result<Claims, TokenError> {
    signer().verify(&forge(r#"{"alg":"HS256","typ":"JWT"}"#, claims), NOW)
}

fn claims_text(token: &str) -> String {
    let payload = token.split('.').nth(1).unwrap();
    String::from_utf8(URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

#[test]
fn an_issued_token_says_who_and_where() {
    let issued = signer().issue("u1", Platform::Ios, NOW, "");
    let claims = signer().verify(&issued.token, NOW).unwrap();
    assert_eq!(claims.uid, "u1");
    assert_eq!(claims.class, Class::Mobile);
    assert_eq!(claims.platform_name, "IOS");
    assert_eq!(claims.expires_at, Some(NOW + LIFETIME));
    assert_eq!(claims.issued_at, NOW);
    assert_eq!(claims.id, issued.id);
    assert_eq!(issued.expires_at, claims.expires_at);
    assert_eq!(issued.id, TokenId::of(&issued.token));
}

#[test]
fn the_text_is_that_of_the_wire() {
    let token = signer().issue("u1", Platform::Web, NOW, "").token;
    assert_eq!(
        claims_text(&token),
        r#"{"UID":"u1","Platform":"Web","exp":1621604800,"iat":1621000000,"nbf":1621000000}"#
    );
    let header = token.split('.').next().unwrap();
    assert_eq!(URL_SAFE_NO_PAD.decode(header).unwrap(), br#"{"alg":"HS256","typ":"JWT"}"#);
    assert!(!token.contains('='));
}

/// The widely published example token of RFC 7519 implementations' documentation: another
/// implementation's signature is understood.
#[test]
fn a_token_of_another_implementation_is_understood() {
    let token = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.\
        eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ.\
        SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c";
    let claims = Signer::new(b"your-256-bit-secret", 1).verify(token, NOW).unwrap();
    assert_eq!((claims.uid.as_str(), claims.issued_at), ("", 1_516_239_022));
}

#[test]
fn any_uid_survives() {
    for uid in ["", "a b", "用户", "\"quoted\\\"", "<&>", "\u{2028}", "\0"] {
        let token = signer().issue(uid, Platform::Linux, NOW, "").token;
        assert_eq!(signer().verify(&token, NOW).unwrap().uid, uid);
    }
}

#[test]
fn a_changed_byte_is_refused() {
    let token = signer().issue("user-77", Platform::Android, NOW, "").token;
    for at in 0..token.len() {
        for byte in 0..128_u8 {
            let mut changed = token.clone().into_bytes();
            if changed[at] == byte {
                continue;
            }
            changed[at] = byte;
            let changed = String::from_utf8(changed).unwrap();
            assert!(signer().verify(&changed, NOW).is_err(), "byte {at} as {byte}");
        }
    }
}

#[test]
fn a_cut_or_lengthened_token_is_refused() {
    let token = signer().issue("user-77", Platform::Android, NOW, "").token;
    for len in 0..token.len() {
        assert!(signer().verify(&token[..len], NOW).is_err(), "first {len} bytes");
    }
    for more in ["A", "=", ".", " ", "\n", "\0"] {
        assert!(signer().verify(&format!("{token}{more}"), NOW).is_err());
        assert!(signer().verify(&format!("{more}{token}"), NOW).is_err());
    }
}

#[test]
fn another_secret_is_refused() {
    let token = signer().issue("u1", Platform::Ios, NOW, "").token;
    for secret in [&b""[..], b"open_im_serve", b"open_im_server "] {
        assert_eq!(Signer::new(secret, LIFETIME).verify(&token, NOW), Err(TokenError::Invalid));
    }
}

#[test]
fn other_algorithms_are_refused_even_when_rightly_signed() {
    let claims = r#"{"UID":"u1","Platform":"IOS","exp":1721000000}"#;
    for header in [
        r#"{"alg":"none","typ":"JWT"}"#,
        r#"{"alg":"None"}"#,
        r#"{"alg":"HS384","typ":"JWT"}"#,
        r#"{"alg":"HS512"}"#,
        r#"{"alg":"RS256"}"#,
        r#"{"alg":"hs256"}"#,
        r#"{"ALG":"HS256"}"#,
        r#"{"alg":["HS256"]}"#,
        r#"{"alg":null}"#,
        r#"{"typ":"JWT"}"#,
        r#"{}"#,
    ] {
        assert_eq!(
            signer().verify(&forge(header, claims), NOW),
            Err(TokenError::Invalid),
            "{header}"
        );
    }
    assert!(signer().verify(&forge(r#"{ "typ":"JWT", "alg":"HS256" }"#, claims), NOW).is_ok());
}

#[test]
fn a_token_without_a_signature_is_refused() {
    let none = segment(r#"{"alg":"none","typ":"JWT"}"#);
    let claims = segment(r#"{"UID":"u1","Platform":"IOS"}"#);
    assert_eq!(signer().verify(&format!("{none}.{claims}."), NOW), Err(TokenError::Invalid));
    assert_eq!(signer().verify(&format!("{HEADER}.{claims}."), NOW), Err(TokenError::Invalid));
}

#[test]
fn what_is_not_a_token_is_malformed() {
    let claims = segment(r#"{"UID":"u1"}"#);
    for text in [
        String::new(),
        ".".into(),
        "..".into(),
        "...".into(),
        "a.b.c".into(),
        "not a token".into(),
        format!("{HEADER}.{claims}"),
        format!("{HEADER}.{claims}.x.y"),
        format!("Bearer {HEADER}.{claims}.x"),
        format!("{}.{claims}.x", segment("[]")),
        format!("{}.{claims}.x", segment("\"HS256\"")),
    ] {
        assert_eq!(signer().verify(&text, NOW), Err(TokenError::Malformed), "{text}");
    }
}

#[test]
fn claims_of_a_wrong_type_are_malformed() {
    for claims in [
        "",
        "null",
        "[]",
        "{",
        r#"{"UID":1}"#,
        r#"{"Platform":{}}"#,
        r#"{"exp":"1721000000"}"#,
        r#"{"exp":1.5}"#,
        r#"{"iat":99999999999999999999}"#,
        r#"{"nbf":true}"#,
    ] {
        assert_eq!(with_claims(claims), Err(TokenError::Malformed), "{claims}");
    }
    let deep = format!(r#"{{"x":{}}}"#, "[".repeat(1_000));
    assert_eq!(with_claims(&deep), Err(TokenError::Malformed));
}

#[test]
fn names_of_claims_are_matched_in_any_case() {
    let claims = with_claims(r#"{"uid":"u1","PLATFORM":"Web","EXP":1721000000,"Iat":7}"#).unwrap();
    assert_eq!(claims.uid, "u1");
    assert_eq!(claims.class, Class::Pc);
    assert_eq!(claims.expires_at, Some(1_721_000_000));
    assert_eq!(claims.issued_at, 7);
}

#[test]
fn the_last_of_a_repeated_claim_counts_and_null_is_absent() {
    let claims = with_claims(r#"{"UID":"a","uid":"b","UID":null,"exp":null,"x":[1]}"#).unwrap();
    assert_eq!(claims.uid, "b");
    assert_eq!(claims.expires_at, None);
}

#[test]
fn an_unknown_platform_has_the_class_other() {
    assert_eq!(with_claims(r#"{"UID":"u1","Platform":""}"#).unwrap().class, Class::Other);
    assert_eq!(with_claims(r#"{"UID":"u1"}"#).unwrap().class, Class::Other);
}

#[test]
fn a_token_lives_through_its_last_second() {
    let token = signer().issue("u1", Platform::Ios, NOW, "").token;
    assert!(signer().verify(&token, NOW + LIFETIME).is_ok());
    assert_eq!(signer().verify(&token, NOW + LIFETIME + 1), Err(TokenError::Expired));
}

#[test]
fn a_clock_slightly_behind_the_issuer_accepts_a_fresh_token() {
    let token = signer().issue("u1", Platform::Ios, NOW, "").token;
    assert!(signer().verify(&token, NOW - 60).is_ok());
    assert_eq!(signer().verify(&token, NOW - 61), Err(TokenError::NotActive));
}

#[test]
fn a_clock_in_doubt_ends_no_token_and_issues_none_that_is_good_only_later() {
    const DAY: i64 = 86_400;
    let token = signer().issue("u1", Platform::Ios, NOW, "").token;
    // The clock is days ahead, or back: by the trusted time a minute has passed.
    for clock in [NOW + 8 * DAY, NOW - 8 * DAY] {
        let now = Moment { clock, trusted: NOW + 60 };
        assert!(signer().verify(&token, now).is_ok(), "{clock}");
        let issued = signer().issue("u1", Platform::Ios, now, "1");
        assert_eq!(issued.issued_at, clock.min(NOW + 60));
        for later in [now, Moment::from(NOW + 120), Moment::from(clock)] {
            assert!(signer().verify(&issued.token, later).is_ok(), "{clock} {later:?}");
        }
    }
    let late = Moment { clock: NOW, trusted: NOW + LIFETIME + 1 };
    assert_eq!(signer().verify(&token, late), Err(TokenError::Expired));
}

#[test]
fn a_permanent_token_has_no_end_and_says_so() {
    let issued = Signer::new(b"open_im_server", -1).issue("u1", Platform::Ios, NOW, "");
    assert_eq!(issued.expires_at, None);
    assert!(!claims_text(&issued.token).contains("exp"));
    let claims = signer().verify(&issued.token, i64::MAX).unwrap();
    assert_eq!(claims.expires_at, None);
}

#[test]
fn the_reported_reason_is_the_first_that_applies() {
    let header = r#"{"alg":"HS256"}"#;
    let late_and_early = forge(header, r#"{"exp":5,"nbf":9999999999}"#);
    assert_eq!(signer().verify(&late_and_early, NOW), Err(TokenError::Expired));
    let (unsigned, _) = late_and_early.rsplit_once('.').unwrap();
    assert_eq!(signer().verify(&format!("{unsigned}.x"), NOW), Err(TokenError::Expired));
    let other_algorithm = forge(r#"{"alg":"none"}"#, r#"{"nbf":9999999999}"#);
    assert_eq!(signer().verify(&other_algorithm, NOW), Err(TokenError::NotActive));
    assert_eq!(with_claims(r#"{"iat":9999999999}"#), Err(TokenError::Invalid));
    assert_eq!(with_claims(r#"{"exp":-1}"#), Err(TokenError::Expired));
}

#[test]
fn a_token_that_is_too_long_is_malformed() {
    let fits = signer().issue(&"u".repeat(2_800), Platform::Ios, NOW, "").token;
    assert!(fits.len() <= TOKEN_BYTES_MAX && signer().verify(&fits, NOW).is_ok());
    let long = signer().issue(&"u".repeat(4_000), Platform::Ios, NOW, "").token;
    assert_eq!(signer().verify(&long, NOW), Err(TokenError::Malformed));
}

#[test]
fn any_bytes_are_answered() {
    // A cheap fixed-seed generator: the point is breadth, not quality.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for _ in 0..20_000 {
        let len = (next() % 200) as usize;
        let text: String = (0..len)
            .map(|_| char::from(b"eyJ.{}\":0_-Az=\x00\xc3"[(next() % 16) as usize]))
            .collect();
        assert!(signer().verify(&text, NOW).is_err());
    }
}

#[test]
fn texts_are_those_of_the_wire() {
    let texts = [
        (TokenError::Malformed, "that's not even a token"),
        (TokenError::Expired, "token is timed out, please log in again"),
        (TokenError::NotActive, "token not active yet"),
        (TokenError::Invalid, "couldn't handle this token"),
        (TokenError::Superseded, "token has been invalidated"),
    ];
    for (error, text) in texts {
        assert_eq!(error.to_string(), text);
    }
}

#[test]
fn debug_output_shows_no_secret() {
    assert!(!format!("{:?}", Signer::new(b"tuoyun-secret", 1)).contains("tuoyun"));
}

#[test]
fn two_logins_in_one_second_are_two_tokens() {
    let first = signer().issue("u1", Platform::Ios, NOW, "1");
    let second = signer().issue("u1", Platform::Ios, NOW, "2");
    assert_ne!(first.id, second.id);
    assert_eq!(signer().verify(&second.token, NOW).unwrap().uid, "u1");
}

//! The token target: nothing but a token issued here is ever accepted.

use openim_auth::{Platform, Signer};

/// The second at which every input is judged; the seeds are valid then.
const NOW_UNIX: i64 = 1_625_000_000;

/// Verifies `data` as a token.
pub fn token(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let signer = Signer::new(b"fuzz", 3600);
    let Ok(claims) = signer.verify(&text, NOW_UNIX) else { return };
    // Issuing is deterministic, so that an accepted text must come out again.
    let platform = Platform::from_name(&claims.platform_name).expect("only platforms are issued");
    let issued = signer.issue(&claims.uid, platform, claims.issued_at, "");
    assert_eq!(issued.token, text, "accepted a token that was never issued");
}

/// Tokens as they are issued, one of them expired; the files in `seeds/token` hold the same.
pub fn seeds() -> Vec<Vec<u8>> {
    let signer = Signer::new(b"fuzz", 3600);
    let issue = |uid: &str, platform, age| {
        signer.issue(uid, platform, NOW_UNIX - age, "").token.into_bytes()
    };
    vec![
        issue("u1", Platform::Ios, 0),
        issue("用户", Platform::Web, 10),
        issue(&"x".repeat(64), Platform::Linux, 3600),
        issue("late", Platform::Android, 3601),
    ]
}

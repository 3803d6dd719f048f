//! C28: content arrives as it was sent, whatever characters it holds, on every way out of the server.

use crate::support::server::Server;

#[test]
fn c28_awkward_text_is_the_same_in_push_pull_and_rest() {
    let server = Server::start();
    let mut alice = server.newcomer("alice");
    let mut bob = server.newcomer("bob");
    let contents = [
        r#"{"text":"a \"quoted\" word","n":[1,2]}"#,
        "<script>&amp;</script> & more",
        "line one\nline two\r\n\ttabbed",
        "separators \u{2028} and \u{2029}",
        "\u{1f600}\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467} \u{4f60}\u{597d} e\u{301}",
        "\u{0}\u{1}\u{7f}\u{feff}\u{fffd}\u{ffff}\u{10ffff}",
        "back\\slash / slash \\u0041",
        " ",
    ];
    for (n, content) in contents.iter().enumerate() {
        let client_id = format!("m{n}");
        if n % 2 == 0 {
            alice.say("bob", &client_id, content);
        } else {
            server.rest_send(&alice.user, "bob", &client_id, content);
        }
        assert_eq!(bob.pushed()["content"], **content);
    }
    for link in [&mut alice, &mut bob] {
        let pulled: Vec<String> = link
            .inbox()
            .iter()
            .map(|message| message["content"].as_str().expect("a string").to_owned())
            .collect();
        assert_eq!(pulled, contents);
    }
}

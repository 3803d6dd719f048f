//! `/manager/send_msg`: what the content must be for each content type; it is checked before the token.

use serde_json::{Value, json};

use crate::support::link::Link;
use crate::support::platform::IOS;
use crate::support::rest::{User, op, plain};
use crate::support::server::Server;

fn body(content_type: i64, content: &Value) -> Value {
    op(json!({"sendID": "alice", "recvID": "bob", "content": content, "contentType": content_type,
        "sessionType": 1}))
}

#[track_caller]
fn assert_arrives(server: &Server, by: &User, bob: &mut Link, content_type: i64, content: &Value) {
    server.done_as(by, "/manager/send_msg", &body(content_type, content));
    let push = bob.pushed();
    assert_eq!(push["contentType"], content_type, "{push}");
    let text = push["content"].as_str().expect("a string");
    match content_type {
        101 => assert_eq!(json!(text), content["text"]),
        _ => {
            let seen: Value = serde_json::from_str(text).expect("the content is JSON");
            assert_eq!(seen, *content, "{content_type}");
        }
    }
}

/// Checks that a content is refused with `code`, with any token.
#[track_caller]
fn assert_refused(server: &Server, by: &User, content_type: i64, content: &Value, code: i64) {
    for token in [by.token.as_str(), "garbage"] {
        let answer = server.post_as(token, "/manager/send_msg", &body(content_type, content));
        assert_eq!(answer.status, 400, "{content_type} {content}: {}", answer.text());
        let answer = answer.json();
        assert_eq!(answer["errCode"], code, "{content_type} {content}: {answer}");
        let text = answer["errMsg"].as_str().expect("a text");
        assert_eq!(answer, plain(code, text), "{content_type} {content}");
        assert!(!text.is_empty());
    }
}

fn picture() -> Value {
    let image = json!({"uuid": "u", "type": "image/png", "size": 9, "width": 3, "height": 4, "url": "http://p"});
    json!({"sourcePath": "/p", "sourcePicture": image, "bigPicture": image, "snapshotPicture": image})
}

fn voice() -> Value {
    json!({"uuid": "u", "soundPath": "/s", "sourceUrl": "http://s", "dataSize": 7, "duration": 3})
}

fn video() -> Value {
    json!({"videoPath": "/v", "videoUUID": "u", "videoUrl": "http://v", "videoType": "mp4", "videoSize": 8,
        "duration": 2, "snapshotPath": "/s", "snapshotUUID": "w", "snapshotUrl": "http://s", "snapshotSize": 5,
        "snapshotWidth": 6, "snapshotHeight": 7})
}

fn file() -> Value {
    json!({"filePath": "/f", "uuid": "u", "sourceUrl": "http://f", "fileName": "f.pdf", "fileSize": 1})
}

#[test]
fn sound_contents_arrive_as_they_are() {
    let server = Server::start();
    let (manager, mut bob) = (server.manager(), server.newcomer("bob"));
    server.register("alice", IOS);
    let custom = json!({"data": "d", "description": "<&>", "extension": "e"});
    let mut without_uuid = picture();
    without_uuid["bigPicture"].as_object_mut().expect("an object").remove("uuid");
    for (content_type, content) in [
        (101, json!({"text": "hello <\u{2028}\u{1f600}>"})),
        (102, picture()),
        (102, without_uuid),
        (103, voice()),
        (103, json!({})),
        (104, video()),
        (104, json!({})),
        (105, file()),
        (105, json!({})),
        (110, custom),
        (110, json!({"data": "only"})),
    ] {
        assert_arrives(&server, &manager, &mut bob, content_type, &content);
    }
    assert_eq!(bob.newest(), 11);
}

#[test]
fn wrong_types_get_401_and_what_is_missing_403() {
    let server = Server::start();
    let (manager, mut bob) = (server.manager(), server.newcomer("bob"));
    for content in [json!({"text": 7}), json!({"text": {"a": 1}}), json!({"text": true})] {
        assert_refused(&server, &manager, 101, &content, 401);
    }
    for content in [json!({}), json!({"text": ""}), json!({"text": null}), json!({"other": "x"})] {
        assert_refused(&server, &manager, 101, &content, 403);
    }
    for part in ["sourcePicture", "bigPicture", "snapshotPicture"] {
        let mut content = picture();
        content[part] = Value::Null;
        assert_refused(&server, &manager, 102, &content, 403);
        for key in ["type", "size", "width", "height", "url"] {
            let mut content = picture();
            content[part].as_object_mut().expect("an object").remove(key);
            assert_refused(&server, &manager, 102, &content, 403);
            content[part][key] = if matches!(key, "type" | "url") { json!("") } else { json!(0) };
            assert_refused(&server, &manager, 102, &content, 403);
            content[part][key] = json!([]);
            assert_refused(&server, &manager, 102, &content, 401);
        }
    }
    for (content_type, good) in [(103, voice()), (104, video()), (105, file())] {
        for key in good.as_object().expect("an object").keys() {
            let mut content = good.clone();
            content[key] = if good[key].is_string() { json!(1) } else { json!("1") };
            assert_refused(&server, &manager, content_type, &content, 401);
        }
    }
    assert_refused(&server, &manager, 110, &json!({"description": "d"}), 403);
    assert_refused(&server, &manager, 110, &json!({"data": ""}), 403);
    assert_refused(&server, &manager, 110, &json!({"data": 1}), 401);
    assert_eq!(bob.newest(), 0);
}

#[test]
fn other_content_types_get_404() {
    let server = Server::start();
    let manager = server.manager();
    for content_type in [100, 106, 107, 108, 109, 111, 201, 509, -1] {
        let content = json!({"text": "hello"});
        assert_refused(&server, &manager, content_type, &content, 404);
        let answer =
            server.post_as(&manager.token, "/manager/send_msg", &body(content_type, &content));
        assert_eq!(answer.json(), plain(404, "contentType err"));
    }
}

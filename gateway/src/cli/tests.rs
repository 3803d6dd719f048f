//! What arguments mean, and what is said of slips.

use openim_record::{PartitionId, Topic};

use super::*;
use crate::why::Query as Why;

fn parsed(line: &str) -> Result<Command, Other> {
    parse(line.split_whitespace().map(OsString::from))
}

fn by(file: Option<&str>) -> Settings {
    Settings { file: file.map(Into::into) }
}

fn serving(config: Option<&str>, data_dir: Option<&str>) -> Result<Command, Other> {
    Ok(Command::Serve { settings: by(config), data_dir: data_dir.map(Into::into) })
}

#[test]
fn commands_are_understood() {
    let archive = |query: Query| Ok(Command::Archive(Query { data_dir: "d".into(), ..query }));
    let backup = |follow, url: Option<&str>| {
        let elsewhere = Elsewhere { from: url.map(str::to_owned), ca: None };
        Ok(Command::Backup {
            dir: "c".into(),
            follow,
            settings: by(None),
            data_dir: None,
            elsewhere,
        })
    };
    let check = |connect| Ok(Command::CheckConfig { file: "a.yaml".into(), connect });
    let adopt = |config: Option<&str>, partitions: &[(Topic, u16)], confirm| {
        let at = |(topic, number)| LogPartition { topic, partition: PartitionId(number) };
        let partitions = partitions.iter().copied().map(at).collect();
        Ok(Command::AdoptLog { settings: by(config), partitions, confirm })
    };
    for (line, expected) in [
        ("", serving(None, None)),
        ("serve", serving(None, None)),
        ("--config a.yaml", serving(Some("a.yaml"), None)),
        ("serve --data-dir d --config=a.yaml", serving(Some("a.yaml"), Some("d"))),
        ("serve --config=a=b", serving(Some("a=b"), None)),
        ("check-config a.yaml", check(false)),
        ("check-config --connect a.yaml", check(true)),
        ("check-config a.yaml --connect", check(true)),
        ("transfer", Ok(Command::Transfer { settings: by(None) })),
        ("api --config a.yaml", Ok(Command::Api { settings: by(Some("a.yaml")) })),
        ("archive --data-dir d", archive(Query::default())),
        (
            "archive --limit 5 --data-dir d --from 7",
            archive(Query { from: 7, messages_max: Some(5), ..Query::default() }),
        ),
        ("backup c --follow --from u", backup(true, Some("u"))),
        ("backup c", backup(false, None)),
        ("verify c", Ok(Command::Verify { dir: "c".into() })),
        (
            "restore c --data-dir d --at 7",
            Ok(Command::Restore {
                dir: "c".into(),
                data_dir: "d".into(),
                at: Some(Moment::Position(7)),
            }),
        ),
        ("rebuild-index --data-dir d", Ok(Command::RebuildIndex { data_dir: "d".into() })),
        ("confirm-clock --data-dir d", Ok(Command::ConfirmClock { data_dir: "d".into() })),
        ("adopt-log", adopt(None, &[], false)),
        (
            "adopt-log --confirm --partition chat/3,group/0 --config a.yaml",
            adopt(Some("a.yaml"), &[(Topic::Chat, 3), (Topic::Group, 0)], true),
        ),
        ("completions zsh", Ok(Command::Completions { shell: Shell::Zsh })),
    ] {
        assert_eq!(parsed(line), expected, "{line}");
    }
}

#[test]
fn questions_about_messages_are_understood() {
    let why = |query: Why| {
        let (settings, elsewhere) = (by(None), Elsewhere::default());
        Ok(Command::Why { query, settings, data_dir: None, elsewhere })
    };
    for (line, expected) in [
        ("why bob m1", why(Why { uid: "bob".into(), message: "m1".into(), ..Why::default() })),
        (
            "why bob 7 --json --platform 5 --sender=ann --near 9",
            why(Why {
                uid: "bob".into(),
                message: "7".into(),
                platform: Some(5),
                sender: Some("ann".into()),
                near_ms: Some(9),
                json: true,
            }),
        ),
    ] {
        assert_eq!(parsed(line), expected, "{line}");
    }
}

#[test]
fn commands_beside_a_server_are_understood() {
    let none = ConfigQuestion::default;
    let config = |asked, all, json| Ok(Command::Config { asked, all, settings: by(None), json });
    let doctor = |through: Option<&str>, json| {
        let (settings, through) = (by(None), through.map(str::to_owned));
        Ok(Command::Doctor { settings, data_dir: None, through, ca: None, json })
    };
    let token = |platform, json| {
        let (uid, settings) = ("bob".to_owned(), by(None));
        Ok(Command::Token { uid, platform, settings, data_dir: None, json })
    };
    for (line, expected) in [
        (
            "config --doc a.b --json",
            config(ConfigQuestion { doc: Some("a.b".into()), ..none() }, false, true),
        ),
        (
            "config --effective --all",
            config(ConfigQuestion { effective: true, ..none() }, true, false),
        ),
        ("config --env", config(ConfigQuestion { env: true, ..none() }, false, false)),
        ("doctor --through u --json", doctor(Some("u"), true)),
        ("doctor", doctor(None, false)),
        ("token bob", token(5, false)),
        ("token bob --platform 1 --json", token(1, true)),
        (
            "ban bob --reason spam --until 2021-06-01T12:00:00Z --json",
            Ok(Command::Ask(ConsoleCommand::Ban {
                uid: "bob".to_owned(),
                until: Some(1_622_548_800),
                reason: "spam".to_owned(),
                asked: Asked { json: true, ..Asked::default() },
            })),
        ),
        (
            "users --uid bob",
            Ok(Command::Ask(ConsoleCommand::Users {
                begins: None,
                after: None,
                uid: Some("bob".to_owned()),
                asked: Asked::default(),
            })),
        ),
        (
            "top --sort in --once",
            Ok(Command::Ask(ConsoleCommand::Top {
                sort: crate::ask::Sort::In,
                once: true,
                asked: Asked::default(),
            })),
        ),
        (
            "support d",
            Ok(Command::Support { dir: Some("d".into()), settings: by(None), data_dir: None }),
        ),
    ] {
        assert_eq!(parsed(line), expected, "{line}");
    }
}

#[test]
fn every_command_explains_itself() {
    for (line, needle) in [
        ("--help", "Usage: openim"),
        ("help", "Usage: openim"),
        ("help serve", "SIGTERM or Ctrl-C drains it"),
        ("serve --config x --help", "SIGTERM or Ctrl-C drains it"),
        ("--config x -h", "Usage: openim serve"),
        ("archive --help", "--since <TIME>"),
        ("--version", env!("BUILD_REVISION")),
    ] {
        match parsed(line) {
            Err(Other::Told(text)) => {
                let words: Vec<_> = text.split_whitespace().collect();
                assert!(words.join(" ").contains(needle), "{line}: {text}");
            }
            other => panic!("{line}: {other:?}"),
        }
    }
    for command in Command::command().get_subcommands() {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        assert!(!about.is_empty() && !about.ends_with('.'), "{}: {about:?}", command.get_name());
    }
}

#[test]
fn the_command_line_is_sound() {
    Command::command().debug_assert();
}

#[test]
fn shells_complete_commands_and_flags() {
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        let text = completions(shell);
        for word in ["check-config", "data-dir", "follow"] {
            assert!(text.contains(word), "{shell}: {word}");
        }
    }
}

#[test]
fn slips_are_answered_in_one_line_with_what_was_meant() {
    for (line, needle) in [
        ("sevre", "'serve'; openim --help explains it"),
        ("serve --confg a", "'--config'; openim serve --help explains it"),
        ("--datadir d", "'--data-dir'"),
        ("check-config --config a", "'--config'"),
        ("check-config", "<FILE>"),
        ("check-config --connect=yes a", "'--connect'"),
        ("check-config --conect a", "'--connect'"),
        ("transfer --data-dir d", "'--data-dir'"),
        ("check-config a b", "'b'"),
        ("serve a", "'a'"),
        ("serve --config", "'--config <FILE>'"),
        ("serve --config=", "'--config <FILE>'"),
        ("serve --config a --config b", "multiple times"),
        ("config", "--effective"),
        ("config --env --all", "'--env'"),
        ("config --env --doc a", "--doc"),
        ("token", "<UID>"),
        ("token bob --platform 8", "'--platform <N>'"),
        ("archive", "--data-dir <DIR>"),
        ("backup --follow", "<DIR>"),
        ("verify", "<DIR>"),
        ("restore c", "--data-dir <NEW>"),
        ("restore c --data-dir d --at soon", "a time like 2021-06-01T12:00:00Z"),
        ("rebuild-index", "--data-dir <DIR>"),
        ("confirm-clock", "--data-dir <DIR>"),
        ("archive --data-dir d --from x", "'x' for '--from <POSITION>'"),
        ("archive --data-dir d --limit -1", "'-1'"),
        ("archive --data-dir d --since yesterday", "2021-06-30T12:30:00Z"),
        ("archive --data-dir d --with bob", "--user <UID>"),
        ("archive --data-dir d --user a --with b --group g", "'--group <GID>'"),
        ("archive --data-dir d --follow --until 5", "'--follow'"),
        ("adopt-log --partition ws2ms_chat", "one is like chat/3"),
        ("help nothing-like-it", "openim --help"),
    ] {
        match parsed(line) {
            Err(Other::Wrong(what)) => {
                assert!(what.contains(needle), "{line}: {what}");
                assert_eq!(what.lines().count(), 1, "{what}");
            }
            other => panic!("{line}: {other:?}"),
        }
    }
}

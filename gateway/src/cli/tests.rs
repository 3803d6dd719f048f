//! What arguments mean, and what is said of slips.

use openim_record::{PartitionId, Topic};

use super::*;

fn parsed(line: &str) -> Result<Command, String> {
    parse(line.split_whitespace().map(OsString::from)).map_err(|error| error.to_string())
}

fn serving(config: Option<&str>, data_dir: Option<&str>) -> Result<Command, String> {
    Ok(Command::Serve { config: config.map(Into::into), data_dir: data_dir.map(Into::into) })
}

#[test]
fn commands_are_understood() {
    let archive = |query: Query| Ok(Command::Archive(Query { data_dir: "d".into(), ..query }));
    let backup = |follow, url: Option<&str>| {
        let (config, data_dir, url) = (None, None, url.map(str::to_owned));
        Ok(Command::Backup { dir: "c".into(), follow, config, data_dir, url })
    };
    let check = |connect| Ok(Command::CheckConfig { file: "a.yaml".into(), connect });
    let adopt = |config: Option<&str>, partitions: &[(Topic, u16)], confirmed| {
        let at = |(topic, number)| LogPartition { topic, partition: PartitionId(number) };
        let partitions = partitions.iter().copied().map(at).collect();
        Ok(Command::AdoptLog { config: config.map(Into::into), partitions, confirmed })
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
        ("transfer", Ok(Command::Run { role: Role::Transfer, config: None })),
        (
            "api --config a.yaml",
            Ok(Command::Run { role: Role::Api, config: Some("a.yaml".into()) }),
        ),
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
            Ok(Command::Restore { dir: "c".into(), data_dir: "d".into(), at: Some("7".into()) }),
        ),
        ("rebuild-index --data-dir d", Ok(Command::RebuildIndex { data_dir: "d".into() })),
        ("confirm-clock --data-dir d", Ok(Command::ConfirmClock { data_dir: "d".into() })),
        ("adopt-log", adopt(None, &[], false)),
        (
            "adopt-log --confirm --partition chat/3,group/0 --config a.yaml",
            adopt(Some("a.yaml"), &[(Topic::Chat, 3), (Topic::Group, 0)], true),
        ),
        ("--version", Ok(Command::Version)),
    ] {
        assert_eq!(parsed(line), expected, "{line}");
    }
}

#[test]
fn every_command_explains_itself() {
    for (line, title) in [
        ("--help", OVERVIEW),
        ("help", OVERVIEW),
        ("help serve", SERVE),
        ("serve --config x --help", SERVE),
        ("--config x -h", SERVE),
        ("check-config --help", CHECK_CONFIG),
        ("gateway --help", ROLES),
        ("archive -h", archive::HELP),
    ] {
        assert_eq!(parsed(line), Ok(Command::Help(title.to_owned())), "{line}");
    }
    for command in COMMANDS {
        let shown = ["serve", "gateway", "transfer"].contains(&command);
        assert!(OVERVIEW.contains(&format!("openim {command}")) || shown);
        assert!(matches!(parsed(&format!("help {command}")), Ok(Command::Help(_))));
    }
}

#[test]
fn slips_are_answered_in_one_line_with_what_was_meant() {
    for (line, needle) in [
        ("sevre", "did you mean serve?"),
        ("serve --confg a", "did you mean --config?"),
        ("--datadir d", "did you mean --data-dir?"),
        ("check-config --config a", "unknown flag \"--config\""),
        ("check-config", "needs a file"),
        ("check-config --connect=yes a", "--connect takes no value"),
        ("check-config --conect a", "did you mean --connect?"),
        ("transfer --data-dir d", "unknown flag \"--data-dir\""),
        ("check-config a b", "unexpected argument \"b\""),
        ("serve a", "unexpected argument \"a\""),
        ("serve --config", "--config needs a value"),
        ("serve --config=", "--config needs a value"),
        ("serve --config a --config b", "given twice"),
        ("archive", "--data-dir"),
        ("backup --follow", "needs a directory"),
        ("verify", "needs a directory"),
        ("restore c", "--data-dir NEW"),
        ("rebuild-index", "--data-dir"),
        ("confirm-clock", "--data-dir"),
        ("archive --data-dir d --from x", "--from is \"x\""),
        ("archive --data-dir d --limit -1", "--limit is \"-1\""),
        ("adopt-log --partition ws2ms_chat", "one is like chat/3"),
        ("help nothing-like-it", "openim --help"),
    ] {
        let error = parsed(line).expect_err(line);
        assert!(error.contains(needle), "{line}: {error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

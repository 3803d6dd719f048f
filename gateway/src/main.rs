//! The program: arguments, settings, boot, wait, drain.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use openim_config::{Config, Engine, Faults, Loaded, LogFormat};
use openim_gateway::ask::{self, Act, Desk, Top};
use openim_gateway::bench::{self, Load};
#[cfg(feature = "cluster")]
use openim_gateway::boot::adopt;
use openim_gateway::cli::{
    self, Asked, Command, ConfigQuestion, ConsoleCommand, Measure, Other, Settings,
};
use openim_gateway::configured::{self, Question};
use openim_gateway::doctor::{self, Patient};
use openim_gateway::logging::{self, Logging};
use openim_gateway::role::Role;
use openim_gateway::token::{self, Holder};
use openim_gateway::{
    advice, archive, boot, certificate, clock, console, copying, fault, promote, rebuild, support,
    why,
};
use openim_record::LogPartition;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    fault::end_the_process();
    let ran = match cli::parse(std::env::args_os().skip(1)) {
        Ok(command) => run(command),
        Err(Other::Told(text)) => console::print(&text).map(|()| ExitCode::SUCCESS),
        Err(Other::Wrong(what)) => {
            console::complain(&what);
            return ExitCode::from(Other::EXIT_CODE);
        }
    };
    ran.unwrap_or_else(|error| {
        // One line: what, where, what to do.
        console::complain(&format!("{error:#}"));
        ExitCode::FAILURE
    })
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Completions { shell } => console::print(&cli::completions(shell))?,
        Command::CheckConfig { file, connect } => {
            return check_config(&file, connect);
        }
        Command::Config { asked, all, settings, json } => {
            return config((&asked, all), settings.file.as_deref(), json);
        }
        Command::Doctor { settings, data_dir, through, ca, json } => {
            return looked_at(&settings, data_dir, |loaded, data_dir| {
                let (through, ca) = (through.as_deref(), ca.as_deref());
                doctor::run(&Patient { loaded, data_dir, through, ca }, json)
            });
        }
        Command::Token { uid, platform, settings, data_dir, json } => {
            return looked_at(&settings, data_dir, |loaded, data_dir| {
                token::run(&loaded.config, data_dir, &Holder { uid, platform }, json).map(|()| true)
            });
        }
        Command::Ask(command) => return ask(command),
        Command::Measure(measure) => return measured(measure),
        Command::Support { dir, settings, data_dir } => {
            return looked_at(&settings, data_dir, |loaded, data_dir| {
                support::run(dir, loaded, data_dir).map(|()| true)
            });
        }
        Command::Archive(query) => archive::print(&query)?,
        Command::Backup { dir, follow, settings, data_dir, elsewhere } => {
            let (mut loaded, _logging) = load(settings.file.as_deref())?;
            let data_dir = data_dir.unwrap_or_else(|| loaded.config.embedded.data_dir.clone());
            loaded.config.tls.place(&data_dir);
            let (config, data_dir) = (&loaded.config, data_dir.as_path());
            let from = copying::From { config, data_dir, elsewhere: &elsewhere };
            copying::backup(&dir, follow, &from)?;
        }
        Command::Why { query, settings, data_dir, elsewhere } => {
            return looked_at(&settings, data_dir, |loaded, data_dir| {
                let (config, elsewhere) = (&loaded.config, &elsewhere);
                why::run(&query, &copying::From { config, data_dir, elsewhere }).map(|()| true)
            });
        }
        Command::Verify { dir } => {
            if !copying::verify(&dir)? {
                return Ok(ExitCode::FAILURE);
            }
        }
        Command::Restore { dir, data_dir, at } => {
            copying::restore(&dir, &data_dir, at)?;
        }
        Command::RebuildIndex { data_dir } => {
            let (_loaded, _logging) = load(None)?;
            rebuild::run(&data_dir)?;
        }
        Command::ConfirmClock { data_dir } => clock::confirm(&data_dir)?,
        Command::AdoptLog { settings, partitions, confirm } => {
            return adopt_log(settings.file.as_deref(), &partitions, confirm);
        }
        Command::Serve { settings, data_dir } => return serve(&settings, data_dir),
        Command::Standby { of, ca, config, data_dir } => {
            return stand_by((&of, ca.as_deref()), config.as_deref(), &data_dir);
        }
        Command::Promote { data_dir, force } => promote::run(&data_dir, force)?,
        Command::Api { settings } => return run_role(Role::Api, &settings),
        Command::Gateway { settings } => return run_role(Role::Gateway, &settings),
        Command::Transfer { settings } => return run_role(Role::Transfer, &settings),
    }
    Ok(ExitCode::SUCCESS)
}

fn measured(measure: Measure) -> anyhow::Result<ExitCode> {
    let (load, settings, data_dir, wanted) = match measure {
        Measure::Bench { scenario, settings, data_dir, wanted } => {
            (Load::Scenario(scenario), settings, data_dir, wanted)
        }
        Measure::Latency { rate, duration, pairs, settings, data_dir, wanted } => {
            (Load::Paced { rate, seconds: duration, pairs }, settings, data_dir, wanted)
        }
    };
    let ran = looked_at(&settings, data_dir, |loaded, data_dir| {
        bench::run(&loaded.config, data_dir, load, &wanted)
    });
    ran.or_else(|error| {
        // Not what a server that fails the run is told by.
        console::complain(&format!("{error:#}"));
        Ok(ExitCode::from(Other::EXIT_CODE))
    })
}

fn stand_by(
    (of, ca): (&str, Option<&Path>),
    config: Option<&Path>,
    data_dir: &Path,
) -> anyhow::Result<ExitCode> {
    let (loaded, logging) = load(config)?;
    if let Some(code) = boot::follow((of, ca), &loaded.config, data_dir, &logging)? {
        return Ok(code);
    }
    // What it has said is written before its memory is gone.
    drop(logging);
    boot::become_server(config, data_dir, ca)
}

fn serve(settings: &Settings, data_dir: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    let (loaded, logging) = load(settings.file.as_deref())?;
    let data_dir = data_dir.unwrap_or_else(|| loaded.config.embedded.data_dir.clone());
    boot::serve(&loaded, settings.file.as_deref(), &data_dir, &logging)
}

fn run_role(role: Role, settings: &Settings) -> anyhow::Result<ExitCode> {
    let (loaded, logging) = load(settings.file.as_deref())?;
    boot::run(role, &loaded.config, settings.file.as_deref(), &logging)
}

/// Settings to run with, and the log that they ask for.
fn load(file: Option<&Path>) -> anyhow::Result<(Loaded, Logging)> {
    let loaded = openim_config::load(file, openim_config::environment())?;
    if loaded.config.log.format == LogFormat::Json {
        console::speak_json();
    }
    let logging = logging::init(&loaded.config.log)?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    Ok((loaded, logging))
}

/// Says what is wrong with a file of settings, all of it, or what its keys of the original do here; and, if asked to,
/// whether the components that it names will do.
fn check_config(file: &Path, connect: bool) -> anyhow::Result<ExitCode> {
    let loaded = match openim_config::load(Some(file), openim_config::environment()) {
        Ok(loaded) => loaded,
        Err(faults) => {
            faults.iter().for_each(|fault| console::complain(&fault.to_string()));
            advice::stops(faults.rest()).iter().for_each(|stop| console::complain(stop));
            return Ok(ExitCode::FAILURE);
        }
    };
    let mut stops = advice::stops(&loaded.config);
    if stops.is_empty() {
        stops.extend(certificate::fault(&loaded.config));
    }
    if !stops.is_empty() {
        stops.iter().for_each(|stop| console::complain(stop));
        return Ok(ExitCode::FAILURE);
    }
    let notes = loaded.notes.iter().map(|note| format!("note: {note}\n"));
    let advice = advice::warnings(&loaded.config, &loaded.config.embedded.data_dir);
    let warnings = loaded.warnings.iter().chain(&advice);
    let told: String =
        notes.chain(warnings.map(|warning| format!("warning: {warning}\n"))).collect();
    console::print(&format!("{told}{}: good\n", file.display()))?;
    if connect && !check_components(&loaded.config)? {
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs what looks at a server from beside it; whether all is well is the exit code.
fn looked_at(
    settings: &Settings,
    data_dir: Option<PathBuf>,
    look: impl FnOnce(&Loaded, &Path) -> anyhow::Result<bool>,
) -> anyhow::Result<ExitCode> {
    let Some(mut loaded) = loaded_or_faults(settings.file.as_deref()) else {
        return Ok(ExitCode::FAILURE);
    };
    let data_dir = data_dir.unwrap_or_else(|| loaded.config.embedded.data_dir.clone());
    loaded.config.tls.place(&data_dir);
    Ok(if look(&loaded, &data_dir)? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Asks the console of a running server.
fn ask(command: ConsoleCommand) -> anyhow::Result<ExitCode> {
    let Asked { settings, data_dir, elsewhere, json } = command.asked().clone();
    looked_at(&settings, data_dir, |loaded, data_dir| {
        let desk = Desk::of(&loaded.config, data_dir, &elsewhere, json)?;
        match &command {
            ConsoleCommand::Users { uid: Some(uid), .. } => ask::one(&desk, uid),
            ConsoleCommand::Users { begins, after, .. } => {
                ask::find(&desk, begins.as_deref().unwrap_or_default(), after.as_deref())
            }
            ConsoleCommand::Groups { id, after, .. } => ask::group(&desk, id, after.as_deref()),
            ConsoleCommand::Messages { which, .. } => ask::messages(&desk, which),
            ConsoleCommand::Kick { uid, platform, reason, .. } => {
                ask::act(&desk, uid, &Act::Kick { platform: *platform }, reason)
            }
            ConsoleCommand::Ban { uid, until, reason, .. } => {
                ask::act(&desk, uid, &Act::Ban { until_s: *until }, reason)
            }
            ConsoleCommand::Unban { uid, reason, .. } => ask::act(&desk, uid, &Act::Unban, reason),
            ConsoleCommand::Top { sort, once, .. } => {
                ask::top(&desk, Top { sort: *sort, once: *once })
            }
        }
        .map(|()| true)
    })
}

/// Settings to look at; all that is wrong with them is told.
fn loaded_or_faults(file: Option<&Path>) -> Option<Loaded> {
    let loaded = openim_config::load(file, openim_config::environment());
    let tell = |faults: &Faults| {
        faults.iter().for_each(|fault| console::complain(&fault.to_string()));
    };
    loaded.inspect_err(tell).ok()
}

/// Says what holds, or what a key means.
fn config(
    (asked, all): (&ConfigQuestion, bool),
    file: Option<&Path>,
    as_json: bool,
) -> anyhow::Result<ExitCode> {
    if let Some(name) = &asked.doc {
        console::print(&configured::explain(name, as_json)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let Some(loaded) = loaded_or_faults(file) else { return Ok(ExitCode::FAILURE) };
    let question = if asked.env { Question::Env } else { Question::Effective { all } };
    console::print(&configured::answer(&loaded, &question, as_json))?;
    Ok(ExitCode::SUCCESS)
}

/// Tells what of a cluster's log is to be adopted, or adopts it.
fn adopt_log(
    file: Option<&Path>,
    partitions: &[LogPartition],
    confirmed: bool,
) -> anyhow::Result<ExitCode> {
    let (loaded, _) = load(file)?;
    if loaded.config.engine != Engine::Cluster {
        anyhow::bail!("engine: openim adopt-log is for a cluster, and engine is embedded");
    }
    if let Some(stop) = advice::stop(&loaded.config) {
        anyhow::bail!("{stop}");
    }
    Ok(match adopt(&loaded.config, partitions, confirmed)? {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

#[cfg(not(feature = "cluster"))]
fn adopt(_: &Config, _: &[LogPartition], _: bool) -> anyhow::Result<bool> {
    // The advice has said so already.
    anyhow::bail!("engine: cluster needs a program that is built with it")
}

#[cfg(feature = "cluster")]
fn check_components(config: &Config) -> anyhow::Result<bool> {
    match config.engine {
        Engine::Cluster => boot::check(config),
        Engine::Embedded => no_components(),
    }
}

#[cfg(not(feature = "cluster"))]
fn check_components(_: &Config) -> anyhow::Result<bool> {
    no_components()
}

fn no_components() -> anyhow::Result<bool> {
    console::print("engine: embedded connects to no component\n")?;
    Ok(true)
}

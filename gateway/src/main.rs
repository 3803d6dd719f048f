//! The program: arguments, settings, boot, wait, drain.

use std::path::Path;
use std::process::ExitCode;

use openim_config::LogFormat;
use openim_gateway::cli::{self, Command, UsageError};
use openim_gateway::{advice, archive, boot, clock, console, fault, logging};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    fault::end_the_process();
    let command = match cli::parse(std::env::args_os().skip(1)) {
        Ok(command) => command,
        Err(error) => {
            console::complain(&error.to_string());
            return ExitCode::from(UsageError::EXIT_CODE);
        }
    };
    match run(command) {
        Ok(code) => code,
        Err(error) => {
            // One line: what, where, what to do.
            console::complain(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Help(text) => console::print(&text)?,
        Command::Version => {
            let (version, revision) = (env!("CARGO_PKG_VERSION"), openim_gateway::REVISION);
            console::print(&format!("openim {version} ({revision})\n"))?;
        }
        Command::CheckConfig { file } => {
            return check_config(&file);
        }
        Command::Archive { data_dir, from, messages_max } => {
            archive::print(&data_dir, from, messages_max)?;
        }
        Command::ConfirmClock { data_dir } => clock::confirm(&data_dir)?,
        Command::Serve { config, data_dir } => {
            let loaded = openim_config::load(config.as_deref(), openim_config::environment())?;
            if loaded.config.log.format == LogFormat::Json {
                console::speak_json();
            }
            let logging = logging::init(&loaded.config.log)?;
            for warning in &loaded.warnings {
                tracing::warn!("{warning}");
            }
            let data_dir = data_dir.unwrap_or_else(|| loaded.config.embedded.data_dir.clone());
            return boot::serve(&loaded.config, config.as_deref(), &data_dir, &logging);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Says what is wrong with a file of settings, all of it, or what its keys of the original do here.
fn check_config(file: &Path) -> anyhow::Result<ExitCode> {
    let loaded = match openim_config::load(Some(file), openim_config::environment()) {
        Ok(loaded) => loaded,
        Err(faults) => {
            faults.iter().for_each(|fault| console::complain(&fault.to_string()));
            advice::stops(faults.rest()).iter().for_each(|stop| console::complain(stop));
            return Ok(ExitCode::FAILURE);
        }
    };
    let stops = advice::stops(&loaded.config);
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
    Ok(ExitCode::SUCCESS)
}

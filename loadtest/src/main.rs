//! `openim-loadtest`: the tool as a program. Its exit code: 0 clean, 1 the server failed the run, 2 the run could
//! not be made.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match openim_loadtest::run(&words) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            openim_loadtest::complain(&format!("openim-loadtest: {error:#}"));
            ExitCode::from(2)
        }
    }
}

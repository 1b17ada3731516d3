//! The program `t2f` under another name, which the tests of this package start.

fn main() -> std::process::ExitCode {
    t2f::cli::run(std::env::args_os())
}

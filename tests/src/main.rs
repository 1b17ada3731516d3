//! The program `t2f` under another name, so that the tests of this package can start it.

fn main() -> std::process::ExitCode {
    t2f::cli::run(std::env::args_os())
}

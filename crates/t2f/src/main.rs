//! The program `t2f`: see the library of the same name.

fn main() -> std::process::ExitCode {
    t2f::cli::run(std::env::args_os())
}

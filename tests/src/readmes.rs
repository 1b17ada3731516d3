//! The examples in the READMEs, compiled and, unless they train, run as tests of documentation.

macro_rules! readmes {
    ($($name:ident: $path:literal),* $(,)?) => {
        $(#[doc = include_str!($path)] #[derive(Debug)] pub struct $name;)*
    };
}

readmes! {
    Project: "../../README.md",
    Data: "../../crates/data/README.md",
    Demo: "../../crates/demo/README.md",
    Files: "../../crates/files/README.md",
    Gan: "../../crates/gan/README.md",
    Metrics: "../../crates/metrics/README.md",
    Ops: "../../crates/ops/README.md",
    Parallel: "../../crates/parallel/README.md",
    Pictures: "../../crates/pictures/README.md",
    Report: "../../crates/report/README.md",
    Tensorboard: "../../crates/tensorboard/README.md",
    Text: "../../crates/text/README.md",
    Train: "../../crates/train/README.md",
    Watch: "../../crates/watch/README.md",
    T2f: "../../crates/t2f/README.md",
}

//! The examples in the READMEs of the crates, compiled and run as tests of documentation.

macro_rules! readmes {
    ($($name:ident: $path:literal),* $(,)?) => {
        $(#[doc = include_str!($path)] #[derive(Debug)] pub struct $name;)*
    };
}

readmes! {
    Data: "../../crates/data/README.md",
    Files: "../../crates/files/README.md",
    Gan: "../../crates/gan/README.md",
    Metrics: "../../crates/metrics/README.md",
    Ops: "../../crates/ops/README.md",
    Pictures: "../../crates/pictures/README.md",
    Text: "../../crates/text/README.md",
    Train: "../../crates/train/README.md",
}

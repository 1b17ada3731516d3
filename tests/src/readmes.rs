//! The examples in the READMEs of the crates, compiled and run as tests of documentation.

macro_rules! readmes {
    ($($name:ident: $path:literal),* $(,)?) => {
        $(#[doc = include_str!($path)] #[derive(Debug)] pub struct $name;)*
    };
}

readmes! {
    Data: "../../crates/data/README.md",
    Gan: "../../crates/gan/README.md",
    Ops: "../../crates/ops/README.md",
    Text: "../../crates/text/README.md",
    Train: "../../crates/train/README.md",
}

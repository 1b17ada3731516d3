//! Licences, banned crates and duplicate versions of the dependencies, checked without a network.
//!
//! Licences are those of the crates that the default build needs on this platform, from
//! `cargo metadata`. Bans and duplicates are checked in `Cargo.lock`, which has every platform and
//! every feature, but for a banned crate that only an optional feature needs ([`OPTIONAL`]).

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Allowed licences of dependencies.
const ALLOWED: [&str; 7] =
    ["Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "MIT", "Unicode-3.0", "Zlib"];

/// Crates that must not enter the build, and the reason.
const BANNED: [(&str, &str); 16] = [
    ("openssl-sys", "a C library"),
    ("native-tls", "no network access at run time"),
    ("rustls", "no network access at run time"),
    ("reqwest", "no network access at run time"),
    ("ureq", "no network access at run time"),
    ("hyper-rustls", "no network access at run time"),
    ("hyper-tls", "no network access at run time"),
    ("curl-sys", "no network access at run time"),
    ("hf-hub", "no network access at run time"),
    ("onig_sys", "a C library"),
    ("cmake", "no C toolchain beyond the linker"),
    ("bindgen", "no C toolchain beyond the linker"),
    ("intel-mkl-src", "a second BLAS"),
    ("openblas-src", "a second BLAS"),
    ("blas-src", "a second BLAS"),
    ("accelerate-src", "a second BLAS"),
];

/// A banned crate that an optional feature needs, and the only dependency that may need it: MPI is a C library,
/// and its header differs between implementations.
const OPTIONAL: (&str, &str) = ("bindgen", "mpi-sys");

/// Crates of which the dependencies need several versions, and the dependency that needs each older one.
const DUPLICATES: [(&str, &str); 33] = [
    ("constant_time_eq", "blake3"),
    ("cpufeatures", "sha2"),
    ("darling", "derive_builder, of tokenizers"),
    ("darling_core", "derive_builder, of tokenizers"),
    ("darling_macro", "derive_builder, of tokenizers"),
    ("getrandom", "const-random, of ahash on WebAssembly"),
    ("getrandom", "tokenizers"),
    ("hashbrown", "safetensors"),
    ("itertools", "criterion"),
    ("libloading", "bindgen, of mpi-sys"),
    ("linux-raw-sys", "rustix 0.38"),
    ("miniz_oxide", "png"),
    ("num-bigint", "serde-pickle"),
    ("r-efi", "getrandom 0.3"),
    ("rand", "candle-core"),
    ("rand", "ratatui-image"),
    ("rand_chacha", "rand 0.9"),
    ("rand_chacha", "rand 0.8"),
    ("rand_core", "rand 0.9"),
    ("rand_core", "rand 0.8"),
    ("rand_distr", "candle-core"),
    ("rustix", "ratatui-image"),
    ("shlex", "bindgen, of mpi-sys"),
    ("signal-hook", "crossterm"),
    ("syn", "tracing-attributes"),
    ("thiserror", "sysctl"),
    ("thiserror-impl", "thiserror 1"),
    ("windows-core", "ratatui-image on Windows"),
    ("windows-implement", "ratatui-image on Windows"),
    ("windows-interface", "ratatui-image on Windows"),
    ("windows-result", "ratatui-image on Windows"),
    ("windows-strings", "ratatui-image on Windows"),
    ("windows-sys", "ratatui-image on Windows"),
];

#[derive(Clone, Debug)]
struct Package {
    name: String,
    version: String,
    licence: Option<String>,
}

impl Package {
    fn new(name: &str, version: &str, licence: Option<&str>) -> Self {
        Self { name: name.into(), version: version.into(), licence: licence.map(Into::into) }
    }
}

/// Whether the terms of a licence expression can be met under [`ALLOWED`].
///
/// SPDX expressions with `OR`, `AND`, `WITH` and parentheses; `/` is the `OR` of old manifests. A
/// licence with an exception is a separate identifier. An invalid expression is not met.
fn is_allowed(expression: &str) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = &words[..];
    matches!(any_of(&mut rest), Some(true)) && rest.is_empty()
}

fn any_of(words: &mut &[&str]) -> Option<bool> {
    let mut met = all_of(words)?;
    while let ["OR", rest @ ..] = *words {
        *words = rest;
        met |= all_of(words)?;
    }
    Some(met)
}

fn all_of(words: &mut &[&str]) -> Option<bool> {
    let mut met = term(words)?;
    while let ["AND", rest @ ..] = *words {
        *words = rest;
        met &= term(words)?;
    }
    Some(met)
}

fn term(words: &mut &[&str]) -> Option<bool> {
    match *words {
        ["(", rest @ ..] => {
            *words = rest;
            let met = any_of(words)?;
            let [")", rest @ ..] = *words else { return None };
            *words = rest;
            Some(met)
        }
        [_, "WITH", _, rest @ ..] => {
            *words = rest;
            Some(false)
        }
        ["OR" | "AND" | "WITH" | ")", ..] | [] => None,
        [licence, rest @ ..] => {
            *words = rest;
            Some(ALLOWED.contains(licence))
        }
    }
}

fn licence_faults(packages: &[Package]) -> Vec<String> {
    let fault = |package: &Package| match &package.licence {
        None => Some(format!("{} {} states no licence", package.name, package.version)),
        Some(licence) if !is_allowed(licence) => Some(format!(
            "{} {} is under {licence}, expected one of {ALLOWED:?}",
            package.name, package.version
        )),
        Some(_) => None,
    };
    packages.iter().filter_map(fault).collect()
}

fn banned_faults(packages: &[Package]) -> Vec<String> {
    let reason = |package: &Package| {
        let (name, reason) = BANNED.iter().find(|(name, _)| *name == package.name)?;
        Some(format!("{name} is banned: {reason}"))
    };
    packages.iter().filter_map(reason).collect()
}

/// Crates of more versions than `listed` names, and those of fewer.
fn duplicate_faults(packages: &[Package], listed: &[(&str, &str)]) -> Vec<String> {
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in packages {
        versions.entry(&package.name).or_default().push(&package.version);
    }
    let allowed = |name: &str| 1 + listed.iter().filter(|(listed, _)| *listed == name).count();
    let unlisted = versions
        .iter()
        .filter(|(name, found)| found.len() > allowed(name))
        .map(|(name, found)| format!("{name} has {} versions: {}", found.len(), found.join(", ")));
    let stale = listed
        .iter()
        .filter(|(name, _)| versions.get(name).is_none_or(|found| found.len() < allowed(name)))
        .map(|(name, _)| format!("{name} is listed as a duplicate and has no second version"));
    unlisted.chain(stale).collect()
}

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The dependencies of the default build on this platform.
fn built() -> Vec<Package> {
    let tool = |variable: &str, name: &str| Command::new(std::env::var_os(variable).unwrap_or(name.into()));
    let about = output(tool("RUSTC", "rustc").arg("-vV"));
    let host = about.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let arguments = ["metadata", "--offline", "--locked", "--format-version", "1", "--filter-platform", host];
    let text = output(tool("CARGO", "cargo").args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")));
    let metadata: Value = serde_json::from_str(&text).unwrap();
    let package = |package: &Value| {
        let text = |key: &str| package[key].as_str();
        Package::new(text("name").unwrap(), text("version").unwrap(), text("license"))
    };
    metadata["packages"].as_array().unwrap().iter().map(package).collect()
}

fn lock() -> toml::Table {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.lock");
    std::fs::read_to_string(path).unwrap().parse().unwrap()
}

/// The locked packages that depend on one.
fn needed_by(name: &str) -> Vec<String> {
    let lock = lock();
    let depends = |package: &&toml::Value| {
        let all = package.get("dependencies").and_then(toml::Value::as_array).into_iter().flatten();
        all.filter_map(toml::Value::as_str).any(|other| other.split(' ').next() == Some(name))
    };
    let packages = lock["package"].as_array().unwrap().iter().filter(depends);
    packages.map(|package| package["name"].as_str().unwrap().to_owned()).collect()
}

/// All packages of `Cargo.lock`; it states no licences.
fn locked() -> Vec<Package> {
    let lock = lock();
    let package = |package: &toml::Value| {
        let text = |key: &str| package[key].as_str().unwrap();
        Package::new(text("name"), text("version"), None)
    };
    lock["package"].as_array().unwrap().iter().map(package).collect()
}

#[test]
fn every_dependency_has_an_allowed_licence() {
    let packages = built();
    for name in ["t2f-ops", "candle-core", "blake3"] {
        assert!(packages.iter().any(|package| package.name == name), "{name} is not listed");
    }
    assert_eq!(licence_faults(&packages), [""; 0]);
}

#[test]
fn no_banned_crate_and_no_unlisted_duplicate_is_locked() {
    let packages = locked();
    assert!(packages.len() > 100, "{} packages", packages.len());
    assert_eq!(banned_faults(&built()), [""; 0]);
    let (optional, only) = OPTIONAL;
    assert_eq!(needed_by(optional), [only]);
    let others: Vec<Package> = packages.iter().filter(|package| package.name != optional).cloned().collect();
    assert_eq!(banned_faults(&others), [""; 0]);
    assert_eq!(duplicate_faults(&packages, &DUPLICATES), [""; 0]);
}

#[test]
fn faulty_packages_are_named() {
    let good = Package::new("good", "1.0.0", Some("MIT OR GPL-3.0-only"));
    let packages = [
        good.clone(),
        Package::new("copyleft", "1.0.0", Some("GPL-3.0-only")),
        Package::new("silent", "0.2.0", None),
        Package::new("openssl-sys", "0.9.0", Some("MIT")),
        Package { version: "2.0.0".into(), ..good },
    ];
    let licences = licence_faults(&packages);
    assert!(
        licences.len() == 2 && licences[0].contains("copyleft 1.0.0 is under GPL-3.0-only"),
        "{licences:?}"
    );
    assert_eq!(licences[1], "silent 0.2.0 states no licence");
    assert_eq!(banned_faults(&packages), ["openssl-sys is banned: a C library"]);
    assert_eq!(duplicate_faults(&packages, &[]), ["good has 2 versions: 1.0.0, 2.0.0"]);
    assert_eq!(duplicate_faults(&packages, &[("good", "")]), [""; 0]);
    assert_eq!(
        duplicate_faults(&packages, &[("good", ""), ("silent", "")]),
        ["silent is listed as a duplicate and has no second version"]
    );
    let third = [packages.to_vec(), vec![Package::new("good", "3.0.0", Some("MIT"))]].concat();
    assert_eq!(duplicate_faults(&third, &[("good", "")]), ["good has 3 versions: 1.0.0, 2.0.0, 3.0.0"]);
}

#[test]
fn licence_expressions_are_read_as_spdx_defines_them() {
    for met in [
        "MIT",
        "MIT/Apache-2.0",
        "Apache-2.0 / MIT",
        "GPL-3.0-only OR MIT",
        "(MIT OR Apache-2.0) AND Unicode-3.0",
        "Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT",
        "MIT OR GPL-3.0-only AND MPL-2.0",
    ] {
        assert!(is_allowed(met), "{met}");
    }
    for unmet in [
        "",
        "GPL-3.0-only",
        "MIT AND GPL-3.0-only",
        "(MIT OR Apache-2.0) AND GPL-3.0-only",
        "(MIT OR GPL-3.0-only) AND (GPL-3.0-only OR MPL-2.0)",
        "GPL-2.0-only WITH Classpath-exception-2.0",
        "Apache-2.0 WITH LLVM-exception",
        "MIT OR",
        "MIT MIT",
        "(MIT",
        "MIT)",
        "AND MIT",
    ] {
        assert!(!is_allowed(unmet), "{unmet}");
    }
}

//! The structure of the workspace: the files of a crate have no dependency cycle, and no crate depends on
//! a higher layer.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The crates from bottom to top; those of one layer do not depend on one another.
const LAYERS: [&[&str]; 7] = [
    &["t2f-ops", "t2f-files", "t2f-parallel"],
    &["t2f-data", "t2f-text", "t2f-gan", "t2f-tensorboard"],
    &["t2f-pictures"],
    &["t2f-metrics"],
    &["t2f-train"],
    &["t2f-demo", "t2f-report", "t2f-watch"],
    &["t2f"],
];

/// The crates whose files must have no cycle.
const ACYCLIC: [&str; 13] = [
    "gan",
    "data",
    "ops",
    "metrics",
    "files",
    "parallel",
    "pictures",
    "text",
    "train",
    "demo",
    "report",
    "watch",
    "tensorboard",
];

/// The arrows from each node to the nodes that it uses.
type Graph = BTreeMap<String, BTreeSet<String>>;

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the workspace is there")
}

#[test]
fn no_file_depends_on_itself_through_others() {
    let mut found = Vec::new();
    for name in ACYCLIC {
        let graph = arrows(&sources(&workspace().join("crates").join(name).join("src")));
        assert!(graph.values().any(|used| !used.is_empty()), "{name}: no arrow was found");
        if let Some(cycle) = cycle(&graph) {
            found.push(format!("{name}: {}", cycle.join(" -> ")));
        }
    }
    assert!(found.is_empty(), "cycles of files:\n{}", found.join("\n"));
}

#[test]
fn no_crate_depends_on_one_above_it() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--offline", "--no-deps", "--format-version", "1"])
        .current_dir(workspace())
        .output()
        .expect("cargo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("metadata is JSON");
    let crates = workspace().join("crates");
    let mut dependencies = BTreeMap::new();
    for package in metadata["packages"].as_array().expect("packages is a list") {
        let manifest = Path::new(package["manifest_path"].as_str().expect("a path is text"));
        if !manifest.canonicalize().expect("the manifest is there").starts_with(&crates) {
            continue;
        }
        let of_workspace = |it: &&serde_json::Value| it["path"].is_string();
        let all = package["dependencies"].as_array().expect("dependencies is a list").iter();
        let names = all.filter(of_workspace).filter_map(|it| it["name"].as_str()).map(String::from);
        dependencies.insert(package["name"].as_str().expect("a name is text").to_owned(), names.collect());
    }
    assert_eq!(dependencies.len(), LAYERS.concat().len(), "{:?}", dependencies.keys());
    let upward = upward(&dependencies);
    assert!(upward.is_empty(), "{}", upward.join("\n"));
}

/// The dependencies that do not lead to a lower layer.
fn upward(dependencies: &Graph) -> Vec<String> {
    let layer = |name: &str| LAYERS.iter().position(|layer| layer.contains(&name));
    let mut found = Vec::new();
    for (name, used) in dependencies {
        for other in used {
            let downward = matches!((layer(name), layer(other)), (Some(own), Some(below)) if below < own);
            if !downward {
                found.push(format!("{name} depends on {other}, which is not in a layer below it"));
            }
        }
    }
    found
}

#[test]
fn a_cycle_is_found_and_printed_in_order() {
    let graph = |arrows: &[(&str, &str)]| {
        let mut graph = Graph::new();
        for &(from, to) in arrows {
            graph.entry(from.into()).or_default().insert(to.into());
            graph.entry(to.into()).or_default();
        }
        graph
    };
    // Two paths that meet again are no cycle.
    assert_eq!(cycle(&graph(&[("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")])), None);
    let found = cycle(&graph(&[("a", "b"), ("b", "c"), ("c", "d"), ("d", "b"), ("d", "e")]));
    assert_eq!(found.unwrap(), ["b", "c", "d", "b"]);
}

#[test]
fn a_dependency_on_a_crate_above_or_beside_is_found() {
    let of = |name: &str, other: &str| {
        upward(&Graph::from([(name.to_owned(), BTreeSet::from([other.to_owned()]))]))
    };
    assert!(of("t2f-train", "t2f-ops").is_empty());
    for (name, other) in [("t2f-ops", "t2f-gan"), ("t2f-gan", "t2f-data"), ("t2f", "t2f-experiments")] {
        assert_eq!(of(name, other), [format!("{name} depends on {other}, which is not in a layer below it")]);
    }
}

/// Three files of one folder: `a` uses `b` through the folder's re-export, `b` uses `c` by a relative path,
/// and `c` uses `a` in `last`.
fn folder(last: &str) -> Graph {
    let files = [
        ("lib.rs", "//! use crate::folder::c;\npub mod folder;\npub use folder::One;".to_owned()),
        (
            "folder/mod.rs",
            "mod a;\nmod b;\npub(crate) mod c;\n\npub use a::One;\npub use b::{Two, self as second};"
                .to_owned(),
        ),
        ("folder/a.rs", "use crate::folder::Two;\n#[derive(Debug)]\npub struct One(Two);".to_owned()),
        ("folder/b.rs", "pub struct Two;\nfn f() -> u8 { super::c::number::<'_'>() }".to_owned()),
        ("folder/c.rs", format!("pub fn number() -> u8 {{ 1 }}\n{last}")),
    ];
    arrows(&modules(files.into_iter().map(|(path, text)| (path.to_owned(), text))))
}

#[test]
fn references_are_read_from_code_alone() {
    for unused in [
        "// use super::a::One;",
        "/* use /* super::a */ ::One; */",
        "const TEXT: &str = \"crate::One \\\" super::a::One\";",
        "const RAW: &str = r#\"crate::One \" crate::One\"#;",
        "const QUOTE: char = '\"'; // super::a::One",
        "#[cfg(test)]\nmod tests {\n    use super::super::a::One;\n}",
        "#[cfg(test)]\nuse super::a::One;",
    ] {
        let graph = folder(unused);
        let of = |file: &str| graph[file].iter().map(String::as_str).collect::<Vec<_>>();
        assert_eq!(of("folder/a.rs"), ["folder/b.rs"], "{unused}");
        assert_eq!(of("folder/b.rs"), ["folder/c.rs"], "{unused}");
        for file in ["lib.rs", "folder/mod.rs", "folder/c.rs"] {
            assert_eq!(of(file), [""; 0], "{unused}");
        }
        assert_eq!(cycle(&graph), None, "{unused}");
    }
    for used in [
        "use super::a::One;",
        "use crate::One as Another;",
        "use crate::{folder::{One, Two}};",
        "use super::*;\nfn f(_: One) {}",
        "fn f<'a>(_: &'a crate::folder::One) {}",
        "use crate::folder;\nfn f(_: folder::One) {}",
        "mod inside {\n    fn f(_: super::super::a::One) {}\n}",
    ] {
        let found = cycle(&folder(used)).unwrap_or_else(|| panic!("no cycle by {used}"));
        assert!(found.len() >= 3 && found.first() == found.last(), "{found:?}");
        assert!(found.iter().any(|file| file == "folder/c.rs"), "{used}: {found:?}");
    }
}

/// A cycle of the graph, if there is one.
fn cycle(graph: &Graph) -> Option<Vec<String>> {
    fn visit<'a>(
        graph: &'a Graph,
        node: &'a str,
        done: &mut BTreeSet<&'a str>,
        path: &mut Vec<&'a str>,
    ) -> Option<Vec<String>> {
        if let Some(start) = path.iter().position(|other| *other == node) {
            return Some(path[start..].iter().chain([&node]).map(ToString::to_string).collect());
        }
        if !done.insert(node) {
            return None;
        }
        path.push(node);
        let found = graph.get(node).into_iter().flatten().find_map(|next| visit(graph, next, done, path));
        path.pop();
        found
    }
    let mut done = BTreeSet::new();
    graph.keys().find_map(|node| visit(graph, node, &mut done, &mut Vec::new()))
}

/// The path of a module or an item inside its crate.
type Names = Vec<String>;

/// One file of a crate.
#[derive(Default)]
struct Module {
    file: String,
    /// The declared modules, except for tests.
    children: BTreeSet<String>,
    /// The defined items.
    items: BTreeSet<String>,
    /// The names of its `use` items, with their paths in this crate.
    bindings: BTreeMap<String, Names>,
    /// The modules of this crate imported by a glob.
    globs: Vec<Names>,
    /// The paths in this crate used by its code.
    used: BTreeSet<Names>,
}

/// The files of a crate by their module.
type Modules = BTreeMap<Names, Module>;

fn sources(src: &Path) -> Modules {
    let (mut folders, mut files) = (vec![src.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the folder can be read") {
            let path = entry.expect("the entry can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name =
                    path.strip_prefix(src).expect("the file is below it").to_string_lossy().into_owned();
                files.push((name, fs::read_to_string(&path).expect("the file is text")));
            }
        }
    }
    assert!(!files.is_empty(), "{} has no source file", src.display());
    modules(files.into_iter())
}

/// The modules of a crate from its files, except those for tests.
fn modules(files: impl Iterator<Item = (String, String)>) -> Modules {
    let mut all = Modules::new();
    for (file, text) in files {
        let mut names: Names = file.trim_end_matches(".rs").split('/').map(String::from).collect();
        if names.last().is_some_and(|last| last == "mod" || last == "lib") {
            names.pop();
        }
        all.insert(names.clone(), Module::read(file, &names, &text));
    }
    let declared = |names: &Names| match names.split_last() {
        None => true,
        Some((last, parent)) => all.get(parent).is_some_and(|parent| parent.children.contains(last)),
    };
    let undeclared: Vec<Names> = all.keys().filter(|names| !declared(names)).cloned().collect();
    undeclared.iter().for_each(|names| drop(all.remove(names)));
    all
}

/// The dependencies between the files of a crate. A re-export is not a use; a path through it leads to the
/// file that defines the item.
fn arrows(modules: &Modules) -> Graph {
    let mut graph = Graph::new();
    for module in modules.values() {
        let targets = module.used.iter().filter_map(|path| owner(modules, path, 0));
        let others = targets.map(|target| target.file.clone()).filter(|file| *file != module.file);
        graph.insert(module.file.clone(), others.collect());
    }
    graph
}

/// The file that defines the item of a path.
fn owner<'a>(modules: &'a Modules, path: &[String], depth: usize) -> Option<&'a Module> {
    let mut at: &[String] = &[];
    for (place, name) in path.iter().enumerate() {
        let module = modules.get(at)?;
        if module.children.contains(name) && modules.contains_key(&path[..=place]) && at == &path[..place] {
            at = &path[..=place];
            continue;
        }
        let rest = &path[place + 1..];
        if depth < 16 && !module.items.contains(name) {
            if let Some(target) = module.bindings.get(name) {
                return owner(modules, &[target, rest].concat(), depth + 1);
            }
            for glob in &module.globs {
                let found =
                    owner(modules, &[&glob[..], std::slice::from_ref(name), rest].concat(), depth + 1);
                if found.is_some_and(|found| found.items.contains(name)) {
                    return found;
                }
            }
        }
        return Some(module);
    }
    modules.get(at)
}

/// An identifier, a `::`, or another character.
#[derive(Clone, Debug, PartialEq)]
enum Token {
    Name(String),
    Separator,
    Other(char),
}

impl Token {
    fn is(&self, text: &str) -> bool {
        match self {
            Self::Name(name) => name == text,
            Self::Separator => text == "::",
            Self::Other(other) => text.chars().eq([*other]),
        }
    }

    fn name(&self) -> Option<&str> {
        match self {
            Self::Name(name) => Some(name),
            _ => None,
        }
    }
}

/// The tokens of a source without comments, literals of text, and items for tests.
fn tokens(text: &str) -> Vec<Token> {
    let text: Vec<char> = text.chars().collect();
    let starts = |at: usize, with: &str| with.chars().enumerate().all(|(i, c)| text.get(at + i) == Some(&c));
    let (mut tokens, mut at) = (Vec::new(), 0);
    while at < text.len() {
        let c = text[at];
        if starts(at, "//") {
            at += text[at..].iter().take_while(|c| **c != '\n').count();
        } else if starts(at, "/*") {
            let mut depth = 0;
            loop {
                (depth, at) = match () {
                    () if starts(at, "/*") => (depth + 1, at + 2),
                    () if starts(at, "*/") => (depth - 1, at + 2),
                    () => (depth, at + 1),
                };
                if depth == 0 || at >= text.len() {
                    break;
                }
            }
        } else if c == '"' {
            at = end_of_string(&text, at);
        } else if c == '\'' {
            let escaped = text.get(at + 1) == Some(&'\\');
            let quoted = text.get(at + 2) == Some(&'\'');
            at += match (escaped, quoted) {
                (true, _) => 3 + text[at + 3..].iter().take_while(|c| **c != '\'').count() + 1,
                (false, true) => 3,
                (false, false) => {
                    1 + text[at + 1..].iter().take_while(|c| c.is_alphanumeric() || **c == '_').count()
                }
            };
        } else if c.is_alphanumeric() || c == '_' {
            let length = text[at..].iter().take_while(|c| c.is_alphanumeric() || **c == '_').count();
            let name: String = text[at..at + length].iter().collect();
            at += length;
            let hashes = text[at..].iter().take_while(|c| **c == '#').count();
            if ["r", "br", "cr"].contains(&name.as_str()) && text.get(at + hashes) == Some(&'"') {
                let end: String = ['"'].into_iter().chain(std::iter::repeat_n('#', hashes)).collect();
                at += hashes + 1;
                while at < text.len() && !starts(at, &end) {
                    at += 1;
                }
                at += end.len();
            } else if !(["b", "c"].contains(&name.as_str()) && text.get(at) == Some(&'"')) {
                tokens.push(Token::Name(name));
            }
        } else if starts(at, "::") {
            tokens.push(Token::Separator);
            at += 2;
        } else {
            if !c.is_whitespace() {
                tokens.push(Token::Other(c));
            }
            at += 1;
        }
    }
    without_tests(&tokens)
}

/// The place after a string that begins at `at`.
fn end_of_string(text: &[char], at: usize) -> usize {
    let mut at = at + 1;
    while at < text.len() && text[at] != '"' {
        at += if text[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// Removes each item after `#[cfg(test)]`.
fn without_tests(tokens: &[Token]) -> Vec<Token> {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let (mut kept, mut at) = (Vec::new(), 0);
    while at < tokens.len() {
        let marked =
            MARK.iter().enumerate().all(|(i, mark)| tokens.get(at + i).is_some_and(|it| it.is(mark)));
        if marked {
            at = end_of_item(tokens, at + MARK.len());
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    kept
}

/// The place after the item that begins at `at`.
fn end_of_item(tokens: &[Token], at: usize) -> usize {
    let mut depth = 0;
    for (place, token) in tokens.iter().enumerate().skip(at) {
        match token {
            Token::Other('(' | '[' | '{') => depth += 1,
            Token::Other(closing @ (')' | ']' | '}')) => {
                depth -= 1;
                if depth == 0 && *closing == '}' {
                    return place + 1;
                }
            }
            Token::Other(';') if depth == 0 => return place + 1,
            _ => {}
        }
    }
    tokens.len()
}

const DEFINITIONS: [&str; 8] = ["fn", "struct", "enum", "union", "trait", "type", "const", "static"];

impl Module {
    fn read(file: String, names: &Names, text: &str) -> Self {
        let tokens = tokens(text);
        let mut module = Self { file, ..Self::default() };
        for pair in tokens.windows(3) {
            if let [Token::Name(keyword), Token::Name(name), next] = pair {
                if keyword == "mod" && next.is(";") {
                    module.children.insert(name.clone());
                } else if DEFINITIONS.contains(&keyword.as_str()) {
                    module.items.insert(name.clone());
                }
            }
        }
        let (imports, code) = imports(&tokens);
        // A re-export of an own module is a use only if the code contains its name.
        let mut exported = Vec::new();
        for Import { path, alias, public } in imports {
            let Some(path) = module.absolute(names, &path) else { continue };
            if alias == "*" {
                module.globs.push(path.clone());
            } else {
                module.bindings.insert(alias.clone(), path.clone());
            }
            if public && path.len() > names.len() && path.starts_with(names) {
                exported.push((alias, path));
            } else {
                module.used.insert(path);
            }
        }
        let mentioned: BTreeSet<&str> = code.iter().filter_map(Token::name).collect();
        module.used.extend(
            exported.into_iter().filter(|(alias, _)| mentioned.contains(alias.as_str())).map(|it| it.1),
        );
        // A name from a glob is used if the code contains it.
        let unknown = mentioned.iter().filter(|name| !module.items.contains(**name));
        let of_globs: Vec<Names> = unknown
            .flat_map(|name| module.globs.iter().map(|glob| [&glob[..], &[(*name).to_owned()]].concat()))
            .collect();
        module.used.extend(of_globs);
        module.read_paths(names, &code);
        module
    }

    /// Adds the paths of code that lead into this crate.
    fn read_paths(&mut self, names: &Names, code: &[Token]) {
        let (mut inline, mut depth, mut at) = (Vec::new(), 0, 0);
        while at < code.len() {
            match &code[at..] {
                [Token::Name(keyword), Token::Name(name), Token::Other('{'), ..] if keyword == "mod" => {
                    inline.push((depth, name.clone()));
                    depth += 1;
                    at += 3;
                    continue;
                }
                [Token::Other('{'), ..] => depth += 1,
                [Token::Other('}'), ..] => {
                    depth -= 1;
                    if inline.last().is_some_and(|(opened, _)| *opened == depth) {
                        inline.pop();
                    }
                }
                [Token::Name(first), Token::Separator, ..] if at == 0 || !code[at - 1].is("::") => {
                    let mut path = vec![first.clone()];
                    while let [Token::Separator, Token::Name(next), ..] = &code[at + 1..] {
                        path.push(next.clone());
                        at += 2;
                    }
                    let inside = inline.iter().map(|(_, name)| name.clone());
                    let base: Names = names.iter().cloned().chain(inside).collect();
                    self.used.extend(self.absolute(&base, &path));
                }
                _ => {}
            }
            at += 1;
        }
    }

    /// A path from the root of the crate, if it leads into the crate; `base` is the module of the path.
    fn absolute(&self, base: &[String], path: &[String]) -> Option<Names> {
        let (first, rest) = path.split_first()?;
        let mut base = base.to_vec();
        match first.as_str() {
            "crate" => return Some(rest.to_vec()),
            "self" => {}
            "super" => drop(base.pop()),
            name => {
                if self.children.contains(name) {
                    base.push(name.to_owned());
                } else {
                    base = self.bindings.get(name)?.clone();
                }
            }
        }
        let supers = rest.iter().take_while(|name| *name == "super").count();
        base.truncate(base.len().saturating_sub(supers));
        base.extend(rest[supers..].iter().cloned());
        Some(base)
    }
}

/// One name that a `use` item binds; `*` for all of a module.
struct Import {
    path: Names,
    alias: String,
    public: bool,
}

/// The imports of a file, and its code without them.
fn imports(tokens: &[Token]) -> (Vec<Import>, Vec<Token>) {
    let (mut imports, mut code, mut at) = (Vec::new(), Vec::new(), 0);
    while at < tokens.len() {
        // `use<…>` is a bound.
        if tokens[at].is("use") && !tokens.get(at + 1).is_some_and(|next| next.is("<")) {
            let end = at + tokens[at..].iter().take_while(|token| !token.is(";")).count();
            let public = match &tokens[..at] {
                [.., before] if before.is("pub") => true,
                [.., open, _, close] => open.is("(") && close.is(")"),
                _ => false,
            };
            tree(&tokens[at + 1..end], &[], public, &mut imports);
            at = end + 1;
        } else {
            code.push(tokens[at].clone());
            at += 1;
        }
    }
    (imports, code)
}

/// The imports of a tree such as `a::{self, b as c, d::*}`.
fn tree(tokens: &[Token], prefix: &[String], public: bool, imports: &mut Vec<Import>) {
    let mut path = prefix.to_vec();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        match token {
            Token::Name(name) if name == "as" => {
                if let Some(alias) = tokens.get(at + 1).and_then(Token::name) {
                    imports.push(Import { path, alias: alias.to_owned(), public });
                }
                return;
            }
            Token::Name(name) if name == "self" && !path.is_empty() => {}
            Token::Name(name) => path.push(name.clone()),
            Token::Separator => {}
            Token::Other('*') => return imports.push(Import { path, alias: "*".into(), public }),
            Token::Other('{') => {
                let (mut depth, mut start) = (0, at + 1);
                for place in at..tokens.len() {
                    match tokens[place] {
                        Token::Other('{') => depth += 1,
                        Token::Other('}') => depth -= 1,
                        _ => {}
                    }
                    if depth == 0 || (depth == 1 && tokens[place].is(",")) {
                        if start < place {
                            tree(&tokens[start..place], &path, public, imports);
                        }
                        start = place + 1;
                    }
                }
                return;
            }
            Token::Other(_) => return,
        }
        at += 1;
    }
    if let Some(alias) = path.last().cloned() {
        imports.push(Import { path, alias, public });
    }
}

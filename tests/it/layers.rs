//! The order of the modules and the shape of the source files, as `src/lib.rs` documents them.
//!
//! `cargo test` runs it; it reads the tree and nothing else.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The most lines that a source file may have.
const LONGEST_FILE: usize = 400;

/// Names that a module must not use although they stand before it in the table.
const FORBIDDEN: [(&str, &str, &str); 3] = [
    ("pusher", "collector", "a pusher holds a subscription and does not know who serves it"),
    ("admin", "collector", "the operator's interface reads snapshots and sends commands"),
    ("admin", "pusher", "the operator's interface reads snapshots and sends commands"),
];

/// Modules that may use modules behind them, with the reason.
const EXEMPT: [(&str, &str); 1] = [("main", "the binary starts everything")];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources(directories: &[&str]) -> Vec<PathBuf> {
    let mut waiting: Vec<PathBuf> = directories.iter().map(|directory| root().join(directory)).collect();
    let mut found = Vec::new();
    while let Some(directory) = waiting.pop() {
        for entry in
            fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
        {
            let path = entry.expect("an entry can be read").path();
            if path.is_dir() {
                waiting.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    assert!(!found.is_empty(), "no source files under {directories:?}");
    found.sort();
    found
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

/// The modules in the order of the table in `src/lib.rs`.
fn table(map: &str) -> Vec<String> {
    let rows = map.lines().filter_map(|line| line.strip_prefix("//! | [`"));
    rows.filter_map(|row| row.split_once("`]")).map(|(name, _)| name.to_owned()).collect()
}

/// The code of a file without comments and texts, so that neither a link in a doc nor a message counts as a use.
fn code(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let lines: Vec<String> =
        lines.map(|line| line.split('"').step_by(2).collect::<Vec<_>>().join("\"\"")).collect();
    lines.join("\n")
}

/// The names that follow `prefix` in `code`, also those in the braces of a `use`.
fn names_after(code: &str, prefix: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (at, _) in code.match_indices(prefix) {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
            continue;
        }
        let rest = &code[at + prefix.len()..];
        match rest.strip_prefix('{') {
            Some(group) => names.extend(heads(group)),
            None => names.extend(word(rest)),
        }
    }
    names
}

/// The first word of each item of a `use` group, down to its closing brace.
fn heads(group: &str) -> Vec<String> {
    let (mut depth, mut start, mut heads) = (0_usize, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' if depth == 0 => {
                heads.extend(word(&group[start..at]));
                start = at + 1;
            }
            '}' => {
                heads.extend(word(&group[start..at]));
                break;
            }
            _ => {}
        }
    }
    heads
}

fn word(text: &str) -> Option<String> {
    let text = text.trim_start();
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    (end > 0).then(|| text[..end].to_owned())
}

/// The crate's top-level names that a file uses, through `crate::` or through enough `super::`.
fn uses(path: &Path, text: &str) -> BTreeSet<String> {
    let inside = path.strip_prefix(root().join("src")).expect("only files of src are asked for");
    let code = code(text);
    let mut names = names_after(&code, "crate::");
    names.extend(names_after(&code, &"super::".repeat(inside.components().count())));
    names.extend(names_after(&code, "pushweir::"));
    names
}

fn module_of(path: &Path) -> String {
    let inside = path.strip_prefix(root().join("src")).expect("only files of src are asked for");
    let first = inside.components().next().expect("a file has a name").as_os_str().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

/// Whether a file is a test's, which may build a whole stand around its module.
fn is_test(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "tests" || part.as_os_str() == "tests.rs")
}

#[test]
fn a_module_names_only_modules_before_it_in_the_table_of_lib_rs() {
    let order = table(&fs::read_to_string(root().join("src/lib.rs")).unwrap());
    let position = |name: &str| order.iter().position(|module| module == name);
    let mut breaches = Vec::new();
    for path in sources(&["src"]) {
        let module = module_of(&path);
        if module == "lib" || EXEMPT.iter().any(|(name, _)| *name == module) {
            continue;
        }
        let own = position(&module).unwrap_or_else(|| panic!("{module} is not in the table of src/lib.rs"));
        for name in uses(&path, &fs::read_to_string(&path).unwrap()) {
            if position(&name).is_some_and(|other| other > own) {
                breaches.push(format!("{} names {name}, which comes after {module}", shown(&path)));
            }
            let forbidden = FORBIDDEN.iter().find(|(who, what, _)| *who == module && *what == name);
            if let Some((_, _, why)) = forbidden.filter(|_| !is_test(&path)) {
                breaches.push(format!("{} names {name}: {why}", shown(&path)));
            }
        }
    }
    assert!(breaches.is_empty(), "the order of the modules is broken:\n{}", breaches.join("\n"));
}

#[test]
fn the_table_of_lib_rs_lists_every_module_in_the_order_of_the_declarations() {
    let map = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let declared: Vec<String> = map
        .lines()
        .filter_map(|line| line.trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';'))
        .map(str::to_owned)
        .collect();
    assert_eq!(table(&map), declared);
}

#[test]
fn the_actors_crate_names_nothing_of_the_service() {
    for path in sources(&["actors"]) {
        let code = code(&fs::read_to_string(&path).unwrap());
        assert_eq!(names_after(&code, "pushweir::"), BTreeSet::new(), "{}", shown(&path));
    }
}

#[test]
fn every_source_file_says_what_it_is_for_and_is_not_too_long() {
    let mut breaches = Vec::new();
    for path in sources(&["src", "actors", "tests"]) {
        let text = fs::read_to_string(&path).unwrap();
        let lines = text.lines().count();
        if lines > LONGEST_FILE {
            breaches.push(format!("{}: {lines} lines", shown(&path)));
        }
        if !text.starts_with("//! ") && !text.starts_with("#![doc = include_str!") {
            breaches.push(format!("{}: does not begin with a module doc", shown(&path)));
        }
        if path.file_name().is_some_and(|name| name == "mod.rs") {
            breaches.push(format!("{}: a module's file stands beside its directory", shown(&path)));
        }
    }
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}

#[test]
fn uses_are_found_in_every_way_of_writing_them() {
    let text = "//! crate::doc\nuse crate::{a, b::{c, d},\n e};\nfn f() { crate::g::h(\"crate::text\"); super::super::i::j(); }\n";
    let found: Vec<String> = uses(&root().join("src/x/y.rs"), text).into_iter().collect();
    assert_eq!(found, ["a", "b", "e", "g", "i"]);
    let found: Vec<String> =
        uses(&root().join("src/x.rs"), "use super::z; use not_crate::w;").into_iter().collect();
    assert_eq!(found, ["z"]);
}

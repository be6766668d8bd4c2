//! The image's recipe, as far as it can be checked without building it.

use std::path::Path;
use std::process::Command;

use super::read;

/// The instructions, continued lines joined, comments left out.
fn instructions() -> Vec<(String, String)> {
    let text = read("Dockerfile").replace("\\\n", " ");
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let split = |line: &str| {
        let (word, rest) = line.split_once(' ').unwrap_or_else(|| panic!("{line} has no arguments"));
        (word.to_owned(), rest.trim().to_owned())
    };
    lines.map(split).collect()
}

fn of(word: &str) -> Vec<String> {
    instructions().into_iter().filter(|(name, _)| name == word).map(|(_, rest)| rest).collect()
}

/// The words of an instruction in JSON form.
fn words(text: &str) -> Vec<String> {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{text} is not in JSON form: {error}"))
}

#[test]
fn what_the_image_is_made_of_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for copied in of("COPY").iter().filter(|rest| !rest.starts_with("--from=")) {
        let mut paths: Vec<&str> = copied.split_whitespace().collect();
        paths.pop();
        for path in paths {
            assert!(root.join(path).exists(), "COPY {path}: there is none");
        }
    }
    let let_in = std::fs::read_to_string(root.join(".dockerignore")).expect("it is there");
    for copied in of("COPY").iter().filter(|rest| !rest.starts_with("--from=")) {
        let mut paths: Vec<&str> = copied.split_whitespace().collect();
        paths.pop();
        for path in paths {
            assert!(
                let_in.lines().any(|line| line == format!("!{path}")),
                "{path} is kept out of the context"
            );
        }
    }
    let manifest = std::fs::read_to_string(root.join("Cargo.toml")).expect("it is there");
    let manifest: toml::Table = manifest.parse().expect("it is TOML");
    let copied = of("COPY").join(" ");
    for place in ["actors", "src", "tests", "benches", "Cargo.lock", "config.toml"] {
        assert!(copied.split_whitespace().any(|word| word == place), "cargo needs {place}");
    }
    let (name, version) = (&manifest["bin"][0]["name"], &manifest["workspace"]["package"]["rust-version"]);
    let (name, version) = (name.as_str().expect("it is text"), version.as_str().expect("it is text"));
    assert!(of("RUN").iter().any(|run| run.contains("--locked") && run.ends_with(&format!("--bin {name}"))));
    assert!(of("FROM")[0].starts_with(&format!("rust:{version}-")), "the oldest Rust that is supported");
}

#[test]
fn the_image_runs_the_program_as_it_is_and_not_as_root() {
    let command = [words(&of("ENTRYPOINT")[0]), words(&of("CMD")[0])].concat();
    assert_eq!(command[0], "/usr/local/bin/pushweir");
    let health = of("HEALTHCHECK").remove(0);
    let (_, health) = health.split_once("CMD ").expect("it runs something");
    let health = words(health);
    for command in [command, health] {
        let output = Command::new(env!("CARGO_BIN_EXE_pushweir"))
            .args([&command[1], "--help"])
            .output()
            .expect("it starts");
        let help = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{command:?}");
        let flags = command.iter().filter(|word| word.starts_with("--"));
        flags.for_each(|flag| assert!(help.contains(flag.as_str()), "{flag} is not in:\n{help}"));
    }
    let user = of("USER").pop().expect("the last stage has a user");
    assert!(user.split(':').all(|id| id.parse::<u32>().is_ok_and(|id| id >= 10_000)), "{user}");
    let defaults = include_str!("../../../config.toml");
    for port in of("EXPOSE").join(" ").split_whitespace() {
        assert!(defaults.contains(&format!("listen = \"127.0.0.1:{port}\"")), "no default listens on {port}");
    }
}

#[test]
fn the_recipe_keeps_to_the_rules_of_small_and_repeatable_images() {
    const KNOWN: [&str; 11] = [
        "FROM",
        "RUN",
        "WORKDIR",
        "COPY",
        "USER",
        "EXPOSE",
        "STOPSIGNAL",
        "HEALTHCHECK",
        "ENTRYPOINT",
        "CMD",
        "ENV",
    ];
    for (word, rest) in instructions() {
        assert!(KNOWN.contains(&word.as_str()), "{word} {rest}");
    }
    for image in of("FROM") {
        let name = image.split_whitespace().next().expect("it has a name");
        assert!(name.contains(':') && !name.ends_with(":latest"), "{image} is another one tomorrow");
    }
    for run in of("RUN").iter().filter(|run| run.contains("apt-get install")) {
        for part in ["apt-get update", "--no-install-recommends", "rm -rf /var/lib/apt/lists/*"] {
            assert!(run.contains(part), "{part} is not in {run}");
        }
    }
    let last = instructions().iter().rposition(|(word, _)| word == "FROM").expect("it has stages");
    let copied = instructions()[last..].iter().filter(|(word, _)| word == "COPY").count();
    assert!(
        of("FROM").len() == 2 && copied == 2,
        "the second stage has the program and its configuration only"
    );
}

//! What the program is made of: the bill of materials is complete and is CycloneDX, and the rules for
//! dependencies are held to.

#![expect(
    clippy::unwrap_used,
    reason = "what goes wrong in a helper fails the test that called it"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn the_bill_of_materials_has_the_fields_of_cyclonedx() {
    // CycloneDX 1.5: what is required, and the form of what is optional.
    let bom = bom();
    assert_eq!(bom["bomFormat"], "CycloneDX");
    assert_eq!(bom["specVersion"], "1.5");
    assert_eq!(bom["version"], 1);
    let serial = bom["serialNumber"].as_str().unwrap();
    let digits = serial.strip_prefix("urn:uuid:").expect("RFC 9562");
    let lengths: Vec<_> = digits.split('-').map(str::len).collect();
    assert_eq!(lengths, [8, 4, 4, 4, 12], "{serial}");
    let allowed = ["$schema", "bomFormat", "components", "dependencies", "metadata"];
    let allowed = [&allowed[..], &["serialNumber", "specVersion", "version"]].concat();
    assert_eq!(keys(&bom), allowed.into_iter().collect());
    let mut refs = BTreeSet::new();
    let components = bom["components"].as_array().unwrap();
    for component in components.iter().chain([&bom["metadata"]["component"]]) {
        assert!(matches!(text(&component["type"]), "library" | "application"), "{component}");
        assert!(!text(&component["name"]).is_empty());
        assert!(refs.insert(text(&component["bom-ref"])), "{component}: twice");
        let is_crate = text(&component["bom-ref"]).starts_with("pkg:cargo/");
        if is_crate {
            let url =
                format!("pkg:cargo/{}@{}", text(&component["name"]), text(&component["version"]));
            assert_eq!(text(&component["purl"]).replace("%2B", "+"), url);
        }
        for hash in component["hashes"].as_array().into_iter().flatten() {
            assert_eq!(hash["alg"], "SHA-256");
            let content = text(&hash["content"]);
            assert!(content.len() == 64 && content.bytes().all(|c| c.is_ascii_hexdigit()));
        }
        let [licence] = &component["licenses"].as_array().unwrap()[..] else {
            panic!("one expression: {component}");
        };
        assert!(!text(&licence["expression"]).contains('/'), "no SPDX: {component}");
    }
    for dependency in bom["dependencies"].as_array().unwrap() {
        assert!(refs.contains(text(&dependency["ref"])), "{dependency}");
        for needed in dependency["dependsOn"].as_array().unwrap() {
            assert!(refs.contains(text(needed)), "{needed} is no component");
        }
    }
}

#[test]
fn every_dependency_of_a_release_is_in_it_with_the_hash_that_cargo_checks() {
    let bom = bom();
    let components: BTreeMap<_, _> = bom["components"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| ((text(&it["name"]), it["version"].as_str().unwrap_or_default()), it))
        .collect();
    let lock = fs::read_to_string(Path::new(ROOT).join("Cargo.lock")).unwrap();
    let field = |package: &str, name: &str| {
        let line = package.lines().find_map(|line| line.strip_prefix(&format!("{name} = \"")));
        line.map(|value| value.trim_end_matches('"').to_owned()).unwrap_or_default()
    };
    let mut hashes = BTreeMap::new();
    for package in lock.split("[[package]]").skip(1) {
        hashes.insert(
            (field(package, "name"), field(package, "version")),
            field(package, "checksum"),
        );
    }
    for ((name, version), component) in &components {
        let Some(hash) = hashes.get(&((*name).to_owned(), (*version).to_owned())) else {
            assert!(text(&component["bom-ref"]).starts_with("system:"), "{name} is not locked");
            continue;
        };
        assert_eq!(text(&component["hashes"][0]["content"]), hash, "{name}");
    }
    // Another list of the same: cargo's own tree, without what only tests need.
    for edges in ["normal", "build"] {
        let tree = Command::new(env!("CARGO"))
            .args(["tree", "--locked", "--prefix", "none", "--no-dedupe", "--edges", edges])
            .args(["--format", "{p}", "--target", "x86_64-unknown-linux-gnu"])
            .current_dir(ROOT)
            .output()
            .unwrap();
        assert!(tree.status.success(), "{tree:?}");
        let tree = String::from_utf8(tree.stdout).unwrap();
        let mut crates = 0;
        for line in tree.lines().filter(|line| !line.trim().is_empty()) {
            let mut words = line.split_whitespace();
            let (name, version) = (words.next().unwrap(), words.next().unwrap());
            let version = version.trim_start_matches('v');
            crates += 1;
            assert!(name == "flowtap" || components.contains_key(&(name, version)), "{line}");
        }
        assert!(crates > 1 || edges == "build", "{tree}");
    }
    let names: BTreeSet<_> = components.keys().map(|(name, _)| *name).collect();
    for name in ["libpcap", "ring", "rustls", "zstd-sys"] {
        assert!(names.contains(name), "{name}");
    }
    for name in ["criterion", "proptest", "rcgen"] {
        assert!(!names.contains(name), "{name} is for tests only");
    }
}

#[test]
fn the_bill_is_the_same_each_time() {
    assert_eq!(script("sbom", Path::new(ROOT)).stdout, script("sbom", Path::new(ROOT)).stdout);
}

#[test]
fn the_dependencies_keep_to_the_rules() {
    let output = script("deny", Path::new(ROOT));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn rules_that_are_broken_are_noticed() {
    // The same package under rules of its own; without cargo-deny, whose checks are its own.
    let folder = tempfile::tempdir().unwrap();
    let rules = fs::read_to_string(Path::new(ROOT).join("deny.toml")).unwrap();
    for (from, to, fault) in [
        ("    \"ISC\",\n", "", "licence Apache-2.0 AND ISC"),
        ("{ name = \"openssl\" }", "{ name = \"zstd\" }", "zstd 0."),
        (
            "crates.io-index",
            "elsewhere",
            "from registry+https://github.com/rust-lang/crates.io-index",
        ),
    ] {
        let broken = rules.replace(from, to);
        assert_ne!(broken, rules, "{from} is in deny.toml");
        fs::write(folder.path().join("deny.toml"), broken).unwrap();
        let program = format!(
            "import runpy, pathlib, tomllib\n\
             deny = runpy.run_path({:?})\n\
             rules = tomllib.loads(pathlib.Path({:?}).read_text())\n\
             print('\\n'.join(deny['check'](rules, deny['metadata']())))",
            Path::new(ROOT).join("scripts/deny"),
            folder.path().join("deny.toml"),
        );
        let output = Command::new("python3").args(["-B", "-c", &program]).output().unwrap();
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(told.contains(fault), "{fault}: {told}{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn licence_expressions_are_read_as_spdx_has_them() {
    let program = format!(
        "import runpy\n\
         permits = runpy.run_path({:?})['permits']\n\
         allowed = {{'MIT', 'Zlib', 'A WITH B'}}\n\
         for text in ['MIT', 'MIT OR GPL', 'GPL OR MIT', 'GPL/MIT', 'MIT AND Zlib', 'A WITH B',\n\
         \x20            '(GPL OR MIT) AND Zlib', 'GPL AND GPL OR MIT']:\n\
         \x20   assert permits(text, allowed), text\n\
         for text in ['GPL', 'MIT AND GPL', 'A', 'MIT AND (GPL OR A)', 'MIT WITH B']:\n\
         \x20   assert not permits(text, allowed), text\n\
         for text in ['', '(', 'MIT OR', 'MIT MIT', 'MIT)', 'OR MIT', 'A WITH']:\n\
         \x20   try:\n\
         \x20       permits(text, allowed)\n\
         \x20   except ValueError:\n\
         \x20       continue\n\
         \x20   raise AssertionError(text)\n",
        Path::new(ROOT).join("scripts/deny")
    );
    let output = Command::new("python3").args(["-B", "-c", &program]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn bom() -> Value {
    serde_json::from_slice(&script("sbom", Path::new(ROOT)).stdout).expect("JSON")
}

#[track_caller]
fn script(name: &str, root: &Path) -> Output {
    let output = Command::new("python3")
        .arg("-B")
        .arg(root.join("scripts").join(name))
        .output()
        .expect("python3 is installed (scripts/test installs it)");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[track_caller]
fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

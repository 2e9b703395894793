//! Whether docs/workflows.md shows what is compiled and tested: each block of Rust in it names a file and a region of
//! it, and is that region, letter by letter.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const DOCUMENT: &str = "docs/workflows.md";
const SOURCES: [&str; 8] = [
    "main.rs",
    "energy_use.rs",
    "adverse_reaction.rs",
    "timed_event.rs",
    "device_saga.rs",
    "leak_watch.rs",
    "recorded.rs",
    "versions.rs",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The lines between `// region: name` and `// endregion`, without the indentation of the marks.
fn region(source: &str, name: &str) -> Option<String> {
    let mark = format!("// region: {name}");
    let mut lines = source.lines().skip_while(|line| line.trim() != mark);
    let begin = lines.next()?;
    let indent = begin.len() - begin.trim_start().len();
    let inside = lines.take_while(|line| line.trim() != "// endregion");
    let shown = inside.map(|line| line.get(indent..).unwrap_or_default().trim_end());
    Some(shown.collect::<Vec<_>>().join("\n"))
}

/// The names of all regions of a source.
fn regions(source: &str) -> impl Iterator<Item = &str> {
    source.lines().filter_map(|line| line.trim().strip_prefix("// region: "))
}

/// A block of Rust in a document.
struct Block {
    line: usize,
    /// `file: region`, from the comment before it.
    from: Option<(String, String)>,
    text: String,
}

fn blocks(document: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let (mut from, mut open): (Option<(String, String)>, Option<Block>) = (None, None);
    for (number, line) in (1..).zip(document.lines()) {
        if let Some(mut block) = open.take() {
            if line == "```" {
                block.text.truncate(block.text.trim_end_matches('\n').len());
                blocks.push(block);
            } else {
                block.text.push_str(line);
                block.text.push('\n');
                open = Some(block);
            }
        } else if line.starts_with("```rust") {
            open = Some(Block { line: number, from: from.take(), text: String::new() });
        } else if let Some(named) = line.strip_prefix("<!-- ").and_then(|rest| rest.strip_suffix(" -->")) {
            from = named.split_once(": ").map(|(file, region)| (file.to_owned(), region.to_owned()));
        } else if !line.is_empty() {
            from = None;
        }
    }
    blocks
}

#[test]
fn every_block_of_code_in_the_document_is_compiled_and_tested() {
    let document = std::fs::read_to_string(root().join(DOCUMENT)).expect("the document is there");
    let blocks = blocks(&document);
    let mut shown = BTreeSet::new();
    for Block { line, from, text } in blocks {
        let Some((file, name)) = from else {
            panic!("{DOCUMENT}:{line}: the block names no file and region")
        };
        let source = std::fs::read_to_string(root().join(&file))
            .unwrap_or_else(|error| panic!("{DOCUMENT}:{line}: {file}: {error}"));
        let compiled = region(&source, &name)
            .unwrap_or_else(|| panic!("{DOCUMENT}:{line}: {file} has no region {name:?}"));
        assert!(text == compiled, "{DOCUMENT}:{line} is not {file}, region {name:?}, which is:\n{compiled}");
        shown.insert(name);
    }
    for file in SOURCES {
        let path = root().join("agent/examples/workflows").join(file);
        let source = std::fs::read_to_string(path).expect("a source of this example");
        for name in regions(&source) {
            assert!(shown.contains(name), "{file}: region {name:?} is not in {DOCUMENT}");
        }
    }
}

#[test]
fn a_block_that_differs_or_comes_from_nowhere_is_found() {
    let source = "    // region: a\n    fn a() {\n\n        b();\n    }\n    // endregion\n";
    assert_eq!(region(source, "a").as_deref(), Some("fn a() {\n\n    b();\n}"));
    assert_eq!(region(source, "b"), None);
    let found = blocks(
        "<!-- f.rs: a -->\n\n```rust\nfn a() {}\n```\n\nText.\n\n```rust\nfn b() {}\n```\n```sh\nls\n```\n",
    );
    let found: Vec<_> =
        found.iter().map(|block| (block.line, block.from.is_some(), block.text.as_str())).collect();
    assert_eq!(found, [(3, true, "fn a() {}"), (9, false, "fn b() {}")]);
}

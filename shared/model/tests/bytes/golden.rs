//! Golden bytes: what a released device has on its disk, and what a released bridge expects.
//!
//! A file that no longer matches means that stored data or deployed peers are no longer understood. Where that is
//! meant, `TIDEGATE_GOLDEN=write cargo test -p tidegate-model --test bytes` writes them anew, and the commit says why.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use crate::samples;

#[test]
fn every_stored_and_sent_form_is_what_it_was() {
    let folder = folder();
    if env::var_os("TIDEGATE_GOLDEN").is_some_and(|wish| wish == "write") {
        for sample in samples::all() {
            fs::write(path(&folder, &sample.name), to_hex(&sample.bytes))
                .expect("the golden folder is writable");
        }
    }
    for sample in samples::all() {
        let file = path(&folder, &sample.name);
        let golden = fs::read_to_string(&file).unwrap_or_else(|error| {
            panic!("{}: {error}. A new form? Write it with TIDEGATE_GOLDEN=write", file.display())
        });
        assert_eq!(to_hex(&sample.bytes), golden, "{} is written differently from before", sample.name);
        let reread = (sample.reread)(&from_hex(&golden));
        assert_eq!(reread.as_ref(), Ok(&sample.bytes), "{} is not read back as it was", sample.name);
    }
}

#[test]
fn every_golden_file_has_a_sample_and_no_name_is_used_twice() {
    let mut names = BTreeSet::new();
    for sample in samples::all() {
        assert!(names.insert(format!("{}.hex", sample.name)), "{} stands for two samples", sample.name);
    }
    let files: BTreeSet<String> = fs::read_dir(folder())
        .expect("the golden folder")
        .map(|entry| entry.expect("a readable folder").file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(files, names);
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn path(folder: &Path, name: &str) -> PathBuf {
    folder.join(name).with_extension("hex")
}

fn to_hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for line in bytes.chunks(32) {
        for byte in line {
            write!(text, "{byte:02x}").expect("a string takes everything");
        }
        text.push('\n');
    }
    text
}

fn from_hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter_map(|c| c.to_digit(16))
        .map(|digit| u8::try_from(digit).expect("a digit"))
        .collect();
    digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect()
}

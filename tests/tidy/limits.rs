//! Whether every limit that is written down is also kept: a constant nobody reads bounds nothing.

use std::collections::BTreeSet;

use crate::repository::Repository;
use crate::tokens::tokens;

const LIMITS: &str = "shared/model/src/limits.rs";

pub(crate) fn check(repository: &Repository) -> Vec<String> {
    let Some(limits) = repository.file(LIMITS) else {
        return vec![format!("there is no {LIMITS}")];
    };
    let words = tokens(&limits.text);
    let declared = words
        .windows(3)
        .filter(|window| window[0].text == "pub" && window[1].text == "const")
        .map(|window| (window[2].text, window[2].line));
    let used: BTreeSet<&str> = repository
        .with_extension("rs")
        .filter(|file| file.path != LIMITS)
        .flat_map(|file| tokens(&file.text))
        .map(|token| token.text)
        .collect();
    declared
        .filter(|(name, _)| !used.contains(name))
        .map(|(name, line)| format!("{LIMITS}:{line}: nothing keeps {name}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::planted::Planted;

    #[test]
    fn a_limit_that_only_a_comment_mentions_is_found() {
        let tree = Planted::tidy();
        tree.assert_clean(check);
        tree.append(
            "shared/model/src/limits.rs",
            "pub const FORGOTTEN_MAX: usize = 1;\nconst _: () = assert!(FORGOTTEN_MAX > 0);\n",
        );
        tree.append("high/src/run.rs", "// up to FORGOTTEN_MAX\n");
        tree.assert_complains(check, "shared/model/src/limits.rs:3: nothing keeps FORGOTTEN_MAX");
    }
}

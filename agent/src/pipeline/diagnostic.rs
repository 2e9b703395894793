//! What is wrong in a pipeline's file: where, which key, and what would be right.

use std::fmt;

/// One mistake. Prints as `file:line:column: key …: what is wrong; what would be right`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file, as it was named.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// The key with those above it (`step[2].topic`); empty where the whole file is meant.
    pub key: String,
    /// What is wrong.
    pub wrong: String,
    /// What would be right.
    pub remedy: String,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: ", self.file, self.line, self.column)?;
        if !self.key.is_empty() {
            write!(f, "key `{}`: ", self.key)?;
        }
        write!(f, "{}; {}", self.wrong, self.remedy)
    }
}

/// The right word nearest to a wrong one, when it is near enough to be what was meant.
pub(super) fn nearest<'r>(wrong: &str, right: impl IntoIterator<Item = &'r str>) -> Option<&'r str> {
    let farthest = 1 + wrong.chars().count() / 4;
    right
        .into_iter()
        .map(|right| (strsim::damerau_levenshtein(&wrong.to_lowercase(), right), right))
        .filter(|(distance, _)| *distance <= farthest)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, right)| right)
}

/// A remedy that names the nearest right word, or all of them.
pub(super) fn did_you_mean(wrong: &str, right: &[&str]) -> String {
    match nearest(wrong, right.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("it can be {}", list(right)),
    }
}

/// `` `a`, `b` or `c` ``.
pub(super) fn list(words: &[&str]) -> String {
    match words {
        [] => "nothing".to_owned(),
        [one] => format!("`{one}`"),
        [first @ .., last] => {
            let first: Vec<String> = first.iter().map(|word| format!("`{word}`")).collect();
            format!("{} or `{last}`", first.join(", "))
        }
    }
}

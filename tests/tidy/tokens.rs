//! Rust source as words and signs, without comments, strings and tests: as much of the grammar as paths need.

/// A word, `::`, or a sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    pub(crate) text: &'a str,
    pub(crate) line: usize,
}

impl Token<'_> {
    pub(crate) fn is_word(&self) -> bool {
        self.text.starts_with(is_word_character)
    }
}

fn is_word_character(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The tokens of a source.
pub(crate) fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let mut at = 0;
    let mut line = 1;
    while let Some(c) = source[at..].chars().next() {
        let length = token_length(&source[at..], c);
        let text = &source[at..at + length];
        let meant = is_word_character(c) && !is_literal(text)
            || !c.is_whitespace() && length <= 2 && !is_literal(text);
        if meant && !text.starts_with("//") && !text.starts_with("/*") {
            found.push(Token { text, line });
        }
        line += text.matches('\n').count();
        at += length;
    }
    found
}

fn is_literal(text: &str) -> bool {
    text.contains('"') || text.starts_with('\'') || text.starts_with(|c: char| c.is_ascii_digit())
}

/// Length of the token, comment, literal or blank that `rest` begins with.
fn token_length(rest: &str, first: char) -> usize {
    let until = |end: &str| rest.find(end).map_or(rest.len(), |at| at + end.len());
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return until("*/");
    }
    if rest.starts_with("::") {
        return 2;
    }
    if first == '\'' {
        return quote_length(rest);
    }
    let word = rest.find(|c| !is_word_character(c)).unwrap_or(rest.len());
    match &rest[..word] {
        "" | "b" | "c" if rest[word..].starts_with('"') => word + string_length(&rest[word..]),
        "r" | "br" | "cr" if rest[word..].starts_with(['"', '#']) => {
            let hashes = rest[word..].find(|c| c != '#').unwrap_or(0);
            let body = word + hashes + 1;
            if !rest[word + hashes..].starts_with('"') {
                return word; // a raw identifier
            }
            let end = format!("\"{}", &"#".repeat(hashes));
            rest[body..].find(&end).map_or(rest.len(), |at| body + at + end.len())
        }
        "" => first.len_utf8(),
        _ => word,
    }
}

/// A string from its opening quote to its closing one.
fn string_length(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match (escaped, c) {
            (false, '"') => return at + 1,
            (false, '\\') => escaped = true,
            (true | false, _) => escaped = false,
        }
    }
    rest.len()
}

/// A character literal, or a lifetime.
fn quote_length(rest: &str) -> usize {
    let mut characters = rest.char_indices().skip(1);
    match (characters.next(), characters.next()) {
        (Some((_, '\\')), Some((escaped, _))) => {
            let after = escaped + 1;
            rest[after..].find('\'').map_or(rest.len(), |at| after + at + 1)
        }
        (Some(_), Some((at, '\''))) => at + 1,
        (Some((start, _)), _) => {
            rest[start..].find(|c| !is_word_character(c)).map_or(rest.len(), |at| start + at)
        }
        (None, _) => rest.len(),
    }
}

/// The tokens without what stands under `#[cfg(test)]`, and the names of the test modules that are files of their own.
pub(crate) fn without_tests<'a>(tokens: &[Token<'a>]) -> (Vec<Token<'a>>, Vec<&'a str>) {
    let mut kept = Vec::new();
    let mut test_files = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if !begins_with(&tokens[at..], &["#", "[", "cfg", "(", "test", ")", "]"]) {
            kept.push(tokens[at]);
            at += 1;
            continue;
        }
        at += 7;
        let mut depth = 0usize;
        let mut name = None;
        while let Some(token) = tokens.get(at) {
            at += 1;
            match token.text {
                "mod" if depth == 0 => name = tokens.get(at),
                "{" | "(" | "[" => depth += 1,
                "}" | ")" | "]" => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 && token.text == "}" {
                        break;
                    }
                }
                ";" if depth == 0 => {
                    test_files.extend(name.map(|name| name.text));
                    break;
                }
                _ => {}
            }
        }
    }
    (kept, test_files)
}

pub(crate) fn begins_with(tokens: &[Token<'_>], texts: &[&str]) -> bool {
    tokens.len() >= texts.len() && tokens.iter().zip(texts).all(|(token, text)| token.text == *text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(source: &str) -> Vec<&str> {
        tokens(source).into_iter().map(|token| token.text).collect()
    }

    #[test]
    fn comments_strings_and_characters_are_not_tokens() {
        let source = r##"
            // crate::a
            /* crate::b */ let x = "crate::\"c"; let y = r#"crate::"d"#; let z = '"'; fn f<'a>(_: &'a str) {} b"crate::e";
            crate::g
        "##;
        let found = texts(source);
        assert!(found.ends_with(&["crate", "::", "g"]), "{found:?}");
        assert_eq!(found.iter().filter(|&&text| text == "crate").count(), 1);
    }

    #[test]
    fn a_token_knows_its_line() {
        let found = tokens("a\n\"two\nlines\"\nb");
        assert_eq!(found.last(), Some(&Token { text: "b", line: 4 }));
    }

    #[test]
    fn what_stands_under_cfg_test_is_left_out() {
        let source = "use crate::a; #[cfg(test)] mod tests { use crate::b; fn f() { } } use crate::c; #[cfg(test)] mod more;";
        let all = tokens(source);
        let (kept, files) = without_tests(&all);
        let words: Vec<&str> = kept.iter().filter(|token| token.is_word()).map(|token| token.text).collect();
        assert_eq!(words, ["use", "crate", "a", "use", "crate", "c"]);
        assert_eq!(files, ["more"]);
    }
}

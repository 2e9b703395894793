//! How the story looks: 80 columns; bold headings on a terminal, plain when piped or when NO_COLOR is set.

use std::io::{IsTerminal, Write};

fn line(text: &str) {
    // A reader that has gone has seen enough.
    drop(writeln!(std::io::stdout(), "{text}"));
}

fn bold(text: &str) -> String {
    if std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none() {
        format!("\x1b[1m{text}\x1b[0m")
    } else {
        text.to_owned()
    }
}

/// A chapter begins.
pub(crate) fn chapter(number: u32, title: &str) {
    line("");
    line(&bold(&format!("{number:>2}  {title}")));
}

/// The title.
pub(crate) fn title(text: &str) {
    line(&bold(text));
}

/// A sentence, wrapped.
pub(crate) fn note(text: &str) {
    let mut out = String::from("   ");
    for word in text.split_whitespace() {
        if out.chars().count() + 1 + word.chars().count() > 80 {
            line(&out);
            out = String::from("   ");
        }
        out.push(' ');
        out.push_str(word);
    }
    line(&out);
}

/// A fact with its name before it.
pub(crate) fn fact(name: &str, text: &str) {
    line(&format!("    {name:<9} {}", cut(text, 66)));
}

/// What a command printed, under the command.
pub(crate) fn command(command: &str, output: &str) {
    let mut shown = String::from("    $");
    for word in command.split(' ') {
        if shown.chars().count() + word.chars().count() > 76 {
            line(&format!("{shown} \\"));
            shown = String::from("       ");
        }
        shown.push(' ');
        shown.push_str(word);
    }
    line(&shown);
    for said in output.lines() {
        line(&format!("    {}", cut(said, 76)));
    }
}

/// The head of the table of counts.
pub(crate) fn table_head() {
    line("      time     sent by   on the      in the    waiting");
    line("               sensors   gateway     cloud     for the link");
}

/// A row of it. What cannot be known is a dash.
pub(crate) fn table_row(seconds: u64, sent: Option<u64>, stored: Option<u64>, cloud: Option<u64>) {
    let cell = |count: Option<u64>| count.map_or_else(|| "-".to_owned(), |count| count.to_string());
    let waiting = stored.zip(cloud).map(|(stored, cloud)| stored.saturating_sub(cloud));
    line(&format!(
        "     {:>2}:{:02} {:>11} {:>9} {:>9} {:>10}",
        seconds / 60,
        seconds % 60,
        cell(sent),
        cell(stored),
        cell(cloud),
        cell(waiting)
    ));
}

/// A line of the last account.
pub(crate) fn account(what: &str, count: u64, right: bool) {
    line(&format!("    {what:<46} {count:>9}  {}", if right { "ok" } else { "WRONG" }));
}

/// What went wrong, on standard error.
pub(crate) fn failure(error: &anyhow::Error) {
    let mut out = std::io::stderr();
    drop(writeln!(out, "\ndemo: {error}"));
    for cause in error.chain().skip(1) {
        drop(writeln!(out, "  because: {cause}"));
    }
}

fn cut(text: &str, columns: usize) -> String {
    if text.chars().count() <= columns {
        return text.to_owned();
    }
    text.chars().take(columns - 1).chain(['…']).collect()
}

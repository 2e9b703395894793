//! What the log promises, asked of the real store: one binary, one file for each subject.

mod tally;
mod commit;
mod recovery;

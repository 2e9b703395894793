//! What the log promises, asked of the real store: one binary, one file for each subject.

mod tally;
mod commit;
mod commit_loop;
mod recovery;
mod opening;
mod failing;
mod lanes;
mod keys;
mod trim;

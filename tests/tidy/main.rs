//! Reads the repository.

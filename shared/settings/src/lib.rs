//! Settings files: TOML and the environment into a program's own struct, with errors a person can act on.
//!
//! Every error names the file, the line and column (or the environment variable), the key, and what would be right. A
//! key the struct does not have is an error, whether or not the struct says `deny_unknown_fields`.
//!
//! # The environment
//! A variable overrides one key: the prefix, the sections and the key, in capitals, with `_` after the prefix and
//! `__` between the levels. With the prefix `TIDEGATE`, `TIDEGATE_BROKER__HOST=10.0.0.2` sets `host` of `[broker]` and
//! `TIDEGATE_DATA_DIR=/data` sets `data_dir`. Text needs no quotes; a list or a table is written as in TOML
//! (`["a", "b"]`). A variable with the prefix that no key answers to is an error. Where one prefix begins another
//! ([`PROGRAMS`]), a variable belongs to the longer one, so that both programs can share an environment file.
//!
//! ```
//! #[derive(serde::Deserialize)]
//! struct Settings { broker: Broker }
//! #[derive(serde::Deserialize)]
//! struct Broker { host: String, keep_alive: tidegate_settings::Duration }
//!
//! let text = "[broker]\nhost = 'localhost'\nkeep_alive = '30s'";
//! let variables = [("TIDEGATE_BROKER__HOST".to_owned(), "10.0.0.2".to_owned())];
//! let settings: Settings = tidegate_settings::parse(text, "agent.toml".as_ref(), "TIDEGATE", variables).unwrap();
//! assert_eq!(settings.broker.host, "10.0.0.2");
//! assert_eq!(settings.broker.keep_alive.get().as_secs(), 30);
//! ```

mod deserializer;
mod document;
mod error;
mod overrides;
mod units;

use std::path::Path;

use serde::de::DeserializeOwned;

pub use error::SettingsError;
pub use units::{Bytes, Duration};

/// The programs that read settings: the prefix of their variables, and the commented example to begin with.
pub const PROGRAMS: [(&str, &str); 2] =
    [("TIDEGATE", "config/agent.toml"), ("TIDEGATE_BRIDGE", "config/bridge.toml")];

/// The settings in a file, overridden by this process's environment.
///
/// # Errors
/// [`SettingsError`] when the file cannot be read, is not TOML, or says something the struct has no place for.
pub fn load<T: DeserializeOwned>(path: &Path, prefix: &str) -> Result<T, SettingsError> {
    let text = std::fs::read_to_string(path).map_err(|source| error::unreadable(path, prefix, source))?;
    parse(&text, path, prefix, overrides::of_process(prefix)?)
}

/// The settings in a text, overridden by `variables`. `path` is for the messages; variables without the prefix are
/// not looked at.
///
/// # Errors
/// See [`load`].
pub fn parse<T: DeserializeOwned>(
    text: &str,
    path: &Path,
    prefix: &str,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<T, SettingsError> {
    let settings = document::read(text)
        .and_then(|mut document| {
            overrides::apply(&mut document, prefix, variables)?;
            Ok(document)
        })
        .and_then(|document| deserializer::read(&document));
    settings.map_err(|fault| fault.in_file(path, prefix))
}

#[cfg(test)]
mod tests;

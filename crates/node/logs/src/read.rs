//! A log read again: over all its files.

/// What is wanted of a log.
#[derive(Clone, Debug, Default)]
pub struct Query {}

/// A reader.
#[derive(Debug, Default)]
pub struct Reader {}

//! What was typed: values by the names of the table, each read by a function that knows its form.

use crate::commands::OPERANDS;
use crate::options::{self, Opt, Value};
use clap::ArgMatches;
use std::ffi::OsString;
use tare_error::{Error, Kind, Result, While};

/// The options and operands of one verb, as typed.
#[derive(Debug)]
pub(crate) struct Low<'a> {
    verb: &'a str,
    typed: &'a ArgMatches,
    /// What every verb has and was typed before the verb.
    before: &'a ArgMatches,
    /// Names that were read: a test holds them against the table.
    #[cfg(test)]
    pub(crate) read: std::cell::RefCell<std::collections::BTreeSet<String>>,
}

impl<'a> Low<'a> {
    pub(crate) fn new(verb: &'a str, typed: &'a ArgMatches, before: &'a ArgMatches) -> Low<'a> {
        Low {
            verb,
            typed,
            before,
            #[cfg(test)]
            read: std::cell::RefCell::default(),
        }
    }

    /// The verb.
    pub(crate) fn verb(&self) -> &'a str {
        self.verb
    }

    /// Whether a switch is there.
    pub(crate) fn switch(&self, long: &'static str) -> bool {
        self.note(long);
        matches!(self.typed.try_get_one::<bool>(long), Ok(Some(true)))
    }

    /// How often an option that counts is there, before the verb and after it.
    pub(crate) fn count(&self, long: &'static str) -> u8 {
        self.note(long);
        let of = |m: &ArgMatches| m.try_get_one::<u8>(long).ok().flatten().copied().unwrap_or(0);
        of(self.typed).saturating_add(of(self.before))
    }

    /// The text of an option, where it was given.
    ///
    /// # Errors
    /// `Invalid` for a text that is not UTF-8 or not one of the table's words.
    pub(crate) fn text(&self, long: &'static str) -> Result<Option<&'a str>> {
        Ok(self.texts(long)?.pop())
    }

    /// Every text of an option, in order.
    ///
    /// # Errors
    /// As [`Low::text`].
    pub(crate) fn texts(&self, long: &'static str) -> Result<Vec<&'a str>> {
        self.note(long);
        let given = self.values(self.typed, long);
        // What stands before the verb is of an option that all have.
        let is_own = options::of_verb(self.verb).any(|option| option.long == long);
        let given = if given.is_empty() && !is_own {
            self.values(self.before, long)
        } else {
            given
        };
        let option = self.option(long);
        given
            .into_iter()
            .map(|value| checked(option, long, value))
            .collect()
    }

    /// The option's value read by `parse`; an error names the option.
    ///
    /// # Errors
    /// As [`Low::text`], and the reader's.
    pub(crate) fn parsed<T>(
        &self,
        long: &'static str,
        parse: impl Fn(&str) -> Result<T>,
    ) -> Result<Option<T>> {
        self.text(long)?
            .map(|text| parse(text).during("read option", format!("--{long}")))
            .transpose()
    }

    /// Every value of the option read by `parse`.
    ///
    /// # Errors
    /// As [`Low::parsed`].
    pub(crate) fn all_parsed<T>(
        &self,
        long: &'static str,
        parse: impl Fn(&str) -> Result<T>,
    ) -> Result<Vec<T>> {
        let read = |text| parse(text).during("read option", format!("--{long}"));
        self.texts(long)?.into_iter().map(read).collect()
    }

    /// What follows the options.
    ///
    /// # Errors
    /// `Invalid` for a text that is not UTF-8.
    pub(crate) fn operands(&self) -> Result<Vec<&'a str>> {
        self.values(self.typed, OPERANDS)
            .into_iter()
            .map(|value| utf8("argument", value))
            .collect()
    }

    /// The same, as they are.
    pub(crate) fn words(&self) -> Vec<&'a OsString> {
        self.values(self.typed, OPERANDS)
    }

    fn values(&self, matches: &'a ArgMatches, id: &str) -> Vec<&'a OsString> {
        match matches.try_get_many::<OsString>(id) {
            Ok(Some(values)) => values.collect(),
            _ => Vec::new(),
        }
    }

    fn option(&self, long: &str) -> Option<&'static Opt> {
        options::of_verb(self.verb)
            .chain(options::of_all())
            .find(|o| o.long == long)
    }

    fn note(&self, _long: &'static str) {
        #[cfg(test)]
        self.read.borrow_mut().insert(_long.to_owned());
    }
}

/// The text as the table wants it.
fn checked<'a>(option: Option<&'static Opt>, long: &str, value: &'a OsString) -> Result<&'a str> {
    let text = utf8("option", value)?;
    let Some(Opt {
        value: Value::OneOf(words),
        ..
    }) = option
    else {
        return Ok(text);
    };
    // Words of other forms ("container:x") are judged by their reader, which knows what is merely not there yet.
    let plain = text.chars().all(|c| c.is_ascii_lowercase());
    if words.contains(&text) || !plain {
        return Ok(text);
    }
    Err(Error::new(Kind::Invalid, "read option", format!("--{long}"))
        .because(format!("{text:?} is not one of its words"))
        .hint(format!("it is one of {}", words.join(", "))))
}

fn utf8<'a>(what: &'static str, value: &'a OsString) -> Result<&'a str> {
    value.to_str().ok_or_else(|| {
        Error::new(Kind::Invalid, format!("read {what}"), format!("{value:?}"))
            .because("it is not UTF-8, which a container's specification has to be")
    })
}

//! The one way the structs of this crate are made, so that all read and write absent members alike.

use serde::de::{self, Expected, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;

/// Makes a struct of the specification. Members stand in up to three groups:
/// `must` (an error where absent), `always` (written even when zero; absent reads as zero, as in Go),
/// `maybe` (not written when absent or empty).
macro_rules! document {
    ($(#[$struct_meta:meta])* pub struct $name:ident {
        $(must { $($(#[$must_meta:meta])* pub $must:ident: $must_type:ty,)* })?
        $(always { $($(#[$always_meta:meta])* pub $always:ident: $always_type:ty,)* })?
        $(maybe { $($(#[$maybe_meta:meta])* pub $maybe:ident: $maybe_type:ty,)* })?
    }) => {
        $(#[$struct_meta])*
        #[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        pub struct $name {
            $($($(#[$must_meta])* pub $must: $must_type,)*)?
            $($(
                $(#[$always_meta])*
                #[serde(default, deserialize_with = "crate::document::null_as_default")]
                pub $always: $always_type,
            )*)?
            $($(
                $(#[$maybe_meta])*
                #[serde(
                    default,
                    deserialize_with = "crate::document::null_as_default",
                    skip_serializing_if = "crate::document::is_default"
                )]
                pub $maybe: $maybe_type,
            )*)?
        }
    };
}

/// Makes an enum whose variants are written as the given words. What they are words for may be said, for the error of
/// another word.
macro_rules! words {
    ($(#[$enum_meta:meta])* pub enum $name:ident $(as $what:literal)? {
        $($(#[$variant_meta:meta])* $variant:ident = $word:literal,)*
    }) => {
        $(#[$enum_meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
        pub enum $name {
            $($(#[$variant_meta])* #[serde(rename = $word)] $variant,)*
        }

        impl $name {
            /// Every value, in the order of the specification.
            pub const ALL: &'static [$name] = &[$($name::$variant),*];

            /// The word of the specification.
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word,)* }
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                from.deserialize_str(crate::document::Words {
                    words: &[$(($word, $name::$variant)),*],
                    what: concat!($($what)?),
                })
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

/// Reads one of the words that stand for values.
pub(crate) struct Words<T: 'static> {
    pub(crate) words: &'static [(&'static str, T)],
    /// What they are words for; may be empty.
    pub(crate) what: &'static str,
}

impl<T: Copy> Visitor<'_> for Words<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known: Vec<String> = self.words.iter().map(|(known, _)| format!("`{known}`")).collect();
        write!(f, "one of {}", known.join(", "))
    }

    fn visit_str<E: de::Error>(self, word: &str) -> Result<T, E> {
        let found = self.words.iter().find(|(known, _)| *known == word);
        found.map(|(_, value)| *value).ok_or_else(|| match self.what {
            "" => E::custom(format_args!(
                "unknown variant `{word}`, expected {}",
                &self as &dyn Expected
            )),
            what => E::custom(format_args!(
                "invalid {what} {word:?}, expected {}",
                &self as &dyn Expected
            )),
        })
    }
}

/// Whether a member need not be written.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Reads `null` as an absent member.
pub(crate) fn null_as_default<'de, D, T>(from: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(from)?.unwrap_or_default())
}

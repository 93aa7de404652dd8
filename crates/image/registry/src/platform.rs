//! Platforms, and which image of an index fits one.

use oci_spec::image::{Descriptor, ImageIndex};
use std::fmt;
use tare_error::{Error, Kind, Result};

/// An operating system and a processor, normalised as containerd's `platforms` package does.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Platform {
    os: String,
    architecture: String,
    /// Empty where it is the usual one: none of amd64's, `v8` of arm64's.
    variant: String,
    /// Chosen by a person: then an image for another processor that would run as well does not fit.
    strict: bool,
}

impl Platform {
    /// The platform of this machine.
    pub fn host() -> Platform {
        Platform::normalised("linux", std::env::consts::ARCH, "", false)
    }

    /// Reads `os/arch[/variant]`, `os` alone or `arch` alone, as `--platform` takes it.
    ///
    /// # Errors
    /// `Invalid` for other forms, for an unknown operating system or processor.
    pub fn parse(text: &str) -> Result<Platform> {
        let wrong = |reason: &str| {
            Error::new(
                Kind::Invalid,
                "read platform",
                format!("\"{}\"", text.escape_debug()),
            )
            .because(reason)
            .hint("write it as os/arch or os/arch/variant, like linux/arm64 or linux/arm/v7")
        };
        let good = |part: &&str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
        };
        let parts: Vec<&str> = text.split('/').collect();
        if parts.len() > 3 || !parts.iter().all(good) {
            return Err(wrong("it is not os/arch/variant"));
        }
        let host = Platform::host();
        let platform = match parts.as_slice() {
            ["linux"] => Platform { strict: true, ..host },
            [architecture] => Platform::normalised("linux", architecture, "", true),
            [os, architecture] => Platform::normalised(os, architecture, "", true),
            [os, architecture, variant] => Platform::normalised(os, architecture, variant, true),
            _ => return Err(wrong("it is not os/arch/variant")),
        };
        if !ARCHITECTURES.contains(&platform.architecture.as_str()) {
            return Err(wrong("the processor is unknown"));
        }
        Ok(platform)
    }

    /// The platform an image or an index entry states.
    pub fn stated(os: &str, architecture: &str, variant: Option<&str>) -> Platform {
        Platform::normalised(os, architecture, variant.unwrap_or_default(), false)
    }

    /// The operating system: `linux`.
    pub fn os(&self) -> &str {
        &self.os
    }

    /// The processor by its Go name: `amd64`, `arm64`.
    pub fn architecture(&self) -> &str {
        &self.architecture
    }

    /// Whether an image of platform `stated` may run where `self` is wanted.
    pub fn accepts(&self, stated: &Platform) -> bool {
        self.preferences().iter().any(|p| p.same(stated))
    }

    fn normalised(os: &str, architecture: &str, variant: &str, strict: bool) -> Platform {
        let (os, architecture) = (os.to_ascii_lowercase(), architecture.to_ascii_lowercase());
        let variant = variant.to_ascii_lowercase();
        let (architecture, variant) = match (architecture.as_str(), variant.as_str()) {
            ("x86_64" | "x86-64" | "amd64", "v1" | "") => ("amd64", ""),
            ("x86_64" | "x86-64", v) => ("amd64", v),
            ("i386" | "x86" | "i486" | "i586" | "i686", _) => ("386", ""),
            ("aarch64" | "arm64", "8" | "v8" | "") => ("arm64", ""),
            ("aarch64", v) => ("arm64", v),
            ("armhf", _) | ("arm", "" | "7") => ("arm", "v7"),
            ("armel", _) | ("arm", "6") => ("arm", "v6"),
            ("arm", "5") => ("arm", "v5"),
            ("arm", "8") => ("arm", "v8"),
            ("powerpc64le", v) => ("ppc64le", v),
            ("loongarch64", v) => ("loong64", v),
            (other, v) => (other, v),
        };
        Platform {
            os,
            architecture: architecture.to_owned(),
            variant: variant.to_owned(),
            strict,
        }
    }

    fn same(&self, other: &Platform) -> bool {
        (&self.os, &self.architecture, &self.variant) == (&other.os, &other.architecture, &other.variant)
    }

    /// What runs here, best first: older variants of the processor, then the 32-bit one of the family.
    fn preferences(&self) -> Vec<Platform> {
        let of = |architecture: &str, variant: String| Platform {
            architecture: architecture.to_owned(),
            variant,
            ..self.clone()
        };
        let number = |default: u32| {
            self.variant
                .trim_start_matches('v')
                .parse::<u32>()
                .unwrap_or(default)
        };
        let mut list = vec![self.clone()];
        match self.architecture.as_str() {
            "amd64" => {
                list.extend((2..number(1).min(9)).rev().map(|v| of("amd64", format!("v{v}"))));
                list.push(of("amd64", String::new()));
                list.push(of("386", String::new()));
            }
            "arm" => list.extend((5..number(7).min(9)).rev().map(|v| of("arm", format!("v{v}")))),
            "arm64" => {
                list.push(of("arm64", String::new()));
                list.extend((5..=8).rev().map(|v| of("arm", format!("v{v}"))));
            }
            _ => {}
        }
        list.retain(|p| !self.strict || p.architecture == self.architecture);
        list
    }
}

/// Processors by their Go names (`go tool dist list`, linux).
const ARCHITECTURES: &[&str] = &[
    "386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le", "mipsle", "ppc64", "ppc64le",
    "riscv64", "s390x", "wasm",
];

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match self.variant.as_str() {
            "" => Ok(()),
            variant => write!(f, "/{variant}"),
        }
    }
}

/// The platform an index entry states; `None` where it states none.
fn stated(descriptor: &Descriptor) -> Option<Platform> {
    let platform = descriptor.platform().as_ref()?;
    let (os, architecture) = (platform.os().to_string(), platform.architecture().to_string());
    Some(Platform::stated(
        &os,
        &architecture,
        platform.variant().as_deref(),
    ))
}

/// The entry of `index` that fits `wanted` best.
///
/// # Errors
/// `NotFound` naming the platforms that exist.
pub fn select<'a>(
    index: &'a ImageIndex,
    wanted: &Platform,
    subject: impl fmt::Display,
) -> Result<&'a Descriptor> {
    let entries: Vec<(Option<Platform>, &Descriptor)> =
        index.manifests().iter().map(|d| (stated(d), d)).collect();
    for preferred in wanted.preferences() {
        let fits = |(p, _): &&(Option<Platform>, &Descriptor)| p.as_ref().is_some_and(|p| preferred.same(p));
        if let Some((_, descriptor)) = entries.iter().find(fits) {
            return Ok(descriptor);
        }
    }
    // An entry that states nothing is tried; its configuration tells.
    if let Some((_, descriptor)) = entries.iter().find(|(p, _)| p.is_none()) {
        return Ok(descriptor);
    }
    let mut existing: Vec<String> = entries
        .iter()
        .filter_map(|(p, _)| p.as_ref())
        // Build attestations are listed under this one.
        .filter(|p| p.os != "unknown")
        .map(Platform::to_string)
        .collect();
    existing.dedup();
    Err(no_platform(wanted, &existing, subject))
}

/// The error for an image that does not exist for `wanted` but for `existing`.
pub fn no_platform(wanted: &Platform, existing: &[String], subject: impl fmt::Display) -> Error {
    let error = Error::new(Kind::NotFound, "find image", format!("{subject} for {wanted}"));
    match existing.first() {
        None => error.because("it lists no image for any platform"),
        Some(first) => error
            .because(format!("it exists for {}", existing.join(", ")))
            .hint(format!("--platform {first} takes another one")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(platforms: &[&str]) -> ImageIndex {
        let entry = |(i, text): (usize, &&str)| {
            let digest = format!("sha256:{i:064x}");
            let media = "application/vnd.oci.image.manifest.v1+json";
            let mut entry = serde_json::json!({"mediaType": media, "digest": digest, "size": 1});
            let parts: Vec<&str> = text.split('/').collect();
            if let [os, arch, rest @ ..] = parts.as_slice() {
                entry["platform"] = serde_json::json!({"os": os, "architecture": arch});
                if let [variant] = rest {
                    entry["platform"]["variant"] = (*variant).into();
                }
            }
            entry
        };
        let manifests: Vec<_> = platforms.iter().enumerate().map(entry).collect();
        serde_json::from_value(serde_json::json!({"schemaVersion": 2, "manifests": manifests})).unwrap()
    }

    #[test]
    fn names_are_normalised() {
        for (text, shown) in [
            ("linux/x86_64", "linux/amd64"),
            ("linux/amd64/v1", "linux/amd64"),
            ("linux/amd64/v3", "linux/amd64/v3"),
            ("linux/aarch64", "linux/arm64"),
            ("Linux/arm64/v8", "linux/arm64"),
            ("arm64", "linux/arm64"),
            ("linux/arm", "linux/arm/v7"),
            ("linux/armel", "linux/arm/v6"),
            ("i686", "linux/386"),
        ] {
            assert_eq!(Platform::parse(text).unwrap().to_string(), shown, "{text}");
        }
        for bad in [
            "",
            "/",
            "linux/",
            "a/b/c/d",
            "linux/amd65",
            "linux/../x",
            "li nux/amd64",
        ] {
            assert_eq!(Platform::parse(bad).unwrap_err().kind(), Kind::Invalid, "{bad}");
        }
    }

    #[test]
    fn the_best_fitting_entry_is_taken() {
        for (wanted, platforms, at) in [
            ("linux/amd64", &["linux/arm64", "linux/amd64"][..], Some(1)),
            ("linux/arm64", &["linux/arm/v7", "linux/arm64/v8"], Some(1)),
            ("linux/arm/v7", &["linux/arm/v5", "linux/arm/v6"], Some(1)),
            ("linux/arm/v6", &["linux/arm/v7", "linux/arm/v5"], Some(1)),
            (
                "linux/amd64/v3",
                &["linux/amd64", "linux/amd64/v2", "linux/amd64/v4"],
                Some(1),
            ),
            ("linux/amd64", &["linux/amd64/v3"], None),
            ("linux/amd64", &["linux/386"], None),
            ("linux/amd64", &["windows/amd64", "unknown/unknown"], None),
            ("linux/amd64", &["linux/arm64", ""], Some(1)),
        ] {
            let index = index(platforms);
            let got = select(&index, &Platform::parse(wanted).unwrap(), "x").ok();
            assert_eq!(
                got,
                at.map(|i: usize| &index.manifests()[i]),
                "{wanted} of {platforms:?}"
            );
        }
        // Unasked, an image of the family's 32-bit processor is better than none.
        let amd64 = Platform::stated("linux", "amd64", None);
        assert!(select(&index(&["linux/386"]), &amd64, "x").is_ok());
        assert!(amd64.accepts(&Platform::stated("linux", "386", None)));
        assert!(!amd64.accepts(&Platform::stated("linux", "arm64", Some("v8"))));
    }

    #[test]
    fn what_exists_is_named() {
        let index = index(&["linux/arm64/v8", "linux/s390x", "unknown/unknown"]);
        let error = select(&index, &Platform::parse("linux/amd64").unwrap(), "web").unwrap_err();
        assert_eq!(
            error.to_string(),
            "find image web for linux/amd64: it exists for linux/arm64, linux/s390x"
        );
        assert_eq!(
            error.first_hint(),
            Some("--platform linux/arm64 takes another one")
        );
    }
}

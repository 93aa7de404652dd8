//! The image inside the program: an ordinary image from the moment somebody first runs it.

use crate::Engine;
use crate::image::{Image, LoadOptions, LoadSource, Silent};
use tare_error::{Error, Kind, Result};
use tare_registry::Reference;

/// The name it is stored under; no registry can have this host (RFC 6761), so it is nobody else's.
pub(super) const REFERENCE: &str = "tare.invalid/hello:latest";

impl Engine {
    /// The image inside the program where `typed` means it: the name `hello`, and no image here has that name.
    ///
    /// It is loaded where it is not here yet, or where the one here is another version of the program's.
    ///
    /// # Errors
    /// Those of loading an image.
    pub fn builtin_image(&self, typed: &str) -> Result<Option<Image>> {
        if typed != tare_hello::NAME || self.find_image(&Reference::parse(typed)?)?.is_some() {
            return Ok(None);
        }
        let reference = Reference::parse(REFERENCE)?;
        let archive = tare_hello::archive();
        if let Some(image) = self.find_image(&reference)?
            && image.id == archive.config_digest
        {
            return Ok(Some(image));
        }
        let options = LoadOptions {
            name: Some(reference),
            ..LoadOptions::default()
        };
        let mut bytes = archive.bytes.as_slice();
        let loaded = self.load(LoadSource::Archive(&mut bytes), &options, &Silent)?;
        let one = loaded.into_iter().next();
        one.map(Some).ok_or_else(|| {
            Error::new(Kind::Internal, "load", REFERENCE).because("the archive holds no image")
        })
    }
}

//! `pull`: an image from its registry.

use super::import::{Import, Imported};
use super::progress::Progress;
use super::remote::Remote;
use crate::Engine;
use crate::container::request::PullPolicy;
use crate::image::Image;
use crate::journal::{Event, Subject};
use crate::records::images::Names;
use tare_error::{Error, Kind, Result};
use tare_registry::{Credentials, Platform, Reference, Settings};

/// How to pull.
#[derive(Clone, Debug, Default)]
pub struct PullOptions {
    /// For which platform; absent means this machine's.
    pub platform: Option<Platform>,
    /// Whether to ask the registry where the image is here.
    pub policy: PullPolicy,
}

/// What a pull came to.
#[derive(Clone, Debug)]
pub struct Pulled {
    /// The image.
    pub image: Image,
    /// Whether the registry was asked.
    pub asked: bool,
    /// Whether any layer came in.
    pub fresh: bool,
}

impl Engine {
    /// Makes sure that the image `reference` is here.
    ///
    /// # Errors
    /// `NotFound` (with near names where the policy is `Never`), `Denied`, `Unavailable`, `Corrupt`, `Exhausted`; then
    /// nothing of it is left.
    pub fn pull(
        &self,
        reference: &Reference,
        options: &PullOptions,
        progress: &dyn Progress,
    ) -> Result<Pulled> {
        let pulled = self.try_pull(reference, options, progress);
        if pulled.as_ref().is_ok_and(|pulled| !pulled.asked) {
            return pulled;
        }
        let subject = Subject {
            kind: "image",
            id: pulled
                .as_ref()
                .map(|pulled| pulled.image.id.clone())
                .unwrap_or_default(),
            name: reference.to_string(),
            ..Subject::default()
        };
        self.note(&Event::new(subject, "pull").came_to(&pulled));
        pulled
    }

    fn try_pull(
        &self,
        reference: &Reference,
        options: &PullOptions,
        progress: &dyn Progress,
    ) -> Result<Pulled> {
        let platform = options.platform.clone().unwrap_or_else(Platform::host);
        if options.policy != PullPolicy::Always {
            match self
                .find_image(reference)?
                .filter(|image| platform.accepts(&image.platform()))
            {
                Some(image) => {
                    return Ok(Pulled {
                        image,
                        asked: false,
                        fresh: false,
                    });
                }
                None if options.policy == PullPolicy::Never => {
                    let missing = self.no_image(&reference.to_string())?;
                    return Err(missing.because("it is not here, and pulling was ruled out"));
                }
                None => {}
            }
        }
        let credentials = match &self.config().logins {
            Some(path) => Credentials::load(path)?,
            None => Credentials::default(),
        };
        let hosts = self.config().registries.clone();
        let remote = Remote::open(
            Settings {
                hosts,
                credentials,
                ..Settings::default()
            },
            reference,
        )?;
        let top = remote.named()?;
        let mut names = Names::default();
        if let (None, Some(tag)) = (reference.digest(), reference.tag()) {
            names
                .tags
                .push(format!("{}/{}:{tag}", reference.domain(), reference.path()));
        }
        names.digests.push((
            format!("{}/{}", reference.domain(), reference.path()),
            top.digest().to_string(),
        ));
        let import = Import {
            engine: self,
            source: &remote,
            platform: &platform,
            progress,
            shown: reference.to_string(),
        };
        let Imported { id, fresh } = self.bring_in(|| import.run(top, &names))?;
        let image = self
            .image(&id)?
            .ok_or_else(|| Error::new(Kind::Internal, "find image", &id))?;
        Ok(Pulled {
            image,
            asked: true,
            fresh,
        })
    }

    /// Runs something that makes layers and blobs; where it fails, what it published is collected again.
    pub(crate) fn bring_in<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let _intent = self.intend()?;
        let held = self.hold_images()?;
        let done = work();
        drop(held);
        match done {
            Ok(value) => Ok(value),
            Err(e) => {
                let e = self.about_storage(e);
                Err(match self.collect() {
                    Ok(_) => e,
                    Err(left) => e.also(left),
                })
            }
        }
    }
}

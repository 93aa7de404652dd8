//! Containers: what is asked, what that means for an image on a machine, and their life from create to remove.

pub mod draft;
pub mod facts;
pub mod look;
pub mod request;

//! Finding images by what people type.

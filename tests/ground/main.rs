//! The ground: a test has a world of its own, and what it leaves behind is found.

mod fixtures;
mod isolation;
mod leaks;

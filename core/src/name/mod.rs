//! Names: share-relative paths, validated once ([`SharePath`]); the wildcards of QUERY_DIRECTORY
//! ([`Pattern`]); how names compare ([`same_name`]); and the [`mapping`] between what Linux and what
//! clients can say.

mod fold;
pub mod mapping;
mod path;
mod pattern;

pub use fold::{fold, same_name};
pub use path::SharePath;
pub use pattern::Pattern;

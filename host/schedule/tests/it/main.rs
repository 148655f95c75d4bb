//! From files to decisions.

mod shipped;

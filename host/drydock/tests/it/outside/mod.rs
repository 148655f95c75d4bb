//! A plugin from outside the repository, by the papers alone: the blocks of a page are
//! copied into an empty folder and run from top to bottom, with the folder `wit` and the
//! binary as all that there is of Drydock.

mod page;
mod python;
mod records;
mod refusals;
mod rust;
mod store_pieces;
mod templates;
mod verbs;
mod walk;
mod walks;

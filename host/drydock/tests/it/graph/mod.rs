//! The laws of runs, over actions that take and release real holds and change a real world:
//! files in a folder, locks of a server. Whatever happens to a run and to its process, no
//! hold stays, nothing is done twice that may not be, what a failed run did is taken back,
//! and every question can be answered.

mod asking;
mod chain;
mod kit;
mod pins;
mod plugin;
mod reconcile;
mod shipped;
mod stream;
mod subjects;
mod unit;
mod unit_trouble;
mod values;

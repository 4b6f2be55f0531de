//! The whole engine against a simulated directory and app: what people lose and keep, in which order, after how many calls.

mod first;

pub(super) use crate::sim::{Call, Directory, Fault, World};

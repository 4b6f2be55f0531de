//! JumpCloud as the directory: the real binary against a stand-in for the vendor's API and SCIM servers that others wrote.

mod bad_input;
mod feed;
mod importing;
mod importing_long;
mod new_groups;
mod paging;
mod rules;
mod scene;
mod stand_in;

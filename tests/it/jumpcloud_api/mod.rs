//! JumpCloud as the directory: the real binary against a stand-in for the vendor's API and SCIM servers that others wrote.

mod stand_in;

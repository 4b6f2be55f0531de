//! The directories that rosterd reads, one line each: the only place outside a directory's own folders that names it. What comes in is a macro; what
//! goes out is that macro with every line of the list. `config::directory` makes a table of each line (`config/directory/<name>.rs`, with `Table` and
//! `check`), `source` a folder and a kind (`source/<name>/`, with `KIND`). The list must not depend on anything.
//!
//! `cargo fmt` does not see modules that a macro declares: `.ci/run` has them formatted by name.

/// Calls a macro with the list: the name of the table `[source.<name>]` and of both modules, and what the directory is.
macro_rules! directories {
    ($then:ident) => {
        $then! {
            file "A JSON document or a folder of CSV files.",
            ldap "OpenLDAP, 389 Directory Server, Active Directory.",
            jumpcloud "JumpCloud, by its API.",
            onelogin "OneLogin, by its API.",
            #[cfg(test)] toy "A toy directory: the example of docs/adding-a-directory.md.",
        }
    };
}

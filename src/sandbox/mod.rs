//! The embedded app: a small, honest SCIM 2.0 server on loopback, behind `rosterd demo` and `rosterd sandbox`.

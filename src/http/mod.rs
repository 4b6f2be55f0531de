//! One HTTP policy for both networks (design decision 10). In: requests as paths, queries and bodies. Out: whole answers.
//!
//! Knows no SCIM, no directory product and no tenant. What it promises to the rooms above:
//! a token leaves only for the origin it was configured for, over TLS (plain http reaches loopback addresses only);
//! redirects and hidden retries do not exist, and no proxy that is not configured; every wait and every answer has a limit.

pub(crate) mod certificate;
mod client;
mod client_certificate;
mod date;
mod error;
pub mod failure;
mod login;
pub mod network;
mod observer;
pub mod pace;
pub mod quota;
pub mod retry;
mod secret;
mod spellings;
pub(crate) mod tls;
pub(crate) mod words;

pub use client::{Auth, Client, ClientSettings, HttpRequest, HttpResponse, Method};
pub use client_certificate::{ClientIdentity, IdentityError};
pub use date::http_date;
pub use error::{BodyFault, SendError, SetupError};
pub use login::{
    Assertion, Authenticator, CallFailure, Grant, KeyInUse, Login, LoginContext, LoginError, PrepareError,
    RefreshError, RefreshFile, Session, SigningKey, TokenForm, TokenLife, TokenSlots,
};
pub use network::{Network, NetworkError};
pub use observer::{Observer, Unobserved};
pub use secret::{InvalidSecret, LONG_ENOUGH, Secret};
pub(crate) use spellings::Spellings;

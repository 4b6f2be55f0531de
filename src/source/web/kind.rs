//! Any directory behind HTTP, as a kind of directory. What comes in are its declarations; what goes out is what `init`, `check` and the engine ask.

use std::marker::PhantomData;
use std::slice;
use std::sync::Arc;

use super::{HttpDirectory, Parts, WebSource};
use crate::config::directory::{DirectoryTable as _, SourceTables};
use crate::http::InvalidSecret;
use crate::source::kind::{Connect, ConnectError, DirectoryKind, DirectoryProduct, RecordNames};
use crate::source::{Source, SourceError};

/// The kind of a directory.
pub(crate) struct WebKind<D>(PhantomData<fn() -> D>);

impl<D: HttpDirectory> WebKind<D> {
    /// For the list of directories.
    pub(crate) const KIND: &'static dyn DirectoryKind = &Self(PhantomData);
}

impl<D: HttpDirectory> DirectoryKind for WebKind<D> {
    fn table(&self) -> &'static str {
        D::ABOUT.init.name
    }

    fn products(&self) -> &'static [DirectoryProduct] {
        slice::from_ref(&D::ABOUT.init)
    }

    fn product(&self, tables: &SourceTables) -> Option<&'static str> {
        D::table(tables).map(|_| self.table())
    }

    fn names(&self, _: &SourceTables) -> Result<RecordNames, SourceError> {
        let [users, groups] = D::ABOUT.names.map(|names| names.split_whitespace().map(str::to_owned).collect());
        Ok(RecordNames { users, groups, ..RecordNames::default() })
    }

    fn connect(&self, tables: &SourceTables, context: Connect<'_>) -> Result<Box<dyn Source>, ConnectError> {
        let missing = || SourceError::no_table(self.table());
        let table = D::table(tables).ok_or_else(missing)?;
        let keys = table.web().ok_or_else(missing)?;
        // The file's check wants one.
        let (_, place) = table.secrets().into_iter().next().ok_or(InvalidSecret::Empty)?;
        let secret = context.token(place)?;
        let (address, _) = D::addresses(table);
        let parts = Parts {
            identity: context.identity(keys.client_certificate.as_ref())?,
            ca_pem: context.authorities(keys.ca_file.as_deref())?,
            pacer: context.pacer(&address, &secret, &keys.rate, keys.in_flight),
            network: context.network.clone(),
            secret,
            reads: context.reads,
            wanted: context.wanted,
            clock: Arc::clone(&context.clock),
        };
        Ok(Box::new(WebSource::<D>::new(table, parts)?))
    }
}

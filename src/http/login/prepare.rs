//! From the keys of a file to a way in. What comes in is a checked table and where this process finds secrets; what goes out is a [`Login`].

use std::collections::BTreeMap;

use super::{Assertion, Grant, Login, RefreshFile, SigningKey, TokenForm, TokenSlots};
use crate::config::login::{ClientAuth, JwtTable, LoginTable, OAuth2Table, SigningAlgorithm};
use crate::config::secret::{SecretError, Secrets};
use crate::config::secret_ref::SecretRef;
use crate::http::{Auth, ClientSettings, InvalidSecret, Secret, SetupError};

/// Why there is no way in.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// A secret is not there.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// A secret is none.
    #[error("the credential of the app: {0}")]
    Token(#[from] InvalidSecret),
    /// A key or an address can't be used.
    #[error(transparent)]
    Setup(#[from] SetupError),
}

/// What a way in is prepared with.
pub struct LoginContext<'a> {
    /// Where secrets are found.
    pub secrets: &'a Secrets<'a>,
    /// The header that carries a token, and its template.
    pub header: [&'a str; 2],
    /// How servers are called, without a credential.
    pub client: &'a ClientSettings,
    /// The tokens of this process.
    pub tokens: &'a TokenSlots,
}

impl LoginContext<'_> {
    /// Makes a way in of a table.
    ///
    /// # Errors
    /// When a secret is missing, or a key or an address can't be used.
    pub fn login(&self, table: LoginTable<'_>, second: Option<&SecretRef>) -> Result<Login, PrepareError> {
        let in_header = |place: &SecretRef| -> Result<Auth, PrepareError> {
            let [header, template] = self.header.map(str::to_owned);
            Ok(Auth { header, template, token: self.secret(place)? })
        };
        Ok(match table {
            LoginTable::Open => Login::Open,
            LoginTable::Token(token) => match second {
                None => Login::Fixed(in_header(token)?),
                Some(second) => Login::Rotating([in_header(token)?, in_header(second)?]),
            },
            LoginTable::Basic(table) => Login::basic(&table.user, &self.secret(&table.password)?),
            LoginTable::OAuth2(table) => self.granted(self.oauth2(table)?),
            LoginTable::Jwt(table) => self.granted(self.jwt(table)?),
        })
    }

    fn granted(&self, grant: Grant) -> Login {
        Login::Granted(Box::new(self.tokens.sharing(grant)))
    }

    fn secret(&self, place: &SecretRef) -> Result<Secret, PrepareError> {
        Ok(Secret::new(self.secrets.fetch(place)?.as_str())?)
    }

    fn key(
        &self,
        place: &SecretRef,
        algorithm: SigningAlgorithm,
        id: Option<&String>,
    ) -> Result<SigningKey, PrepareError> {
        Ok(SigningKey::from_pem(&self.secrets.fetch_key(place)?, algorithm, id.cloned())?)
    }

    fn oauth2(&self, table: &OAuth2Table) -> Result<Grant, PrepareError> {
        let mut parameters = table.parameters.clone();
        for (name, value) in [("scope", &table.scope), ("audience", &table.audience), ("resource", &table.resource)] {
            parameters.extend(value.iter().map(|value| (name.to_owned(), value.clone())));
        }
        let secret = table.client_secret.as_ref().map(|place| self.secret(place)).transpose()?;
        let mut form = TokenForm { parameters, ..TokenForm::default() };
        form.refresh = table.refresh_token.as_ref().and_then(|place| place.file.clone()).map(RefreshFile::new);
        let id = table.client_id.clone();
        let header = match table.client_auth {
            // A public client has no secret, and says who it is in the form (RFC 6749 §3.2.1).
            ClientAuth::Basic if secret.is_none() => {
                form.client_id = Some(id);
                None
            }
            ClientAuth::Basic => secret.as_ref().map(|secret| (id.as_str(), secret)),
            ClientAuth::Body => {
                (form.client_id, form.client_secret) = (Some(id), secret);
                None
            }
            ClientAuth::PrivateKeyJwt => {
                let place =
                    table.key.as_ref().ok_or_else(|| SetupError::new("`private_key_jwt` needs a private key"))?;
                form.client_assertion = Some(Assertion {
                    key: self.key(place, table.algorithm, table.key_id.as_ref())?,
                    issuer: id.clone(),
                    subject: id.clone(),
                    audience: table.token_url.clone(),
                    scope: None,
                });
                form.client_id = Some(id);
                None
            }
        };
        Ok(Grant::form(&table.token_url, header, form, self.client)?)
    }

    fn jwt(&self, table: &JwtTable) -> Result<Grant, PrepareError> {
        let scope = table.scope.clone();
        let parameters: BTreeMap<_, _> = scope.iter().map(|scope| ("scope".to_owned(), scope.clone())).collect();
        let assertion = Assertion {
            key: self.key(&table.key, table.algorithm, table.key_id.as_ref())?,
            issuer: table.issuer.clone(),
            subject: table.subject.clone().unwrap_or_else(|| table.issuer.clone()),
            audience: table.audience.clone().unwrap_or_else(|| table.token_url.clone()),
            scope,
        };
        let form = TokenForm { parameters, assertion: Some(assertion), ..TokenForm::default() };
        Ok(Grant::form(&table.token_url, None, form, self.client)?)
    }
}

//! Both sides of a tenant, connected. In: what the tenant file names, with secrets and certificates as they are now. Out: a source and an app that
//! have sent nothing yet.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use xxhash_rust::xxh3::xxh3_64;

use super::{Engine, EngineError};
use crate::bounded;
use crate::config::ca;
use crate::config::secret::Secrets;
use crate::config::tenant::SecretRef;
use crate::http::pace::Pacer;
use crate::http::{ClientIdentity, Login, LoginContext, Network, Secret};
use crate::scim::{App, AppSettings};
use crate::source::kind::{self, Connect};
use crate::source::{Source, SourceError};

/// The longest that secrets and certificates of a tenant may take to be read.
const PREPARE_LIMIT: Duration = Duration::from_secs(20);

impl Engine {
    /// The directory, connected with the secret as it is now.
    ///
    /// # Errors
    /// When the secret can't be read, or the table can't work, or a file that it names does not answer in time.
    pub async fn source(&self) -> Result<Box<dyn Source>, EngineError> {
        self.aside(Self::source_now).await
    }

    /// Directory and app, unless the run is asked to end before they are prepared.
    pub(super) async fn both_sides(&self, stop: &CancellationToken) -> Result<(Box<dyn Source>, App), EngineError> {
        let prepare = async { Ok((self.source().await?, self.app().await?)) };
        tokio::select! {
            biased;
            () = stop.cancelled() => Err(EngineError::Interrupted),
            both = prepare => both,
        }
    }

    /// Prepares a connection where that may take its time: secrets and certificates are files, which may lie on a share that hangs.
    pub(super) async fn aside<T: Send + 'static>(
        &self,
        prepare: impl FnOnce(&Self) -> Result<T, EngineError> + Send + 'static,
    ) -> Result<T, EngineError> {
        let (engine, subject) = (self.clone(), self.tenant.files());
        bounded::run(&subject, PREPARE_LIMIT, move || prepare(&engine)).await?
    }

    pub(super) fn source_now(&self) -> Result<Box<dyn Source>, EngineError> {
        let tables = &self.tenant.file.source;
        let Some((kind, _)) = kind::of(tables) else { return Err(SourceError::no_table("…").into()) };
        let context = Connect {
            wanted: self.tenant.groups.clone(),
            reads: self.reads(),
            clock: Arc::clone(&self.clock),
            quotas: &self.quotas,
            observer: Arc::clone(&self.observers.directory),
            network: Network::load(&self.tenant.directory_network(), &Secrets::of_this_process())?,
        };
        Ok(kind.connect(tables, context)?)
    }

    pub(super) fn reads(&self) -> Vec<String> {
        let mut reads: Vec<String> = self.tenant.mapping.attributes_read().iter().cloned().collect();
        reads.extend(self.tenant.filter.iter().flat_map(|filter| filter.attributes_read()).map(str::to_owned));
        reads
    }

    pub(super) async fn app(&self) -> Result<App, EngineError> {
        self.aside(|engine| Ok(App::new(engine.app_settings_now()?)?)).await
    }

    pub(super) async fn app_settings(&self) -> Result<AppSettings, EngineError> {
        self.aside(Self::app_settings_now).await
    }

    pub(super) fn app_settings_now(&self) -> Result<AppSettings, EngineError> {
        let target = &self.tenant.file.target;
        let profile = &self.tenant.profile;
        let secrets = Secrets::of_this_process();
        let ca_pem = target.ca_file.as_ref().map(|path| read(path)).transpose()?;
        let load = |table| ClientIdentity::load(table, &secrets, self.clock.now());
        let identity = target.client_certificate.as_ref().map(load).transpose()?;
        let rate = target.rate.as_ref().unwrap_or(&profile.pace.rate);
        let rate = if self.share < 100 { &rate.share(self.share) } else { rate };
        let mut settings = AppSettings {
            profile: profile.clone(),
            base_url: target.base_url.clone(),
            login: Login::Open,
            identity,
            pacer: Pacer::new(&[], 1),
            ca_pem,
            network: Network::load(&self.tenant.app_network(), &secrets)?,
            allow_http_loopback: target.allow_http_loopback,
            seed: xxh3_64(self.tenant.name.as_str().as_bytes()),
        };
        let transport = &profile.transport;
        let context = LoginContext {
            secrets: &secrets,
            header: [&transport.auth_header, &transport.auth_template],
            client: &settings.client(),
            tokens: self.quotas.tokens(),
        };
        settings.login = context.login(target.login(), target.second_token.as_ref())?;
        let pacer = self.quotas.pacer(&target.base_url, settings.login.secret(), rate, self.in_flight());
        settings.pacer = pacer.observed(Arc::clone(&self.observers.app));
        Ok(settings)
    }
}

pub(super) fn token(place: &SecretRef) -> Result<Secret, EngineError> {
    Ok(Secret::new(Secrets::of_this_process().fetch(place)?.as_str())?)
}

fn read(path: &std::path::Path) -> Result<Vec<u8>, EngineError> {
    ca::read(path).map_err(|error| EngineError::File { path: path.display().to_string(), error })
}

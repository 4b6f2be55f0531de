//! People of the app made in the directory (J16). In: accounts that somebody chose. Out: what became of each. The app is not asked
//! and not told anything.

use std::time::Duration;

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::{Engine, EngineError};
use crate::model::{AppId, Attributes, SourceId};
use crate::roll::{Entry, WayBack};
use crate::source::SourceError;
use crate::source::write::{CreateError, NewPeople, NewPerson};
use crate::store::note_imported;

/// How often a directory that asks to slow down is asked again for one person.
const PATIENCE: u32 = 5;

/// What became of one person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Made {
    /// Made in the directory.
    Created,
    /// Was there already.
    Found,
    /// Was not made.
    Failed,
    /// Nobody tried: it was stopped before.
    NotTried,
}

/// One person and what became of them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Making {
    /// What became of them.
    pub result: Made,
    /// The app's id.
    pub app_id: AppId,
    /// The sign-in name in the app.
    pub user_name: String,
    /// The directory's id.
    pub id: Option<SourceId>,
    /// Why not, or what there is to know.
    pub detail: String,
}

impl Engine {
    /// Makes people in the directory, one after the other, and tells what became of each as it happens. Nobody is made who is
    /// there already.
    ///
    /// # Errors
    /// When nobody can be made in this directory at all.
    pub async fn make_people(
        &self,
        chosen: &[(&Entry, &Attributes)],
        stop: &CancellationToken,
        tell: &mut dyn FnMut(Making),
    ) -> Result<(), EngineError> {
        self.must_know_addresses()?;
        let source = self.source().await?;
        let Some(people) = source.new_people() else {
            return Err(EngineError::NotWritable(source.describe()));
        };
        let back = self.way_back();
        let mut over: Option<String> = None;
        for (entry, attributes) in chosen {
            if stop.is_cancelled() {
                over.get_or_insert_with(|| "stopped before".to_owned());
            }
            let made = match &over {
                Some(why) => Err((Made::NotTried, why.clone())),
                None => make(people, &back, attributes, stop).await.map_err(|error| match error {
                    Unmade::Person(why) => (Made::Failed, why),
                    Unmade::Everybody(error) => {
                        let why = error.to_string();
                        over = Some(format!("not tried: {why}"));
                        (Made::Failed, why)
                    }
                }),
            };
            let (result, id, detail) = match made {
                Ok((result, id, detail)) => (result, Some(id), detail),
                Err((result, detail)) => (result, None, detail),
            };
            let detail = match (result, &id) {
                // The next run adopts the account for this user without asking: whoever typed this has decided it.
                (Made::Created, Some(id)) => self.on_record(&entry.app_id, id, detail),
                _ => detail,
            };
            tell(Making { result, app_id: entry.app_id.clone(), user_name: entry.user_name.clone(), id, detail });
        }
        Ok(())
    }

    /// Keeps on record from which account a user was created; what there is to know of that otherwise.
    fn on_record(&self, account: &AppId, id: &SourceId, detail: String) -> String {
        match note_imported(&self.state_dir.join(self.tenant.name.as_str()), account, id) {
            Ok(()) => detail,
            Err(error) => format!("the next sync asks for approval before it links the account: {error}"),
        }
    }
}

/// Why somebody was not made.
enum Unmade {
    Person(String),
    /// The directory can't be written now, for whomever.
    Everybody(SourceError),
}

async fn make(
    people: &dyn NewPeople,
    back: &WayBack,
    attributes: &Attributes,
    stop: &CancellationToken,
) -> Result<(Made, SourceId, String), Unmade> {
    let person = NewPerson { attributes: back.record(attributes) };
    let missing: Vec<&str> =
        people.required().iter().copied().filter(|name| !person.attributes.contains_key(*name)).collect();
    if !missing.is_empty() {
        let missing = missing.join(", ");
        return Err(Unmade::Person(format!("the directory needs {missing}, and the account has no value for it")));
    }
    if let Some(id) = people.find(&person).await.map_err(Unmade::Everybody)? {
        return Ok((Made::Found, id, "was there already".to_owned()));
    }
    for tried in 1.. {
        match people.create(&person).await {
            Ok(id) => return Ok((Made::Created, id, String::new())),
            Err(CreateError::Refused(why)) => return Err(Unmade::Person(why)),
            Err(CreateError::Exists(why)) => return exists(people, &person, &why).await,
            Err(CreateError::Unclear(why)) => return lost(people, &person, &why, stop).await,
            // It was told to wait, so nothing was carried out.
            Err(CreateError::Source(SourceError::Throttled(_))) if tried < PATIENCE && pause(tried, stop).await => {}
            Err(CreateError::Source(error)) => return Err(Unmade::Everybody(error)),
        }
    }
    Err(Unmade::Person("not made".to_owned()))
}

/// The directory says that somebody has the name: who?
async fn exists(people: &dyn NewPeople, person: &NewPerson, why: &str) -> Result<(Made, SourceId, String), Unmade> {
    match people.find(person).await.map_err(Unmade::Everybody)? {
        Some(id) => Ok((Made::Found, id, "was there already".to_owned())),
        None => Err(Unmade::Person(format!("it exists already, and can't be seen: {why}"))),
    }
}

/// Nobody knows whether it was carried out: looked up, some times, since directories show news late. Never made again here.
async fn lost(
    people: &dyn NewPeople,
    person: &NewPerson,
    why: &str,
    stop: &CancellationToken,
) -> Result<(Made, SourceId, String), Unmade> {
    for tried in 1..PATIENCE {
        if let Some(id) = people.find(person).await.map_err(Unmade::Everybody)? {
            return Ok((Made::Created, id, "the answer was lost; looked up".to_owned()));
        }
        if !pause(tried, stop).await {
            break;
        }
    }
    Err(Unmade::Person(format!(
        "{why}; nobody of that name was found since: the same command looks again before it makes anybody"
    )))
}

/// Waits a while; `false` when somebody stopped it.
async fn pause(tried: u32, stop: &CancellationToken) -> bool {
    let wait = Duration::from_secs(1 << tried.min(5));
    tokio::select! {
        () = tokio::time::sleep(wait) => true,
        () = stop.cancelled() => false,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Mutex;

    use async_trait::async_trait;

    use super::*;
    use crate::config::tenant::{AttributeRule, Push};
    use crate::mapping::{KnownAttributes, Mapping};
    use crate::model::Path;

    /// A directory that answers creates from a script.
    struct Scripted {
        answers: Mutex<Vec<Result<SourceId, CreateError>>>,
        /// How many look-ups find nobody before one finds somebody; `None` for never.
        hidden: Mutex<Option<u32>>,
        creates: Mutex<u32>,
    }

    impl Scripted {
        fn new(answers: Vec<Result<SourceId, CreateError>>, hidden: Option<u32>) -> Self {
            Self { answers: Mutex::new(answers), hidden: Mutex::new(hidden), creates: Mutex::new(0) }
        }
    }

    #[async_trait]
    impl NewPeople for Scripted {
        fn required(&self) -> &'static [&'static str] {
            &["email"]
        }

        async fn find(&self, _: &NewPerson) -> Result<Option<SourceId>, SourceError> {
            let mut hidden = self.hidden.lock().unwrap();
            match hidden.as_mut() {
                Some(0) => Ok(Some(SourceId::from("d1"))),
                Some(left) => {
                    *left -= 1;
                    Ok(None)
                }
                None => Ok(None),
            }
        }

        async fn create(&self, _: &NewPerson) -> Result<SourceId, CreateError> {
            *self.creates.lock().unwrap() += 1;
            self.answers.lock().unwrap().remove(0)
        }
    }

    fn back() -> WayBack {
        let rule = AttributeRule { from: "email".to_owned(), push: Push::Always };
        let rules = BTreeMap::from([("userName".to_owned(), rule)]);
        let known = KnownAttributes::open(Vec::<String>::new());
        WayBack::new(&Mapping::compile(&rules, &known, &serde_json::Map::new()).unwrap(), "")
    }

    async fn made(people: &Scripted, name: Option<&str>) -> Result<(Made, String), String> {
        let attributes: Attributes = name.map(|name| (Path::user_name(), name.into())).into_iter().collect();
        match make(people, &back(), &attributes, &CancellationToken::new()).await {
            Ok((made, id, detail)) => {
                assert_eq!(id.as_str(), "d1");
                Ok((made, detail))
            }
            Err(Unmade::Person(why)) => Err(why),
            Err(Unmade::Everybody(error)) => Err(format!("everybody: {error}")),
        }
    }

    fn unclear() -> Result<SourceId, CreateError> {
        Err(CreateError::Unclear("no answer".to_owned()))
    }

    fn throttled() -> Result<SourceId, CreateError> {
        Err(CreateError::Source(SourceError::Throttled("429".to_owned())))
    }

    #[tokio::test(start_paused = true)]
    async fn j16_a_lost_answer_is_looked_up_and_nobody_is_made_twice() {
        // The directory shows the new person late.
        let late = Scripted::new(vec![unclear()], Some(3));
        assert_eq!(made(&late, Some("a@x.test")).await.unwrap().0, Made::Created);
        let never = Scripted::new(vec![unclear()], None);
        assert!(made(&never, Some("a@x.test")).await.unwrap_err().contains("the same command looks again"));
        assert_eq!((*late.creates.lock().unwrap(), *never.creates.lock().unwrap()), (1, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn j16_who_is_there_is_found_and_who_was_told_to_wait_waits() {
        let there = Scripted::new(vec![], Some(0));
        assert_eq!(made(&there, Some("a@x.test")).await.unwrap().0, Made::Found);
        let racing = Scripted::new(vec![Err(CreateError::Exists("taken".to_owned()))], Some(1));
        assert_eq!(made(&racing, Some("a@x.test")).await.unwrap().0, Made::Found);
        let busy = Scripted::new(vec![throttled(), throttled(), Ok(SourceId::from("d1"))], None);
        assert_eq!(made(&busy, Some("a@x.test")).await.unwrap().0, Made::Created);
        let shut = Scripted::new((0..5).map(|_| throttled()).collect(), None);
        assert!(made(&shut, Some("a@x.test")).await.unwrap_err().starts_with("everybody: "));
    }

    #[tokio::test]
    async fn j16_who_lacks_what_the_directory_needs_is_not_sent() {
        let people = Scripted::new(vec![], None);
        assert_eq!(
            made(&people, None).await.unwrap_err(),
            "the directory needs email, and the account has no value for it"
        );
        assert_eq!(*people.creates.lock().unwrap(), 0);
    }
}

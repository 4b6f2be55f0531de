//! People of the app made in the directory (J16). In: accounts that somebody chose. Out: what became of each. The app is not asked
//! and not told anything.

mod background;
mod ends;
mod turn;

use std::time::Duration;

use tokio::sync::MutexGuard;
use tokio_util::sync::CancellationToken;

pub use self::ends::ImportEnds;
pub use self::turn::{RunTurn, Turn};
use super::{Engine, EngineError};
use crate::model::{AppId, Attributes, SourceId};
use crate::roll::{ListedAccount, WayBack};
use crate::source::SourceError;
use crate::source::write::{CreateError, NewPeople, NewPerson};
use crate::store::StoreError;
pub use crate::store::{ImportResult, Making};

/// How often a user is looked for whom a process that died may have created.
const LOOKS: u32 = 3;

/// How often a directory that asks to slow down is asked again for one person.
const PATIENCE: u32 = 5;

impl Engine {
    /// Makes people in the directory, one after the other, and tells what became of each as it happens. Nobody is made who is
    /// there already.
    ///
    /// # Errors
    /// When nobody can be made in this directory at all.
    pub async fn make_people(
        &self,
        chosen: &[(&ListedAccount, &Attributes)],
        stop: &CancellationToken,
        tell: &mut dyn FnMut(Making),
    ) -> Result<(), EngineError> {
        self.must_know_addresses()?;
        // Two at a time would look for the same user, and both not find them.
        let _lock = self.state().lease_imports("rosterd import")?;
        let source = self.source().await?;
        let Some(people) = source.new_people() else {
            return Err(EngineError::NotWritable(source.describe()));
        };
        let back = self.way_back();
        let maker = Maker { people, back: &back, stop, turn: None };
        let mut over: Option<String> = None;
        for (entry, attributes) in chosen {
            if stop.is_cancelled() {
                over.get_or_insert_with(|| "stopped before".to_owned());
            }
            let made = match &over {
                Some(why) => Err((ImportResult::NotTried, why.clone())),
                None => maker.make(attributes, EarlierCreate::Nothing, &mut || Ok(())).await.map_err(|error| {
                    let (why, ends) = match error {
                        Unmade::Person(why) => (why, false),
                        Unmade::Everybody(error) => (error.to_string(), true),
                        Unmade::Unlogged(error) => (error.to_string(), true),
                        Unmade::Stopped => ("stopped before".to_owned(), true),
                    };
                    if ends {
                        over = Some(format!("not tried: {why}"));
                    }
                    (ImportResult::Failed, why)
                }),
            };
            let (result, id, detail) = match made {
                Ok((result, id, detail)) => (result, Some(id), detail),
                Err((result, detail)) => (result, None, detail),
            };
            let detail = match (result, &id) {
                // The next run adopts the account for this user without asking: whoever typed this has decided it.
                (ImportResult::Created, Some(id)) => self.on_record(&entry.app_id, id, detail),
                _ => detail,
            };
            tell(Making { result, app_id: entry.app_id.clone(), user_name: entry.user_name.clone(), id, detail });
        }
        Ok(())
    }

    /// Keeps on record from which account a user was created; what there is to know of that otherwise.
    fn on_record(&self, account: &AppId, id: &SourceId, detail: String) -> String {
        match self.state().note_imported(account, id) {
            Ok(()) => detail,
            Err(error) => format!("the next sync asks for approval before it links the account: {error}"),
        }
    }
}

/// Why a user was not created.
enum Unmade {
    /// It is about this user.
    Person(String),
    /// The directory can't be written now, for whomever.
    Everybody(SourceError),
    /// The create could not be put on record, and was not sent.
    Unlogged(StoreError),
    /// The import was asked to end before anything was sent.
    Stopped,
}

/// What is known of an earlier create of the same user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EarlierCreate {
    /// There was none.
    Nothing,
    /// A process that died may have sent one.
    MaybeSent,
}

/// Puts on record that a create is about to be sent.
type RecordIntent<'i> = dyn FnMut() -> Result<(), StoreError> + Send + 'i;

/// Creates users, one after the other.
struct Maker<'m> {
    people: &'m dyn NewPeople,
    back: &'m WayBack,
    stop: &'m CancellationToken,
    /// What it shares with the runs of the same tenant, in the process that makes those.
    turn: Option<&'m Turn>,
}

impl Maker<'_> {
    async fn make(
        &self,
        attributes: &Attributes,
        before: EarlierCreate,
        intent: &mut RecordIntent<'_>,
    ) -> Result<(ImportResult, SourceId, String), Unmade> {
        let person = NewPerson { attributes: self.back.record(attributes) };
        let missing: Vec<&str> =
            self.people.required().iter().copied().filter(|name| !person.attributes.contains_key(*name)).collect();
        if !missing.is_empty() {
            let missing = missing.join(", ");
            return Err(Unmade::Person(format!("the directory needs {missing}, and the account has no value for it")));
        }
        if before == EarlierCreate::MaybeSent {
            if let Some(id) = self.look_again(&person).await? {
                return Ok((ImportResult::Created, id, "created before an interruption; looked up".to_owned()));
            }
        } else if let Some(id) = self.find(&person).await? {
            return Ok((ImportResult::Found, id, "was there already".to_owned()));
        }
        for tried in 1.. {
            match self.create(&person, intent).await? {
                Ok(id) => return Ok((ImportResult::Created, id, String::new())),
                Err(CreateError::Refused(why)) => return Err(Unmade::Person(why)),
                Err(CreateError::Exists(why)) => return self.exists(&person, &why).await,
                Err(CreateError::Unclear(why)) => return self.lost(&person, &why).await,
                // It was told to wait, so nothing was carried out.
                Err(CreateError::Source(SourceError::Throttled(_)))
                    if tried < PATIENCE && pause(tried, self.stop).await => {}
                Err(CreateError::Source(error)) => return Err(Unmade::Everybody(error)),
            }
        }
        Err(Unmade::Person("not created".to_owned()))
    }

    /// Waits until a call may be made.
    async fn turn(&self) -> Result<Option<MutexGuard<'_, ()>>, Unmade> {
        let Some(turn) = self.turn else { return Ok(None) };
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(Unmade::Stopped),
            call = turn.call() => Ok(Some(call)),
        }
    }

    async fn find(&self, person: &NewPerson) -> Result<Option<SourceId>, Unmade> {
        let _call = self.turn().await?;
        self.people.find(person).await.map_err(Unmade::Everybody)
    }

    async fn create(
        &self,
        person: &NewPerson,
        intent: &mut RecordIntent<'_>,
    ) -> Result<Result<SourceId, CreateError>, Unmade> {
        let _call = self.turn().await?;
        intent().map_err(Unmade::Unlogged)?;
        Ok(self.people.create(person).await)
    }

    /// Looks some times for a user whom an earlier process may have created, since directories show what is new late.
    async fn look_again(&self, person: &NewPerson) -> Result<Option<SourceId>, Unmade> {
        for tried in 1..=LOOKS {
            if let Some(id) = self.find(person).await? {
                return Ok(Some(id));
            }
            if tried < LOOKS && !pause(tried, self.stop).await {
                return Err(Unmade::Stopped);
            }
        }
        Ok(None)
    }

    /// The directory says that a user has the name: which one?
    async fn exists(&self, person: &NewPerson, why: &str) -> Result<(ImportResult, SourceId, String), Unmade> {
        match self.find(person).await? {
            Some(id) => Ok((ImportResult::Found, id, "was there already".to_owned())),
            None => Err(Unmade::Person(format!("it exists already, and can't be seen: {why}"))),
        }
    }

    /// It is not known whether the create was carried out: the user is looked up, some times, since directories show what is new late.
    /// Never created again here.
    async fn lost(&self, person: &NewPerson, why: &str) -> Result<(ImportResult, SourceId, String), Unmade> {
        for tried in 1..PATIENCE {
            if let Some(id) = self.find(person).await? {
                return Ok((ImportResult::Created, id, "the answer was lost; looked up".to_owned()));
            }
            if !pause(tried, self.stop).await {
                match self.turn {
                    // Its intent is on the disk: the next process looks further.
                    Some(_) => return Err(Unmade::Stopped),
                    None => break,
                }
            }
        }
        Err(Unmade::Person(format!(
            "{why}; no user of that name has been found since: the same command looks again before it creates one"
        )))
    }
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
    struct ScriptedDirectory {
        answers: Mutex<Vec<Result<SourceId, CreateError>>>,
        /// How many look-ups find nobody before one finds somebody; `None` for never.
        hidden: Mutex<Option<u32>>,
        creates: Mutex<u32>,
    }

    impl ScriptedDirectory {
        fn new(answers: Vec<Result<SourceId, CreateError>>, hidden: Option<u32>) -> Self {
            Self { answers: Mutex::new(answers), hidden: Mutex::new(hidden), creates: Mutex::new(0) }
        }
    }

    #[async_trait]
    impl NewPeople for ScriptedDirectory {
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

    async fn made(people: &ScriptedDirectory, name: Option<&str>) -> Result<(ImportResult, String), String> {
        made_after(people, name, EarlierCreate::Nothing).await
    }

    async fn made_after(
        people: &ScriptedDirectory,
        name: Option<&str>,
        before: EarlierCreate,
    ) -> Result<(ImportResult, String), String> {
        let attributes: Attributes = name.map(|name| (Path::user_name(), name.into())).into_iter().collect();
        let (back, stop) = (back(), CancellationToken::new());
        let maker = Maker { people, back: &back, stop: &stop, turn: None };
        match maker.make(&attributes, before, &mut || Ok(())).await {
            Ok((made, id, detail)) => {
                assert_eq!(id.as_str(), "d1");
                Ok((made, detail))
            }
            Err(Unmade::Person(why)) => Err(why),
            Err(Unmade::Everybody(error)) => Err(format!("everybody: {error}")),
            Err(Unmade::Unlogged(error)) => Err(format!("unlogged: {error}")),
            Err(Unmade::Stopped) => Err("stopped".to_owned()),
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
        let late = ScriptedDirectory::new(vec![unclear()], Some(3));
        assert_eq!(made(&late, Some("a@x.test")).await.unwrap().0, ImportResult::Created);
        let never = ScriptedDirectory::new(vec![unclear()], None);
        assert!(made(&never, Some("a@x.test")).await.unwrap_err().contains("the same command looks again"));
        assert_eq!((*late.creates.lock().unwrap(), *never.creates.lock().unwrap()), (1, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn j16_who_is_there_is_found_and_who_was_told_to_wait_waits() {
        let there = ScriptedDirectory::new(vec![], Some(0));
        assert_eq!(made(&there, Some("a@x.test")).await.unwrap().0, ImportResult::Found);
        let racing = ScriptedDirectory::new(vec![Err(CreateError::Exists("taken".to_owned()))], Some(1));
        assert_eq!(made(&racing, Some("a@x.test")).await.unwrap().0, ImportResult::Found);
        let busy = ScriptedDirectory::new(vec![throttled(), throttled(), Ok(SourceId::from("d1"))], None);
        assert_eq!(made(&busy, Some("a@x.test")).await.unwrap().0, ImportResult::Created);
        let shut = ScriptedDirectory::new((0..5).map(|_| throttled()).collect(), None);
        assert!(made(&shut, Some("a@x.test")).await.unwrap_err().starts_with("everybody: "));
    }

    #[tokio::test(start_paused = true)]
    async fn j16_what_a_process_that_died_may_have_created_is_looked_for_before_it_is_created() {
        // The directory shows the new user late.
        let late = ScriptedDirectory::new(vec![], Some(2));
        assert_eq!(
            made_after(&late, Some("a@x.test"), EarlierCreate::MaybeSent).await.unwrap().0,
            ImportResult::Created
        );
        assert_eq!(*late.creates.lock().unwrap(), 0);
        let never = ScriptedDirectory::new(vec![Ok(SourceId::from("d1"))], None);
        assert_eq!(
            made_after(&never, Some("a@x.test"), EarlierCreate::MaybeSent).await.unwrap().0,
            ImportResult::Created
        );
        assert_eq!(*never.creates.lock().unwrap(), 1);
    }

    #[tokio::test]
    async fn j16_a_create_that_can_not_be_put_on_record_is_not_sent() {
        let people = ScriptedDirectory::new(vec![Ok(SourceId::from("d1"))], None);
        let (back, stop) = (back(), CancellationToken::new());
        let maker = Maker { people: &people, back: &back, stop: &stop, turn: None };
        let attributes: Attributes = [(Path::user_name(), "a@x.test".into())].into_iter().collect();
        let full = &mut || Err(StoreError::Refused("full".to_owned()));
        let made = maker.make(&attributes, EarlierCreate::Nothing, full).await;
        assert!(matches!(made, Err(Unmade::Unlogged(_))));
        assert_eq!(*people.creates.lock().unwrap(), 0);
    }

    #[tokio::test]
    async fn j16_who_lacks_what_the_directory_needs_is_not_sent() {
        let people = ScriptedDirectory::new(vec![], None);
        assert_eq!(
            made(&people, None).await.unwrap_err(),
            "the directory needs email, and the account has no value for it"
        );
        assert_eq!(*people.creates.lock().unwrap(), 0);
    }
}

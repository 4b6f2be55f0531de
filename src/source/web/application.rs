//! Which application is meant. What comes in is what the operator calls it; what goes out is who has it.

use super::WebConnection;
use super::about::DirectoryInfo;
use super::directory::{ApiRight, Application, Binding, HttpDirectory};
use crate::model::fold;
use crate::progress::Progress;
use crate::source::SourceError;

/// How many names are shown when the right one is not among them.
const SHOWN: usize = 5;

/// From this likeness on two names are like each other, of 0 to 1.
const LIKE: f64 = 0.5;

/// Finds the application that the operator names, and who has it.
///
/// # Errors
/// When there is none of that name, or several, or the credential may not read applications.
pub(super) async fn find<D: HttpDirectory>(
    directory: &D,
    web: &WebConnection,
    wanted: &str,
    progress: &dyn Progress,
) -> Result<Binding, SourceError> {
    progress.stage("looking for the application", None);
    let explain = |error| D::explain(error, ApiRight::Applications);
    let list = directory.applications();
    let list = list.ok_or_else(|| SourceError::Settings("this directory has no applications".to_owned()))?;
    if list.knows(wanted) {
        let application = Application { id: wanted.to_owned(), names: Vec::new() };
        if let Some(binding) = directory.binding(web, application).await.map_err(explain)? {
            return Ok(binding);
        }
    }
    let make = |id: &str, record| Ok(Application { id: id.to_owned(), names: directory.application_names(&record) });
    let all = web.list(&list, progress, &make).await.map_err(explain)?;
    let all: Vec<Application> = all.into_iter().map(|(_, application)| application).collect();
    let meant = choose(&all, wanted, D::ABOUT).map_err(SourceError::Settings)?.clone();
    let shown = meant.shown();
    let binding = directory.binding(web, meant).await.map_err(explain)?;
    binding.ok_or_else(|| SourceError::Settings(format!("the application {shown} is listed, and then not found")))
}

/// The one that is meant: by id, else by the name people see, else by its other names.
fn choose<'a>(all: &'a [Application], wanted: &str, about: &DirectoryInfo) -> Result<&'a Application, String> {
    let same = |name: &str| fold(name.trim()) == fold(wanted);
    let tries: [&dyn Fn(&Application) -> bool; 4] = [
        &|one| one.id == wanted,
        &|one| about.minds_case && one.name().trim() == wanted,
        &|one| same(one.name()),
        &|one| one.names.iter().any(|name| same(name)),
    ];
    let named = tries.iter().map(|fits| all.iter().filter(|one| fits(one)).collect::<Vec<_>>());
    match named.into_iter().find(|found| !found.is_empty()).unwrap_or_default().as_slice() {
        [] => Err(not_found(all, wanted, about.product)),
        [one] => Ok(one),
        several => {
            let ids: Vec<&str> = several.iter().map(|one| one.id.as_str()).collect();
            let (product, count, listed, first) = (about.product, ids.len(), ids.join(" and "), ids.first());
            let first = first.unwrap_or(&"");
            Err(format!(
                "{product} has {count} applications named {wanted:?}: {listed}. Write the id of the right one: application = {first:?}"
            ))
        }
    }
}

fn not_found(all: &[Application], wanted: &str, product: &str) -> String {
    let wanted_name = fold(wanted);
    let likeness = |one: &Application| {
        let like = one.names.iter().map(|name| fold(name)).map(|name| {
            let least = if name.contains(&wanted_name) { LIKE } else { 0.0 };
            strsim::normalized_damerau_levenshtein(&name, &wanted_name).max(least)
        });
        like.fold(0.0, f64::max)
    };
    let mut near: Vec<(f64, String)> = all.iter().map(|one| (likeness(one), one.shown())).collect();
    near.retain(|(likeness, _)| *likeness >= LIKE);
    near.sort_by(|one, other| other.0.total_cmp(&one.0).then_with(|| one.1.cmp(&other.1)));
    let near: Vec<String> = near.into_iter().take(SHOWN).map(|(_, shown)| shown).collect();
    let shown = match (all.len(), near.is_empty()) {
        (0, _) => "this credential sees none at all; it may lack the right to read them".to_owned(),
        (count, true) => format!("none of the {count} there has a name like it"),
        (count, false) => format!("the nearest of the {count} there: {}", near.join(", ")),
    };
    format!("{product} has no application named {wanted:?}; {shown}. Write its name, or its id, as `application`")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn app(id: &str, names: &[&str]) -> Application {
        Application { id: id.to_owned(), names: names.iter().map(|name| (*name).to_owned()).collect() }
    }

    fn id(all: &[Application], name: &str) -> Result<String, String> {
        choose(all, name, &DirectoryInfo { minds_case: true, ..DirectoryInfo::new("acme", "Acme") })
            .map(|one| one.id.clone())
    }

    fn apps(names: &[&str]) -> Vec<Application> {
        names.iter().enumerate().map(|(at, name)| app(&(at + 7).to_string(), &[name])).collect()
    }

    #[test]
    fn an_application_is_found_by_id_label_or_name() {
        let all = vec![
            app("1", &["Heap", "SCIM 2.0", "scim2"]),
            app("2", &["Heat", "SCIM 2.0", "scim2"]),
            app("3", &["Wiki", "wiki"]),
        ];
        assert_eq!(id(&all, "heap").unwrap(), "1");
        assert_eq!(id(&all, "2").unwrap(), "2");
        assert_eq!(id(&all, "wiki").unwrap(), "3");
        let twins = id(&all, "scim2").unwrap_err();
        assert!(twins.contains("2 applications") && twins.contains("1 and 2"), "{twins}");
        let far = id(&all, "Heep").unwrap_err();
        assert!(far.contains(r#"the nearest of the 3 there: "Heap" (1), "Heat" (2)"#), "{far}");
        assert!(id(&[], "Heap").unwrap_err().contains("sees none at all"));
    }

    #[test]
    fn the_exact_spelling_wins_and_other_cases_are_understood() {
        assert_eq!(id(&apps(&["heap", "Heap", "Wiki"]), "Heap").unwrap(), "8");
        assert_eq!(id(&apps(&["Wiki", "HEAP "]), "heap").unwrap(), "8");
        let twins = choose(&apps(&["heap", "Heap"]), "Heap", &DirectoryInfo::new("acme", "Acme")).map(|_| ());
        assert!(twins.is_err_and(|why| why.contains("7 and 8")), "where case does not count they are twins");
    }

    #[test]
    fn an_application_that_is_not_there_is_told_with_the_nearest_names() {
        let told = id(&apps(&["Heap Analytics", "Help", "Wiki", "Keap"]), "Heap").unwrap_err();
        assert_eq!(
            told,
            "Acme has no application named \"Heap\"; the nearest of the 4 there: \"Help\" (8), \"Keap\" (10), \
             \"Heap Analytics\" (7). Write its name, or its id, as `application`"
        );
        let told = id(&apps(&["Wiki"]), "Heap").unwrap_err();
        assert!(told.contains("none of the 1 there has a name like it"), "{told}");
    }

    #[test]
    fn two_applications_of_one_name_are_told_with_both_ids() {
        let told = id(&apps(&["Heap", "Wiki", "Heap"]), "Heap").unwrap_err();
        assert!(told.contains("2 applications named \"Heap\": 7 and 9"), "{told}");
        assert!(id(&apps(&["HEAP", "heaP"]), "Heap").is_err(), "neither is the exact one");
    }
}

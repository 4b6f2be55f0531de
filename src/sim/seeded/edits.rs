//! What people do to a directory and to an app. In: chance. Out: one edit, and how it is told.

use crate::model::{LifecycleStatus, Path};
use crate::sim::dice::Dice;
use crate::sim::{Directory, SimApp};

/// Numbers that no person and no group had before.
#[derive(Debug, Default)]
pub(super) struct Fresh(u32);

impl Fresh {
    /// The number after the last.
    pub(super) fn coming(&self) -> u32 {
        self.0 + 1
    }

    pub(super) fn next(&mut self) -> u32 {
        self.0 += 1;
        self.0
    }
}

fn somebody(dir: &Directory, dice: &mut Dice) -> Option<String> {
    dice.pick(&dir.users.keys().cloned().collect::<Vec<_>>()).cloned()
}

fn some_group(dir: &Directory, dice: &mut Dice) -> Option<String> {
    dice.pick(&dir.groups.keys().cloned().collect::<Vec<_>>()).cloned()
}

fn add_person(dir: &mut Directory, dice: &mut Dice, fresh: &mut Fresh) -> String {
    let id = format!("p{}", fresh.next());
    dir.add_user(&id);
    for _ in 0..dice.below(3) {
        if let Some(group) = some_group(dir, dice) {
            dir.join(&group, &id);
        }
    }
    dir.users.get_mut(&id).unwrap().direct = dice.chance(20);
    format!("{id} comes")
}

/// The directory on the first day.
pub(super) fn beginning(dice: &mut Dice, fresh: &mut Fresh) -> Directory {
    let mut dir = Directory::default();
    for _ in 0..2 + dice.below(3) {
        let id = format!("g{}", fresh.next());
        dir.add_group(&id, &[]);
    }
    // Somebody whom a tenant file may protect, and nobody takes away.
    dir.add_user("p0");
    dir.users.get_mut("p0").unwrap().direct = true;
    for _ in 0..3 + dice.below(10) {
        add_person(&mut dir, dice, fresh);
    }
    dir
}

/// One edit of the directory.
pub(super) fn directory(dir: &mut Directory, dice: &mut Dice, fresh: &mut Fresh) -> String {
    let Some(person) = somebody(dir, dice) else { return add_person(dir, dice, fresh) };
    let group = some_group(dir, dice);
    match (dice.below(22), group) {
        (0..=3, _) => add_person(dir, dice, fresh),
        (4, _) if person != "p0" => {
            dir.delete_user(&person);
            format!("{person} is deleted")
        }
        (5..=6, _) => {
            dir.stand(&person, LifecycleStatus::Suspended);
            format!("{person} is suspended")
        }
        (7..=8, _) => {
            dir.stand(&person, LifecycleStatus::Active);
            format!("{person} is active")
        }
        (9..=10, _) => {
            let name = format!("Name {}", fresh.next());
            dir.set(&person, "displayName", name.as_str());
            format!("{person} is displayed as {name}")
        }
        (11, _) if person != "p0" => {
            let name = format!("N{}.{person}@x.test", fresh.next());
            dir.set(&person, "userName", name.as_str());
            format!("{person} is called {name}")
        }
        (12..=14, Some(group)) => {
            dir.join(&group, &person);
            format!("{person} joins {group}")
        }
        (15..=16, Some(group)) => {
            dir.part(&group, &person);
            format!("{person} leaves {group}")
        }
        (17, _) => {
            let id = format!("g{}", fresh.next());
            dir.add_group(&id, &[&person]);
            format!("{id} is made, with {person}")
        }
        (18, Some(group)) if dir.groups.len() > 1 => {
            dir.groups.remove(&group);
            format!("{group} is deleted")
        }
        (19, Some(group)) => {
            let name = format!("team {}", fresh.next());
            dir.group(&group).name.clone_from(&name);
            format!("{group} is called {name}")
        }
        (20, Some(group)) => {
            let assigned = !dir.group(&group).assigned;
            dir.group(&group).assigned = assigned;
            format!("{group} is {}", if assigned { "assigned" } else { "not assigned" })
        }
        (21, Some(group)) => {
            let unread = !dir.group(&group).unread;
            dir.group(&group).unread = unread;
            format!("{group} is {}", if unread { "unreadable" } else { "readable" })
        }
        _ => odd(dir, dice, &person),
    }
}

/// Two groups swap their names, or three pass theirs on.
pub(super) fn swap_names(dir: &mut Directory, dice: &mut Dice) -> Option<String> {
    let mut ids: Vec<String> = dir.groups.keys().cloned().collect();
    if ids.len() < 2 {
        return None;
    }
    let first = ids.remove(dice.below(ids.len() as u64) as usize);
    let second = dice.pick(&ids)?.clone();
    let mut all = vec![first, second];
    all.extend(dice.pick(&ids).filter(|third| dir.groups.len() > 2 && !all.contains(third)).cloned());
    let names: Vec<String> = all.iter().map(|id| dir.group(id).name.clone()).collect();
    for (at, id) in all.iter().enumerate() {
        dir.group(id).name.clone_from(&names[(at + 1) % names.len()]);
    }
    Some(format!("{all:?} pass their names on: {names:?}"))
}

/// What happens once a year.
fn odd(dir: &mut Directory, dice: &mut Dice, person: &str) -> String {
    match dice.below(6) {
        0 => {
            dir.mute = !dir.mute;
            format!("the directory answers {}", if dir.mute { "no questions" } else { "questions" })
        }
        1 => {
            dir.hide(person);
            format!("{person} is not listed")
        }
        2 => {
            dir.hidden.clear();
            "everybody is listed".to_owned()
        }
        3 => {
            let leavers: Vec<String> = dir.users.keys().filter(|id| *id != "p0" && dice.chance(60)).cloned().collect();
            leavers.iter().for_each(|id| dir.delete_user(id));
            format!("most are deleted: {leavers:?}")
        }
        4 => {
            let everybody: Vec<String> = dir.users.keys().cloned().collect();
            everybody.iter().for_each(|id| dir.set(id, "displayName", serde_json::Value::Null));
            "nobody is displayed as anything".to_owned()
        }
        _ => {
            let everybody: Vec<String> = dir.users.keys().filter(|id| *id != "p0").cloned().collect();
            everybody.iter().for_each(|id| dir.stand(id, LifecycleStatus::Suspended));
            "everybody is suspended".to_owned()
        }
    }
}

/// The end of everything that is wrong with the directory.
pub(super) fn heal(dir: &mut Directory) {
    dir.hidden.clear();
    (dir.mute, dir.down) = (false, false);
    dir.groups.values_mut().for_each(|group| group.unread = false);
}

/// What an odd app is up to: a stranger's account that the next newcomer is named like, another tool's id in a guest's account, an app
/// that gives accounts back or mixes objects up.
pub(super) fn odd_app(app: &SimApp, dice: &mut Dice, fresh: &Fresh, ids: bool) -> String {
    let coming = format!("p{}", fresh.coming());
    match dice.below(4) {
        0 if app.account(&format!("{coming}@x.test")).is_none() => {
            let account = app.has_user(&format!("{coming}@x.test"), true);
            let roles: &[&str] = if dice.chance(50) { &["admin"] } else { &[] };
            app.by_hand(|holdings| {
                let account = holdings.users.get_mut(&account).unwrap();
                account.roles = roles.iter().map(|role| (*role).to_owned()).collect();
                account.attributes.set(Path::parse("nickName").unwrap(), "a stranger".into());
            });
            format!("a stranger's account {account} is made by hand that is called {coming}, with {roles:?}")
        }
        1 if ids && app.account(&format!("other{coming}@y.test")).is_none() => {
            let guest = app.has_user(&format!("other{coming}@y.test"), true);
            app.by_hand(|holdings| {
                let account = holdings.users.get_mut(&guest).unwrap();
                account.attributes.set(Path::external_id(), coming.as_str().into());
            });
            format!("another tool writes the id {coming} into the guest {guest}")
        }
        2 => {
            let mixes_up = dice.chance(50).then(|| 1 + dice.below(3));
            app.behave(|manners| manners.mixes_up = mixes_up);
            format!("the app mixes up every {mixes_up:?}. create")
        }
        _ => {
            let gives_back = dice.chance(50);
            app.behave(|manners| manners.gives_back = gives_back);
            format!("the app gives back accounts: {gives_back}")
        }
    }
}

/// Somebody works in the app.
pub(super) fn by_hand(app: &SimApp, dir: &mut Directory, dice: &mut Dice, fresh: &mut Fresh) -> String {
    let holdings = app.holdings();
    let accounts: Vec<String> = holdings.users.keys().cloned().collect();
    let groups: Vec<String> = holdings.groups.keys().cloned().collect();
    match (dice.below(4), dice.pick(&accounts).cloned(), dice.pick(&groups).cloned()) {
        (0, _, Some(group)) => {
            let guest = app.has_user(&format!("guest{}@y.test", fresh.next()), true);
            app.by_hand(|holdings| {
                holdings.groups.get_mut(&group).unwrap().members.insert(guest.clone());
            });
            format!("a guest {guest} is put into {group} by hand")
        }
        (1, Some(account), _) => {
            let value = format!("by hand {}", fresh.next());
            let path = Path::parse("nickName").unwrap();
            app.by_hand(|holdings| {
                holdings.users.get_mut(&account).unwrap().attributes.set(path, value.as_str().into());
            });
            format!("{account} is nicknamed {value} by hand")
        }
        (2, Some(account), _) => {
            // rosterd only notices when it has something to say to the account.
            let owner = holdings.users[&account].made_for.clone().filter(|id| dir.users.contains_key(id));
            let Some(owner) = owner.filter(|id| id != "p0") else { return "nothing is done by hand".to_owned() };
            app.by_hand(|holdings| {
                holdings.users.remove(&account);
                for group in holdings.groups.values_mut() {
                    group.members.remove(&account);
                }
            });
            dir.set(&owner, "displayName", format!("Again {}", fresh.next()));
            format!("{account} of {owner} is deleted by hand")
        }
        _ => {
            let guest = app.has_user(&format!("guest{}@y.test", fresh.next()), true);
            format!("a guest {guest} is made by hand")
        }
    }
}

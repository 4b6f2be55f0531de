//! `rosterd notify`: who is told of what, whether it arrives, and a message to try it.

use serde_json::json;

use super::args::{Format, Global, NotifyArgs};
use super::check;
use super::failure::{CommandFailure, code};
use super::screen::{ADD, FAINT, REMOVE, STRONG, Screen, WAIT, count, paint, safe};
use crate::clock::{self, Clock as _, SystemClock};
use crate::model::text::address;
use crate::notify::{Delivery, Message, Receivers, deliver, standings};
use crate::tenancy;

pub(super) async fn run(screen: &Screen, global: &Global, args: &NotifyArgs) -> Result<u8, CommandFailure> {
    let loaded = tenancy::load_global(&global.config).map_err(|found| check::shown(screen, &found))?;
    let mut receivers = loaded.file.notify;
    if let Some(name) = &args.receiver {
        if !receivers.contains_key(name) {
            let hint = "the receivers are the tables `[notify.NAME]` of rosterd.toml";
            return Err(CommandFailure::usage(format!("there is no receiver {name:?}"), hint));
        }
        receivers.retain(|other, _| other == name);
    }
    if receivers.is_empty() {
        let hint = "a table `[notify.ops]` in rosterd.toml with `url` and `secret` names one";
        return Err(CommandFailure::config("notifications are disabled: there is no receiver").hint(hint));
    }
    if args.test {
        return test(screen, &receivers).await;
    }
    let stores = check::stores(screen, global)?;
    let all = standings(&stores.daemon(), &receivers);
    if screen.format == Format::Json {
        let lines = all.iter().map(|(name, standing)| json!({ "receiver": name, "standing": standing }));
        screen.json(&lines.collect::<Vec<_>>())?;
        return Ok(code::DONE);
    }
    for (name, standing) in &all {
        let url = receivers.get(name).map(|table| address(&table.url)).unwrap_or_default();
        screen.say(format!("{}  {url}", paint(STRONG, name)));
        match standing.delivered {
            Some(at) => screen.say(paint(FAINT, format!("  received the last message {}", clock::shown(at)))),
            None => screen.say(paint(FAINT, "  has received no message yet")),
        }
        if standing.waiting > 0 {
            let waiting = count(standing.waiting as u64, "message queued", "messages queued");
            screen.say(format!("  {}", paint(WAIT.bold(), waiting)));
        }
        if let Some(why) = &standing.trouble {
            screen.say(format!("  {} {}", paint(REMOVE.bold(), "not delivered:"), safe(why)));
        }
    }
    Ok(code::DONE)
}

/// Sends each a message now, and says what came of it.
async fn test(screen: &Screen, receivers: &Receivers) -> Result<u8, CommandFailure> {
    let (mut lines, mut worst) = (Vec::new(), code::DONE);
    for (name, table) in receivers {
        let now = SystemClock.now();
        let body = Message::test(now).to_body(table.details);
        let (taken, what) = match deliver(table, &body, now).await {
            Delivery::Taken(status) => (true, format!("the receiver answered {status}")),
            Delivery::Not(why, _) => (false, why),
        };
        match taken {
            true => screen.say(format!("{} {name}: {}", paint(ADD, "delivered"), safe(&what))),
            false => {
                screen.say(format!("{} {name}: {}", paint(REMOVE.bold(), "not delivered"), safe(&what)));
                worst = code::FAILED;
            }
        }
        lines.push(json!({ "receiver": name, "id": body.id, "taken": taken, "answer": what }));
    }
    if screen.format == Format::Json {
        screen.json(&lines)?;
    }
    Ok(worst)
}

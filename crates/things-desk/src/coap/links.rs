//! `/.well-known/core`: what a caller may use, as links.

use coap_front::things::{Link, Options, write_links};
use hub::{Command, Refusal, Reply, ThingFilter, ThingView};
use hub_desk::Caller;

use super::Ground;

/// The links of a caller.
pub(super) async fn of(ground: &Ground, caller: Caller, options: Options<'_>) -> Result<String, Refusal> {
    // One page: who may use more finds them in the directory of the HTTP interface.
    let list = Command::List { filter: ThingFilter::default(), after: None };
    let Reply::Things(page) = ground.desk.call(caller, list).await? else { return Ok(String::new()) };
    let links: Vec<Link> = page.things.iter().map(|view: &ThingView| link(view)).collect();
    Ok(write_links(&links, options))
}

fn link(view: &ThingView) -> Link {
    Link::new(&format!("/things/{}", view.thing.id))
        .with("rt", "wot.thing")
        .with("ct", "432")
        .with("title", &view.thing.title)
}

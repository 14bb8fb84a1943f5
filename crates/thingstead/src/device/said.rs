//! Events of the agent in words: for programs a name and fields, for people a sentence. Never a secret.

use std::fmt::Debug;

use agent::AgentEvent;
use assure_proto::GoodbyeReason;

use super::voice::Said;

/// What an event is called and says.
pub(super) fn of(event: &AgentEvent) -> Said {
    match event {
        AgentEvent::Started { sequence_number, configured } => {
            let state = if *configured { "configured" } else { "not configured" };
            Said::new("started", format!("switched on, {}, {state}", owners(*sequence_number)))
                .with("sequence_number", *sequence_number)
                .with("configured", *configured)
        }
        AgentEvent::BootstrapBegun => {
            Said::new("bootstrap-begun", "asking the bootstrap server for an image")
        }
        AgentEvent::BootstrapFailed(failure) => failed("bootstrap-failed", "no image", failure),
        AgentEvent::ImageRefused(refusal) => {
            failed("refused", "an image was refused", refusal).with("why", refusal.to_string())
        }
        AgentEvent::ImageUnchanged => Said::new("image-unchanged", "the image is the one in service"),
        AgentEvent::Owned { generation, sequence_number, is_new_owner } => {
            let what = if *is_new_owner { "a new owner's" } else { "the owner's newer" };
            Said::new("owned", format!("{what} image is accepted, {}", owners(*sequence_number)))
                .with("sequence_number", *sequence_number)
                .with("generation", *generation)
                .with("new_owner", *is_new_owner)
        }
        AgentEvent::Erased => Said::new("erased", "data of the earlier owner is erased"),
        AgentEvent::ConfigurationFailed(failure) => {
            failed("configuration-failed", "the image could not be applied", failure)
        }
        AgentEvent::Bootstrapped { sequence_number } => {
            Said::new("bootstrapped", format!("the image is applied, {}", owners(*sequence_number)))
                .with("sequence_number", *sequence_number)
        }
        AgentEvent::ChannelChanged { channel, state } => {
            let words = words(&kebab(state));
            Said::new("channel", format!("channel {} is {words}", channel.number()))
                .with("id", channel.number())
                .with("state", state.number())
                .with("name", kebab(state))
        }
        AgentEvent::InService { channel } => {
            Said::new("in-service", format!("in service over channel {}", channel.number()))
                .with("channel", channel.number())
        }
        AgentEvent::PresenceRefused { channel, code } => Said::new(
            "presence-refused",
            format!("channel {}: presence was answered {code}", channel.number()),
        )
        .with("channel", channel.number())
        .with("code", code.to_string()),
        AgentEvent::TimeSet { went_back } => {
            let back = if *went_back { ", the clock went back" } else { "" };
            Said::new("time-set", format!("the management system told the time{back}"))
                .with("went_back", *went_back)
        }
        AgentEvent::SaidGoodbye { reason, told, acknowledged } => goodbye(*reason, *told, *acknowledged),
        other => local(other),
    }
}

fn goodbye(reason: GoodbyeReason, told: usize, acknowledged: usize) -> Said {
    Said::new("goodbye", format!("said goodbye to {told}, {acknowledged} answered"))
        .with("reason", reason.number())
        .with("told", told)
        .with("acknowledged", acknowledged)
}

/// What somebody at the device did.
fn local(event: &AgentEvent) -> Said {
    match event {
        AgentEvent::ButtonIgnored => {
            Said::new("button-ignored", "the button was held too shortly: 5 s ask for a new image")
        }
        AgentEvent::ContestNotAvailable => {
            Said::new("contest-not-available", "contesting a claim is not possible with this program")
        }
        AgentEvent::WalledGardenAllowed => {
            Said::new("garden-allowed", "the next image may come from inside a walled garden")
        }
        AgentEvent::FactoryReset => {
            Said::new("factory-reset", "everything but the memory of owners is forgotten")
        }
        // events of a later agent, which are not known here, keep their names
        other => {
            let name = kebab(other);
            Said::new("other", words(&name)).with("name", name)
        }
    }
}

fn owners(number: u32) -> String {
    if number == 0 { "no owner yet".into() } else { format!("owner {number}") }
}

fn failed(event: &'static str, sentence: &str, cause: &impl Debug) -> Said {
    let name = kebab(cause);
    Said::new(event, format!("{sentence}: {}", words(&name)))
        .with("cause", name)
        .with("detail", format!("{cause:?}"))
}

/// The name of an enum's variant, in lower case with hyphens.
pub(super) fn kebab(variant: &impl Debug) -> String {
    let debug = format!("{variant:?}");
    let name = debug.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
    let mut out = String::with_capacity(name.len() + 4);
    for (at, letter) in name.chars().enumerate() {
        if letter.is_uppercase() && at > 0 {
            out.push('-');
        }
        out.extend(letter.to_lowercase());
    }
    out
}

/// A name as words.
pub(super) fn words(name: &str) -> String {
    name.replace('-', " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use agent::BootstrapFailure;
    use assure_proto::{ChannelId, ChannelState, ImageRefusal};

    #[test]
    fn a_refusal_names_its_cause() {
        let said = of(&AgentEvent::ImageRefused(ImageRefusal::SequenceLower));
        assert_eq!(said.event, "refused");
        assert!(said.fields.contains(&("cause", "sequence-lower".into())), "{said:?}");
        let said = of(&AgentEvent::BootstrapFailed(BootstrapFailure::Empty));
        assert_eq!((said.event, &said.fields[0]), ("bootstrap-failed", &("cause", "empty".into())));
    }

    #[test]
    fn a_channel_is_told_by_its_numbers() {
        let channel = ChannelId::new(1).unwrap();
        let said = of(&AgentEvent::ChannelChanged { channel, state: ChannelState::Open });
        assert_eq!(said.event, "channel");
        assert_eq!(said.fields[..2], [("id", 1.into()), ("state", ChannelState::Open.number().into())]);
    }
}

//! What a plain client says once it is connected, and what becomes of it.

use super::*;

impl Running<'_> {
    pub(super) fn online(&mut self) {
        self.failures = 0;
        self.hushed_until = None;
        self.voice.say(&Said::new("online", "online"));
        let now = self.now().moment;
        let orders = format!("things/{}/orders/#", self.thing);
        if let Link::Speaking(client) = &mut self.link {
            let wanted = [(orders.as_str(), SubscriptionOptions::plain(QoS::AtLeastOnce))];
            let asked = client.subscribe(&wanted, None, now);
            self.say_not_sent("orders", asked.err());
        }
        let at = self.at();
        for (name, value) in self.play.named_values() {
            // A model has fewer values than would be dropped.
            self.waiting.push(News::Value { name, value, at });
        }
    }

    /// Whether something was said.
    pub(super) fn say_some(&mut self) -> bool {
        let now = self.now().moment;
        let Link::Speaking(client) = &mut self.link else { return false };
        let mut any = false;
        while self.hushed_until.is_none() && client.quota() > 0 {
            let Some(news) = self.waiting.next() else { break };
            let said = news.publication(self.thing).map_err(NotSent::Invalid);
            match said.and_then(|publication| client.publish(publication, now)) {
                Ok(id) => {
                    any = true;
                    id.into_iter().for_each(|id| self.waiting.sent(id, news.clone()));
                }
                Err(NotSent::NotConnected | NotSent::NoQuota) => {
                    self.waiting.put_back(news);
                    break;
                }
                Err(error) => {
                    let said = standing::not_sent(news.name(), error);
                    self.voice.say(&said);
                }
            }
        }
        any
    }

    /// The server has it on record, or says why not.
    pub(super) fn delivered(&mut self, id: PacketId, reason: ReasonCode) {
        let Some(news) = self.waiting.answered(id) else { return };
        match reason {
            // It has too much to do now, and may have less soon.
            ReasonCode::QUOTA_EXCEEDED | ReasonCode::IMPLEMENTATION_SPECIFIC_ERROR => {
                self.waiting.put_back(news);
                let wait = wait_after(self.wait_unit, 1, &mut self.dice);
                self.hushed_until = Some(self.now().moment + wait);
            }
            reason if reason.is_failure() => self.say_refused(news.name(), reason),
            _ => {
                if let News::Event { id, .. } = news {
                    let sentence = format!("the platform has event {id}");
                    self.voice.say(&Said::new("delivered", sentence).with("id", id.to_string()));
                }
            }
        }
    }
}

//! What a session keeps for all its life: records, outputs, noise.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crypto::Provider;

use crate::alert::{Alert, Level, Stop};
use crate::record::{ContentType, Epoch, RecordLayer};
use crate::{Noise, NoiseCounts, Output};

/// The lasting part of a session.
pub(crate) struct Line {
    pub(crate) records: RecordLayer,
    pub(crate) outputs: VecDeque<Output>,
    pub(crate) noise: NoiseCounts,
    pub(crate) datagram_size_max: usize,
    /// The epoch in which we write what is not part of a flight.
    pub(crate) write_epoch: Epoch,
}

impl Line {
    pub(crate) fn new(records: RecordLayer, datagram_size_max: usize) -> Self {
        Self {
            records,
            outputs: VecDeque::new(),
            noise: NoiseCounts::default(),
            datagram_size_max,
            write_epoch: Epoch::Clear,
        }
    }

    pub(crate) fn provider(&self) -> &dyn Provider {
        &*self.records.provider
    }

    pub(crate) fn put(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    pub(crate) fn transmit_all(&mut self, datagrams: Vec<Vec<u8>>) {
        self.outputs.extend(datagrams.into_iter().map(Output::Transmit));
    }

    pub(crate) fn count(&mut self, noise: Noise) {
        self.noise.count(noise);
    }

    /// Sends an alert; one that cannot be written any more is not sent.
    pub(crate) fn alert(&mut self, level: Level, alert: Alert) {
        let mut datagram = Vec::new();
        let body = [level.code(), alert.code()];
        if self.records.write(self.write_epoch, ContentType::Alert, &body, &mut datagram).is_ok() {
            self.put(Output::Transmit(datagram));
        }
    }

    /// # Errors
    /// What the record layer says.
    pub(crate) fn send(&mut self, plaintext: &[u8]) -> Result<(), Stop> {
        let mut datagram = Vec::new();
        self.records.write(Epoch::Protected, ContentType::ApplicationData, plaintext, &mut datagram)?;
        self.put(Output::Transmit(datagram));
        Ok(())
    }

    /// Bytes of plaintext that fit one datagram.
    pub(crate) fn plaintext_size_max(&self) -> usize {
        let room = self.datagram_size_max.saturating_sub(self.records.overhead(Epoch::Protected));
        room.min(crate::record::PLAINTEXT_SIZE_MAX)
    }
}

//! Commands that must not be lost.

use tokio::runtime::Handle;
use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;

/// Sends a command now, or when there is room. A machine that has stopped needs none any more.
pub(super) fn insist<T: Send + 'static>(runtime: &Handle, commands: &Sender<T>, command: T) {
    if let Err(TrySendError::Full(command)) = commands.try_send(command) {
        let commands = commands.clone();
        runtime.spawn(async move { commands.send(command).await.ok() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::mpsc::channel;

    #[tokio::test]
    async fn a_command_comes_also_when_the_line_was_full() {
        let (commands, mut line) = channel(1);
        for number in 0..3 {
            insist(&Handle::current(), &commands, number);
        }
        let mut came = Vec::new();
        for _ in 0..3 {
            came.push(line.recv().await.unwrap());
        }
        came.sort_unstable();
        assert_eq!(came, [0, 1, 2]);
    }
}

import type { SignalDispatcher } from 'haricot';

/** Tells what becomes of messages that fail. (`haricot work` tells it by itself.) */
export function connectObservers(signals: SignalDispatcher): void {
  signals.connect('messageReleased', ({ attempt, delayMs, error }) => {
    console.log(`worker   | attempt ${attempt} failed (${error}), once more in ${delayMs} ms`);
  });
  signals.connect('messageFailed', ({ jobId, reason, error }) => {
    console.log(`worker   | message ${jobId} is buried (${reason}: ${error})`);
  });
  signals.connect('workerError', ({ error }) => console.error('worker   |', error));
}

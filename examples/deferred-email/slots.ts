import type { SignalDispatcher } from 'haricot';
import { type Mail, SendMail } from './messages.js';

/** Stands for a mail server. It is too busy for the first try to mail to `busy.example`, and refuses what is no address. */
async function deliver({ to }: Mail, attempt = 1): Promise<void> {
  if (!to.includes('@')) throw new Error(`550 no such mailbox: ${to}`);
  if (to.endsWith('@busy.example') && attempt === 1) throw new Error('421 too busy, try again later');
}

/** Does the work. Knows nothing of the shop, nor of the worker that emits the signal: `haricot work --slots` can load it too. */
export default function connectSlots(signals: SignalDispatcher): void {
  signals.connect(SendMail, async ({ data }, { attempt }) => {
    await deliver(data, attempt);
    console.log(`worker   | mailed "${data.subject}" to ${data.to}, attempt ${attempt}`);
  });
}

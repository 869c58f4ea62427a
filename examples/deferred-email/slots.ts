import type { SignalDispatcher } from '../../src/index.js';
import { SendOrderMail } from './messages.js';

/** A mail server that is down for the first two mails to `busy.example`, and refuses what is no address. */
function deliverMail(to: string, attempt: number): void {
  if (!to.includes('@')) throw new Error(`550 no such mailbox: ${to}`);
  if (to.endsWith('@busy.example') && attempt <= 2) throw new Error('421 mail server too busy, try again later');
}

/** What `haricot work --slots` loads: connects the slots, and knows nothing of the shop or of the worker. */
export default function connectSlots(signals: SignalDispatcher): void {
  signals.connect(SendOrderMail, (message, context) => {
    deliverMail(message.data.to, context.attempt);
    console.log(`         mailed the confirmation of order ${message.data.order} to ${message.data.to}`);
  });
}

import type { SignalDispatcher } from '../../signals/dispatcher.js';
import { SendOrderMail } from './messages.js';

/** What `haricot work --slots` loads: connects the slot, and knows nothing of the shop or of the worker. */
export default function connectSlots(signals: SignalDispatcher): void {
  signals.connect(SendOrderMail, ({ data: { order, to } }, { attempt = 1 }) => {
    deliver(to, attempt);
    console.log(`order ${order}: mailed to ${to}${attempt > 1 ? ` at attempt ${attempt}` : ''}`);
  });
}

/** Stands for a mail server: busy for the first two mails to `busy.example`, and strict about addresses. */
function deliver(to: string, attempt: number): void {
  if (!to.includes('@')) throw new Error(`550 no such mailbox: ${to}`);
  if (to.endsWith('@busy.example') && attempt <= 2) throw new Error('421 mail server busy, try again later');
}

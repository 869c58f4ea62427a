import { defineMessage } from 'haricot';

export interface Mail {
  readonly to: string;
  readonly subject: string;
}

/** Shared by the shop, which publishes it, and by whoever connects a slot. */
export const SendMail = defineMessage<Mail>('mail.send');

import { defineMessage } from '../../src/index.js';

/** An order's confirmation, to be mailed. In an application: `from 'haricot'`. */
export interface OrderMail {
  readonly order: number;
  readonly to: string;
}

/** Shared by the shop, which publishes it, and by whoever connects a slot. */
export const SendOrderMail = defineMessage<OrderMail>('order.mail');

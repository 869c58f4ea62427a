import { defineMessage, type MessageType } from '../../queue/message.js';

/** An order's confirmation, to be mailed. */
export interface OrderMail {
  readonly order: number;
  readonly to: string;
}

/** Shared by the shop, which publishes it, and by the slot that mails. */
export const SendOrderMail: MessageType<OrderMail> = defineMessage<OrderMail>('order.mail');

export const ORDERS: readonly OrderMail[] = [
  { order: 1, to: 'ada@shop.example' },
  { order: 2, to: 'grace@shop.example' },
  { order: 3, to: 'alan@busy.example' },
  { order: 4, to: 'nobody' },
];

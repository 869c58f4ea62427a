/** The tests of the suite with a second process. */
export const OF_TWO_PROCESSES: ReadonlySet<string> = new Set([
  'puts a message that we receive, and receives one that we put',
  'is killed, and the message that it held is delivered again when its lease has ended, as attempt 2',
  'is killed, and what it held is delivered at once',
  'takes some of 500 messages, and we the others: each is delivered once',
  'ends by itself when its driver is closed while a reserve waits',
  'wakes a reserve that waits here within 100 ms',
]);

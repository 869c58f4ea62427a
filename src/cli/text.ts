// Text of others, such as data and error messages, as it may appear on a terminal.

/** What moves the cursor, colours, or hides text: C0 and C1 control characters, and those that turn its direction. */
const UNPRINTABLE = /[\p{Cc}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

/** On one line, with what could play tricks on the terminal made visible. */
export function printable(text: string): string {
  return text
    .replace(/\s*[\r\n]+\s*/g, ' ')
    .replace(UNPRINTABLE, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** At most `length` characters, the last of which says that there was more. */
export function shorten(text: string, length: number): string {
  // A character has two code units at most: of a text of megabytes no more need be looked at.
  const characters = [...text.slice(0, 2 * length + 1)];
  return characters.length <= length ? text : `${characters.slice(0, Math.max(0, length - 1)).join('')}…`;
}

/** What went wrong, with its causes, on one line. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return printable(String(error));
  const message = printable(error.message);
  const cause = error.cause === undefined ? '' : describeError(error.cause);
  return cause && !message.includes(cause) ? `${message} (${cause})` : message;
}

/** `1 message`, `2 messages`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

const UNITS: readonly (readonly [unit: string, ms: number])[] = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
];

/** A duration as one would say it: `2h 5m`, `12s`; less than a second is `0.3s`. */
export function spoken(ms: number): string {
  if (ms < 1000) return `${ms === 0 ? 0 : Math.max(0.1, Math.round(ms / 100) / 10)}s`;
  let rest = Math.round(ms / 1000) * 1000;
  const parts: string[] = [];
  for (const [unit, size] of UNITS) {
    const amount = Math.floor(rest / size);
    rest -= amount * size;
    if (amount > 0) parts.push(`${amount}${unit}`);
  }
  return parts.slice(0, 2).join(' ');
}

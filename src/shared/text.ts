// Formats foreign strings, such as names, data and error messages, for terminals, logs and errors.

/**
 * Characters that move the cursor, set colours, hide text or change its direction: control, format and unassigned
 * characters, lone surrogates, line and paragraph separators, invisible fillers and variation selectors.
 */
const UNPRINTABLE =
  /[\p{Cc}\p{Cf}\p{Cn}\p{Cs}\p{Zl}\p{Zp}\u115f\u1160\u3164\uffa0]|\u034f|\u17b4|\u17b5|\p{Variation_Selector}/gu;

/** Escapes invisible characters, as `\u200b` or `\u{e0041}`. Other characters do not change. Takes linear time. */
export function escapeText(text: string): string {
  return text.replace(UNPRINTABLE, escapeCharacter);
}

/**
 * Formats a record as one line of JSON with JSON's escapes for invisible characters. A program reads the same value,
 * and a terminal shows all of it.
 */
export function toJsonLine(record: object): string {
  return JSON.stringify(record).replace(UNPRINTABLE, escapeUnits);
}

/** JSON has no `\\u{…}`, so each code unit is escaped. */
function escapeUnits(character: string): string {
  const units = Array.from({ length: character.length }, (_, index) => character.charCodeAt(index));
  return units.map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`).join('');
}

function escapeCharacter(character: string): string {
  if (character === '\n') return '\\n';
  if (character === '\r') return '\\r';
  if (character === '\t') return '\\t';
  const code = character.codePointAt(0) ?? 0;
  return code > 0xffff ? `\\u{${code.toString(16)}}` : `\\u${code.toString(16).padStart(4, '0')}`;
}

/** Cuts a string to at most `length` characters, the last of which is `…`. */
export function truncate(text: string, length: number): string {
  // A character has at most two code units. The rest of a long string need not be examined.
  const characters = [...text.slice(0, 2 * length + 1)];
  return characters.length <= length ? text : `${characters.slice(0, Math.max(0, length - 1)).join('')}…`;
}

const PREVIEW_LENGTH = 60;

/**
 * Formats any value for an error message: strings quoted, escaped and cut; objects by their kind only. Never throws.
 */
export function preview(value: unknown, length: number = PREVIEW_LENGTH): string {
  // Cut before escaping, so that the cost does not depend on the length, and again after it, because escaping lengthens
  // the string.
  if (typeof value === 'string')
    return `"${truncate(escapeText(truncate(value, length)).replaceAll('"', '\\"'), length)}"`;
  if (typeof value === 'bigint') return truncate(`${value}n`, length);
  if (typeof value === 'symbol') return truncate(escapeText(value.toString()), length);
  if (typeof value === 'function') return 'a function';
  if (typeof value !== 'object' || value === null) return String(value);
  return kindOf(value);
}

function kindOf(value: object): string {
  try {
    if (Array.isArray(value)) return value.length === 0 ? 'an empty array' : `an array of ${value.length}`;
    const name: unknown = Object.getPrototypeOf(value)?.constructor?.name;
    if (typeof name !== 'string' || name === '' || name === 'Object') return 'an object';
    return `${/^[aeiou]/i.test(name) ? 'an' : 'a'} ${truncate(escapeText(name), 40)}`;
  } catch {
    return 'an object';
  }
}

const MASK = '***';

/**
 * Masks the password of a URL, for errors and logs. The URL need not be well-formed: masks everything between `//` and
 * the last `@` of the authority, and the value of each parameter whose name suggests a secret.
 */
export function maskUrl(url: string): string {
  const start = url.indexOf('//') + 2;
  if (start === 1) return maskParameters(url);
  const end = url.slice(start).search(/[/?#]/);
  const authority = end < 0 ? url : url.slice(0, start + end);
  // In a password, an unescaped slash or question mark would end the authority too early. Then the last @ of the URL
  // counts.
  const isWhole = authority.indexOf('@', start) >= 0 || authority.indexOf(':', start) < 0;
  const at = (isWhole ? authority : url).lastIndexOf('@');
  if (at < start) return maskParameters(url);
  const colon = url.indexOf(':', start);
  const user = colon >= 0 && colon < at ? `${url.slice(start, colon)}:${MASK}` : MASK;
  return `${url.slice(0, start)}${user}${maskParameters(url.slice(at))}`;
}

function maskParameters(url: string): string {
  return url.replace(/([?&;](?:password|passwd|pwd|pass|secret|token|auth)=)[^&;#]*/gi, `$1${MASK}`);
}

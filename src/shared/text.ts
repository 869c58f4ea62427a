// Strings of others, such as names, data and error messages, as they may appear on a terminal, in a log or in an error.

/**
 * What moves the cursor, colours, hides text or turns its direction: control, format and unassigned characters, lone
 * surrogates, line and paragraph separators, fillers and selectors that show nothing.
 */
const UNPRINTABLE =
  /[\p{Cc}\p{Cf}\p{Cn}\p{Cs}\p{Zl}\p{Zp}\u115f\u1160\u3164\uffa0]|\u034f|\u17b4|\u17b5|\p{Variation_Selector}/gu;

/** Makes what does not show visible, as `\u200b` or `\u{e0041}`; the rest stays. Takes time linear in the length. */
export function escapeText(text: string): string {
  return text.replace(UNPRINTABLE, escapeCharacter);
}

/**
 * A record as JSON on one line, with the characters that do not show as JSON's own escapes: a terminal shows what is there,
 * and a program reads the same value.
 */
export function toJsonLine(record: object): string {
  return JSON.stringify(record).replace(UNPRINTABLE, escapeUnits);
}

/** JSON knows no `\\u{…}`: each code unit is escaped. */
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

/** At most `length` characters, the last of which says that there was more. */
export function truncate(text: string, length: number): string {
  // A character has two code units at most: of megabytes no more need be looked at.
  const characters = [...text.slice(0, 2 * length + 1)];
  return characters.length <= length ? text : `${characters.slice(0, Math.max(0, length - 1)).join('')}…`;
}

const PREVIEW_LENGTH = 60;

/**
 * Any value as it may stand in an error message: strings in quotes, escaped and cut; of objects only what they are.
 * Never throws, whatever the value.
 */
export function preview(value: unknown, length: number = PREVIEW_LENGTH): string {
  // Cut first, so that the cost does not depend on the string; what is escaped grows, so it is cut again.
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
 * A URL without its password, for errors and logs. Needs no well-formed URL: whatever stands between `//` and the last
 * `@` of the authority, or behind a parameter that names a secret, is masked.
 */
export function maskUrl(url: string): string {
  const start = url.indexOf('//') + 2;
  if (start === 1) return maskParameters(url);
  const end = url.slice(start).search(/[/?#]/);
  const authority = end < 0 ? url : url.slice(0, start + end);
  // A password with an unescaped slash or question mark ends the authority too early: then the last @ of all counts.
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

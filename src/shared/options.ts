import { preview } from './text.js';

/** The names of all options of an interface. The compiler rejects an incomplete list. */
export type OptionNames<Options extends object> = Readonly<Record<keyof Options, true>>;

/**
 * Describes what is wrong with options: they are not a plain object, or contain an unknown name. Undefined if they are
 * valid.
 * @param what the owner of the options, such as `publish`; omit it if the message names it anyway
 */
export function faultInOptions(
  options: unknown,
  names: Readonly<Record<string, true>>,
  what?: string,
): string | undefined {
  const whose = what === undefined ? '' : ` of ${what}`;
  // An AbortSignal or a Map has no own properties, so that the whole argument would be ignored.
  if (typeof options !== 'object' || Object.prototype.toString.call(options) !== '[object Object]') {
    return `the options${whose} must be an object, got ${preview(options)}`;
  }
  for (const name in options) {
    if (Object.hasOwn(names, name)) continue;
    return `an option${whose} must be ${listOf(Object.keys(names))}, got ${preview(name)}`;
  }
  return undefined;
}

/** Joins names as `a, b or c`. */
export function listOf(names: readonly string[]): string {
  const last = names.at(-1) ?? 'none';
  return names.length > 1 ? `${names.slice(0, -1).join(', ')} or ${last}` : last;
}

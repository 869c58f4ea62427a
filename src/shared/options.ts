import { preview } from './text.js';

/** The names of all options of an interface. The compiler refuses a list that lacks one. */
export type OptionNames<Options extends object> = Readonly<Record<keyof Options, true>>;

/**
 * What is wrong with options that are not a plain object or that contain a name that is unknown; undefined where nothing is.
 * @param what whose options they are, such as `publish`, where the message does not say so anyway
 */
export function faultInOptions(
  options: unknown,
  names: Readonly<Record<string, true>>,
  what?: string,
): string | undefined {
  const whose = what === undefined ? '' : ` of ${what}`;
  // An AbortSignal or a Map has no properties of its own: what it was given for would be ignored.
  if (typeof options !== 'object' || Object.prototype.toString.call(options) !== '[object Object]') {
    return `the options${whose} must be an object, got ${preview(options)}`;
  }
  for (const name in options) {
    if (Object.hasOwn(names, name)) continue;
    return `an option${whose} must be ${listOf(Object.keys(names))}, got ${preview(name)}`;
  }
  return undefined;
}

/** `a, b or c` */
export function listOf(names: readonly string[]): string {
  const last = names.at(-1) ?? 'none';
  return names.length > 1 ? `${names.slice(0, -1).join(', ')} or ${last}` : last;
}

import { formatWithOptions } from 'node:util';

/** Writes a line to stderr if DEBUG contains its namespace, like the package `debug` without colours. */
export interface PlainDebug {
  (format: string, ...values: readonly unknown[]): void;
  readonly enabled: boolean;
}

/** Replaces the package `debug` when it cannot be loaded. */
export function plainDebug(namespace: string): PlainDebug {
  const line = (format: string, ...values: readonly unknown[]): void => {
    if (!isEnabled(namespace)) return;
    // In the package, `%o` prints one line. Node's own `%o` also prints hidden properties.
    const text = formatWithOptions({ breakLength: Number.POSITIVE_INFINITY }, format.replace(/%o/g, '%O'), ...values);
    process.stderr.write(`${new Date().toISOString()} ${namespace} ${text}\n`);
  };
  return Object.defineProperty(line, 'enabled', { get: () => isEnabled(namespace) }) as PlainDebug;
}

/** DEBUG is a list of names with `*`, separated by commas or spaces. A name after `-` is excluded. */
function isEnabled(namespace: string): boolean {
  const names = (process.env['DEBUG'] ?? '').split(/[\s,]+/).filter((name) => name !== '');
  const covers = (pattern: string): boolean => matches(namespace, pattern);
  if (names.some((name) => name.startsWith('-') && covers(name.slice(1)))) return false;
  return names.some((name) => !name.startsWith('-') && covers(name));
}

function matches(namespace: string, pattern: string): boolean {
  const [first = '', ...others] = pattern.split('*');
  if (others.length === 0) return namespace === pattern;
  if (!namespace.startsWith(first)) return false;
  let at = first.length;
  for (const part of others.slice(0, -1)) {
    const found = namespace.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  const last = others.at(-1) ?? '';
  return namespace.length - last.length >= at && namespace.endsWith(last);
}

import { types } from 'node:util';
import { escapeText, preview, truncate } from '../shared/text.js';
import { kindOf } from './checks.js';

/** A part of a value that JSON would leave out, or write as something else. */
export interface Loss {
  /** Where it is, such as `items[0].at`; empty for the value as a whole. */
  readonly path: string;
  /** What it is, such as `a Map`. */
  readonly what: string;
}

/** A loss on its way up: each level adds its key. */
interface Found {
  readonly keys: (string | number)[];
  readonly what: string;
}

const LONE_SURROGATE = /\p{Cs}/u;
const IDENTIFIER = /^[\p{L}_$][\p{L}\p{N}_$]*$/u;
const MAX_PATH = 200;

/**
 * The first part of `value` that `JSON.stringify` would change or lose without an error: it makes `{}` of a Map, null of NaN,
 * and nothing of a function. Not a loss: a property that is undefined, and -0, which becomes 0.
 *
 * An object of a class is written by its `toJSON`, or else as its own enumerable properties, as JSON does it. One without
 * either is a loss: what it holds cannot be seen.
 */
export function findLoss(
  value: unknown,
  options: { readonly strings: boolean; readonly cycles: boolean },
): Loss | undefined {
  const { strings, cycles } = options;
  const found = new Search(strings, cycles ? new Set() : undefined).lossIn(value, '');
  return found && { path: pathOf(found.keys.reverse()), what: found.what };
}

class Search {
  /** Whether strings are looked at: lone surrogates can be ruled out in the whole JSON text. */
  readonly #strings: boolean;
  /** The objects that contain the current one, where a cycle is possible. */
  readonly #ancestors: Set<object> | undefined;

  constructor(strings: boolean, ancestors: Set<object> | undefined) {
    this.#strings = strings;
    this.#ancestors = ancestors;
  }

  lossIn(value: unknown, key: string): Found | undefined {
    switch (typeof value) {
      case 'string':
        return this.#strings && LONE_SURROGATE.test(value) ? found('a string with a lone surrogate') : undefined;
      case 'number':
        return Number.isFinite(value) ? undefined : found(String(value));
      case 'boolean':
        return undefined;
      case 'object':
        return value === null ? undefined : this.#lossInObject(value, key);
      case 'undefined':
        return found('undefined');
      default:
        // A BigInt or a function may have been given a toJSON; a symbol may not.
        return hasToJson(value) ? this.#lossInJson(value, key) : found(kindOf(value));
    }
  }

  #lossInObject(value: object, key: string): Found | undefined {
    if (this.#ancestors === undefined) return this.#lossInside(value, key);
    if (this.#ancestors.has(value)) return found('an object that contains it');
    this.#ancestors.add(value);
    const loss = this.#lossInside(value, key);
    this.#ancestors.delete(value);
    return loss;
  }

  #lossInside(value: object, key: string): Found | undefined {
    // Buffer has a toJSON, whose result no other program takes for bytes.
    if (ArrayBuffer.isView(value)) return found(kindOf(value));
    return hasToJson(value) ? this.#lossInJson(value, key) : this.#lossInParts(value);
  }

  /** JSON.stringify calls toJSON once: not again on what it returns. */
  #lossInJson(value: { toJSON(key: string): unknown }, key: string): Found | undefined {
    const json = value.toJSON(key);
    if (json === null && types.isDate(value)) return found('an invalid Date');
    if (json === undefined) return found(`${kindOf(value)} whose toJSON returns undefined`);
    return typeof json === 'object' && json !== null ? this.#lossInParts(json) : this.lossIn(json, key);
  }

  #lossInParts(value: object): Found | undefined {
    if (Array.isArray(value)) return this.#lossInArray(value);
    const prototype: unknown = Object.getPrototypeOf(value);
    const keys = Object.keys(value);
    // An object literal, of whatever realm.
    const isPlain = prototype === Object.prototype || prototype === null || Object.getPrototypeOf(prototype) === null;
    if (!isPlain) {
      if (types.isBoxedPrimitive(value)) return this.lossIn(value.valueOf(), '');
      if (isBuiltIn(value) || keys.length === 0) return found(kindOf(value));
    } else if (keys.length === 0 && Object.getOwnPropertySymbols(value).length > 0) {
      return found('an object whose only keys are symbols');
    }
    return this.#lossInProperties(value as Readonly<Record<string, unknown>>, keys);
  }

  #lossInProperties(value: Readonly<Record<string, unknown>>, keys: readonly string[]): Found | undefined {
    for (const key of keys) {
      const property = value[key];
      if (property === undefined) continue;
      const loss = this.lossIn(property, key);
      if (loss !== undefined) return beneath(key, loss);
      if (this.#strings && LONE_SURROGATE.test(key)) return beneath(key, found('under a key with a lone surrogate'));
    }
    return undefined;
  }

  #lossInArray(value: readonly unknown[]): Found | undefined {
    for (let index = 0; index < value.length; index++) {
      const loss = this.lossIn(value[index], String(index));
      if (loss !== undefined) return beneath(index, loss);
    }
    return undefined;
  }
}

function found(what: string): Found {
  return { keys: [], what };
}

function beneath(key: string | number, loss: Found): Found {
  loss.keys.push(key);
  return loss;
}

function hasToJson<T>(value: T): value is T & { toJSON(key: string): unknown } {
  return typeof (value as { readonly toJSON?: unknown }).toJSON === 'function';
}

/** Its data is in internal slots, whatever properties it has besides. */
function isBuiltIn(value: object): boolean {
  return (
    value instanceof Error ||
    types.isNativeError(value) ||
    types.isMap(value) ||
    types.isSet(value) ||
    types.isWeakMap(value) ||
    types.isWeakSet(value) ||
    types.isAnyArrayBuffer(value) ||
    types.isRegExp(value) ||
    types.isPromise(value) ||
    types.isDate(value)
  );
}

function pathOf(keys: readonly (string | number)[]): string {
  const path = keys.map((key) => {
    if (typeof key === 'number') return `[${key}]`;
    return IDENTIFIER.test(key) ? `.${key}` : `[${preview(key)}]`;
  });
  return truncate(escapeText(path.join('').replace(/^\./, '')), MAX_PATH);
}

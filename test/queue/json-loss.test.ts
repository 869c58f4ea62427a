import { runInNewContext } from 'node:vm';
import { expect } from 'chai';
import fc from 'fast-check';
import { EncodeError } from '../../src/queue/errors.js';
import { jsonOf } from '../../src/queue/json.js';
import { thrown } from '../support/failures.js';

const HELP = 'what travels must be strings, finite numbers, booleans, null, arrays and objects of these';

/** Why the data cannot be written. */
function refusal(data: unknown): string {
  const { message } = thrown(() => jsonOf('order', data), EncodeError);
  expect(message.startsWith('cannot write the data of a message of type "order" as JSON: '), message).to.equal(true);
  return message.slice('cannot write the data of a message of type "order" as JSON: '.length).replace(`; ${HELP}`, '');
}

class Empty {
  readonly #hidden = 5;

  get hidden(): number {
    return this.#hidden;
  }
}

class Point {
  readonly x = 1;
  readonly y = undefined;
}

/** What JSON would make `{}`, null or nothing of, and how the error calls it. */
const LOSSES: readonly (readonly [value: unknown, what: string])[] = [
  [new Map([['a', 1]]), 'a Map'],
  [new Map(), 'a Map'],
  [Object.assign(new Map(), { a: 1 }), 'a Map'],
  [new Set([1]), 'a Set'],
  [new WeakMap(), 'a WeakMap'],
  [new WeakSet(), 'a WeakSet'],
  [new ArrayBuffer(1), 'an ArrayBuffer'],
  [new SharedArrayBuffer(1), 'a SharedArrayBuffer'],
  [new Uint8Array(1), 'an Uint8Array'],
  [new Float64Array(1), 'a Float64Array'],
  [new DataView(new ArrayBuffer(1)), 'a DataView'],
  [Buffer.from('a'), 'a Buffer'],
  [new Blob(['a']), 'a Blob'],
  [new Error('a'), 'an Error'],
  [Object.assign(new TypeError('a'), { code: 5 }), 'a TypeError'],
  [new DOMException('a'), 'a DOMException'],
  [/a/, 'a RegExp'],
  [new URLSearchParams('a=b'), 'an URLSearchParams'],
  [new Headers(), 'a Headers'],
  [new AbortController().signal, 'an AbortSignal'],
  [new WeakRef({}), 'a WeakRef'],
  [new Empty(), 'an Empty'],
  [() => 5, 'a function'],
  [class {}, 'a function'],
  [Symbol('secret'), 'a symbol'],
  [Object(Symbol('secret')), 'a symbol'],
  [{ [Symbol('secret')]: 5 }, 'an object whose only keys are symbols'],
  [5n, 'a BigInt'],
  [Object(5n), 'a BigInt'],
  [Number.NaN, 'NaN'],
  [Number.POSITIVE_INFINITY, 'Infinity'],
  [Number.NEGATIVE_INFINITY, '-Infinity'],
  [Object(Number.NaN), 'NaN'],
  [new Date(Number.NaN), 'an invalid Date'],
  ['secret\ud800', 'a string with a lone surrogate'],
  ['\udc00\ud800', 'a string with a lone surrogate'],
  [{ toJSON: () => undefined }, 'an object whose toJSON returns undefined'],
  [{ toJSON: () => new Map() }, 'a Map'],
  [{ toJSON: () => Number.NaN }, 'NaN'],
  [runInNewContext('new Map()'), 'a Map'],
  [runInNewContext('new Error("a")'), 'an Error'],
];

describe('Data that JSON would lose', () => {
  it('is refused as a whole', () => {
    for (const [value, what] of LOSSES) expect(refusal(value)).to.equal(`it is ${what}`);
  });

  it('is refused wherever it is, with its path', () => {
    for (const [value, what] of LOSSES) {
      expect(refusal({ items: [{ sku: 'a' }, { at: value }] })).to.equal(`items[1].at is ${what}`);
      expect(refusal([[], [1, value]])).to.equal(`[1][1] is ${what}`);
      expect(refusal({ 'odd key': { 7: value } })).to.equal(`["odd key"]["7"] is ${what}`);
      expect(refusal({ a: { toJSON: () => ({ b: value }) } })).to.equal(`a.b is ${what}`);
    }
  });

  it('is refused as undefined in an array and as a gap, which become null', () => {
    expect(refusal([1, undefined])).to.equal('[1] is undefined');
    const gap: number[] = [];
    gap[1] = 5;
    expect(refusal({ items: gap })).to.equal('items[0] is undefined');
  });

  it('is refused under a key with a lone surrogate', () => {
    expect(refusal({ a: { 'b\ud800': 5 } })).to.equal('a["b\\ud800"] is under a key with a lone surrogate');
  });

  it('is refused when it contains itself, with the path', () => {
    const circle: Record<string, unknown> = { items: [] };
    (circle['items'] as unknown[]).push({ parent: circle });
    expect(refusal({ circle })).to.equal('circle.items[0].parent is an object that contains it');
  });

  it('is refused when it is nested too deeply', () => {
    let deep: unknown[] = [];
    for (let depth = 0; depth < 200_000; depth++) deep = [deep];
    expect(refusal(deep)).to.equal('it is nested too deeply');
  });

  it('is refused when a function of it fails, with that error as the cause', () => {
    const cause = new Error('odd');
    const failing = {
      get a(): never {
        throw cause;
      },
    };
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    expect(refusal(failing)).to.equal('odd');
    expect(thrown(() => jsonOf('order', failing), EncodeError).cause).to.equal(cause);
    expect(refusal({ proxy })).to.match(/revoked/);
  });

  it('is refused with a path that is cut and escaped', () => {
    const path = refusal({ [`\u001b[2J${'x'.repeat(100_000)}`]: { ['y'.repeat(500)]: { z: 5n } } });
    expect(path.length).to.be.below(300);
    expect(path).to.match(/^\["\\u001b\[2Jx+…"\]/);
  });
});

describe('Data that JSON can hold', () => {
  it('is written as JSON.stringify does', () => {
    fc.assert(
      fc.property(fc.jsonValue({ stringUnit: 'binary' }), (data) => {
        expect(jsonOf('order', data)).to.equal(JSON.stringify(data));
      }),
    );
  });

  it('may have what is left out or changed without a loss: undefined properties, -0, boxed values', () => {
    expect(jsonOf('order', { a: undefined, b: -0, c: Object('x'), d: Object(5), e: Object(true) })).to.equal(
      '{"b":0,"c":"x","d":5,"e":true}',
    );
  });

  it('may be objects of classes, by their toJSON or their own properties', () => {
    expect(jsonOf('order', { at: new Date(0), url: new URL('https://a.example/') })).to.equal(
      '{"at":"1970-01-01T00:00:00.000Z","url":"https://a.example/"}',
    );
    expect(jsonOf('order', new Point())).to.equal('{"x":1}');
    const bag = Object.assign(new Map([['a', 1]]), { toJSON: () => [['a', 1]] });
    expect(jsonOf('order', bag)).to.equal('[["a",1]]');
    const itself = {
      a: 1,
      toJSON(): unknown {
        return this;
      },
    };
    expect(refusal(itself)).to.equal('toJSON is a function');
  });

  it('may be objects without a prototype, empty ones, and those of another realm', () => {
    expect(jsonOf('order', Object.assign(Object.create(null), { a: {} }))).to.equal('{"a":{}}');
    expect(jsonOf('order', runInNewContext('({ a: {}, b: [], c: new Date(0) })'))).to.equal(
      '{"a":{},"b":[],"c":"1970-01-01T00:00:00.000Z"}',
    );
  });

  it('may contain the same object twice, and what only looks like an escaped surrogate', () => {
    const shared = { a: '\\ud800' };
    expect(jsonOf('order', [shared, shared])).to.equal('[{"a":"\\\\ud800"},{"a":"\\\\ud800"}]');
  });
});

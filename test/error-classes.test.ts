// Also what the compiler knows of errors: `npm run check:types` is the test of that part.
import { expect } from 'chai';
import type {
  AcquireOptions,
  ClientOptions,
  PutOptions as JobPutOptions,
  ReserveOptions as JobReserveOptions,
  PoolOptions,
  ReconnectOptions,
} from '../src/client/index.js';
import * as client from '../src/client/index.js';
import type {
  ConnectOptions,
  ConsumeOptions,
  ExponentialBackoff,
  PublishOptions,
  QueueOptions,
  ReserveOptions,
  TakeOptions,
  WorkerOptions,
} from '../src/index.js';
import * as framework from '../src/index.js';

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

/** Compiles only where the two types are the same. */
function same<A, B>(_same: Same<A, B>): void {}

type ErrorClass = { readonly prototype: Error } & (new (...args: unknown[]) => Error);

function errorClassesOf(door: object): [string, ErrorClass][] {
  return Object.entries(door).filter(([, value]) => typeof value === 'function' && value.prototype instanceof Error);
}

/** What those are made with that take something else than most. */
const ARGUMENTS: Readonly<Record<string, unknown>> = { SchemaError: [], RetryLaterError: { delay: '1s' } };

for (const [name, door, base, detail] of [
  ['haricot/client', client, client.BeanstalkdError, new Uint8Array(0)],
  ['haricot', framework, framework.HaricotError, undefined],
] as const) {
  describe(`the errors of ${name}`, () => {
    const classes = errorClassesOf(door);

    it('have the names of their classes, which does not hang on the names in the code', () => {
      expect(classes).to.have.length.above(8);
      for (const [exported, { prototype }] of classes) {
        expect(Object.getOwnPropertyDescriptor(prototype, 'name')).to.include({ value: exported, enumerable: false });
      }
    });

    it('have stacks that begin with that name, are of the base class and have a code each', () => {
      const concrete = classes.filter(([, ErrorClass]) => (ErrorClass as unknown) !== base);
      const errors = concrete.map(([each, ErrorClass]) => new ErrorClass('why', ARGUMENTS[each] ?? detail));
      expect(errors.map(({ stack = '' }) => stack.split(':')[0])).to.deep.equal(concrete.map(([exported]) => exported));
      for (const error of errors) expect(error).to.be.instanceof(base);
      expect(new Set(errors.map((error) => (error as unknown as { code: string }).code))).to.have.property(
        'size',
        concrete.length,
      );
    });
  });
}

describe('the compiler, of errors', () => {
  it('tells the class of an error of the client by its code', () => {
    const error: unknown = new client.ConnectionLostError('why', true);
    if (!(error instanceof client.BeanstalkdError)) expect.fail();
    same<typeof error, client.AnyBeanstalkdError>(true);
    same<client.BeanstalkdError, client.AnyBeanstalkdError>(true);
    same<client.AnyBeanstalkdError['code'], client.ErrorCode>(true);
    if (error.code !== 'CONNECTION_LOST') expect.fail();
    same<typeof error, client.ConnectionLostError>(true);
    expect(error.sent).to.equal(true);
  });

  it('tells the class of an error of the framework by its code', () => {
    const error: unknown = new framework.EngineError('why', { retryable: true });
    if (!(error instanceof framework.HaricotError)) expect.fail();
    same<typeof error, framework.AnyHaricotError>(true);
    same<framework.AnyHaricotError['code'], framework.HaricotErrorCode>(true);
    if (error.code !== 'ENGINE') expect.fail();
    same<typeof error, framework.EngineError>(true);
    expect(error.retryable).to.equal(true);
  });

  it('lets each option be undefined, which is the same as leaving it out', () => {
    type Undefined<T> = { readonly [K in keyof T]?: undefined };
    type All<Options> = Options extends readonly [infer First, ...infer Rest] ? Undefined<First> & All<Rest> : unknown;
    type EachOption = [
      AcquireOptions,
      ClientOptions,
      PoolOptions,
      JobPutOptions,
      ReconnectOptions,
      JobReserveOptions,
      ConnectOptions,
      ConsumeOptions,
      ExponentialBackoff,
      PublishOptions,
      QueueOptions,
      ReserveOptions,
      TakeOptions,
      WorkerOptions,
    ];
    const all = {} as All<EachOption>;
    const options: EachOption = [all, all, all, all, all, all, all, all, all, all, all, all, all, all];
    expect(options).to.have.length(14);
  });
});

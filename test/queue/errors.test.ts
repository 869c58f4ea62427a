import { expect } from 'chai';
import {
  DecodeError,
  DriverClosedError,
  EncodeError,
  EngineError,
  HaricotError,
  InvalidOptionError,
  LeaseLostError,
  SchemaError,
  SlotTimeoutError,
  UnsupportedError,
} from '../../src/queue/errors.js';

describe('an error of the framework', () => {
  it('has a code of its own, the name of its class, and the cause it was given', () => {
    const cause = new Error('cause');
    for (const [errorClass, name, code] of [
      [InvalidOptionError, 'InvalidOptionError', 'INVALID_OPTION'],
      [EncodeError, 'EncodeError', 'ENCODE'],
      [DecodeError, 'DecodeError', 'DECODE'],
      [LeaseLostError, 'LeaseLostError', 'LEASE_LOST'],
      [UnsupportedError, 'UnsupportedError', 'UNSUPPORTED'],
      [SlotTimeoutError, 'SlotTimeoutError', 'SLOT_TIMEOUT'],
      [DriverClosedError, 'DriverClosedError', 'CLOSED'],
      [EngineError, 'EngineError', 'ENGINE'],
    ] as const) {
      const error = new errorClass('text', { cause });
      expect(error).to.be.instanceOf(HaricotError).and.instanceOf(Error);
      expect(error).to.include({ name, code, message: 'text', cause });
    }
  });

  it('says of data that does not fit what is wrong where', () => {
    const error = new SchemaError('mail.send', [
      { path: 'to.0', message: 'not an address' },
      { path: '', message: 'too large' },
    ]);
    expect(error).to.be.instanceOf(HaricotError);
    expect(error).to.include({
      name: 'SchemaError',
      code: 'SCHEMA',
      type: 'mail.send',
      message:
        'cannot accept the data of a message of type "mail.send": it does not fit its schema: to.0: not an address; too large',
    });
    expect(error.issues).to.have.length(2);
  });
});

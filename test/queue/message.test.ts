import type { StandardSchemaV1 } from '@standard-schema/spec';
import { expect } from 'chai';
import { z } from 'zod';
import { InvalidOptionError, SchemaError } from '../../src/queue/errors.js';
import { defineMessage, validate } from '../../src/queue/message.js';
import { rejection, thrown } from '../support/failures.js';

/** A schema made by hand: numbers as text in, numbers out. */
function handMade(answer: (value: unknown) => StandardSchemaV1.Result<number>): StandardSchemaV1<string, number> {
  return { '~standard': { version: 1, vendor: 'by hand', validate: answer } };
}

describe('defineMessage', () => {
  it('takes a type alone', () => {
    expect(defineMessage('mail.send')).to.deep.equal({ type: 'mail.send', schema: undefined });
  });

  it('takes any schema that implements Standard Schema', () => {
    const byHand = handMade((value) => ({ value: Number(value) }));
    const withZod = z.object({ to: z.email() });
    expect(defineMessage('count', byHand).schema).to.equal(byHand);
    expect(defineMessage('mail.send', withZod).schema).to.equal(withZod);
  });

  it('refuses a type that is empty or no text', () => {
    expect(thrown(() => defineMessage(''), InvalidOptionError).message).to.equal(
      'a message type is a text that is not empty, got ""',
    );
    for (const type of [undefined, null, 5, {}])
      thrown(() => defineMessage(type as unknown as string), InvalidOptionError);
  });

  it('refuses a schema that does not implement it', () => {
    for (const schema of [{}, { '~standard': { version: 2 } }, 5, 'schema']) {
      expect(
        thrown(() => defineMessage('a', schema as unknown as StandardSchemaV1), InvalidOptionError).message,
      ).to.equal('the schema of "a" does not implement Standard Schema 1');
    }
  });
});

describe('the data of a message', () => {
  it('passes as it is where there is no schema', async () => {
    const data = { to: 'a@b.example' };
    expect(await validate(defineMessage('mail.send'), data)).to.equal(data);
  });

  it('becomes what the schema makes of it', async () => {
    const SendMail = defineMessage('mail.send', z.object({ at: z.string().transform((text) => new Date(text)) }));
    expect(await validate(SendMail, { at: '2026-01-02' })).to.deep.equal({ at: new Date('2026-01-02') });
    const Count = defineMessage(
      'count',
      handMade((value) => ({ value: Number(value) })),
    );
    expect(await validate(Count, '5')).to.equal(5);
  });

  it('is waited for where the schema answers with a promise', async () => {
    const later = z.string().refine(async (text) => text === 'right');
    const Later = defineMessage('later', later);
    expect(await validate(Later, 'right')).to.equal('right');
    await rejection(validate(Later, 'wrong'), SchemaError);
  });

  it('is refused with every issue and the path to it', async () => {
    const Order = defineMessage(
      'order',
      z.object({ items: z.array(z.object({ price: z.number() })), note: z.string() }),
    );
    const error = await rejection(validate(Order, { items: [{ price: 1 }, { price: 'x' }] }), SchemaError);
    expect(error).to.include({ type: 'order', code: 'SCHEMA' });
    expect(error.issues.map(({ path }) => path)).to.deep.equal(['items.1.price', 'note']);
    expect(error.message).to.match(
      /^the data of a "order" message does not fit its schema: items\.1\.price: .+; note: /,
    );
  });

  it('is refused with paths of segments, keys and symbols, and with none for the data as a whole', async () => {
    const issues: StandardSchemaV1.Issue[] = [
      { message: 'a', path: [{ key: 'to' }, 0, { key: Symbol('s') }] },
      { message: 'b' },
      { message: 'c', path: [] },
    ];
    const error = await rejection(
      validate(
        defineMessage(
          'count',
          handMade(() => ({ issues })),
        ),
        '',
      ),
      SchemaError,
    );
    expect(error.issues).to.deep.equal([
      { message: 'a', path: 'to.0.Symbol(s)' },
      { message: 'b', path: '' },
      { message: 'c', path: '' },
    ]);
  });
});

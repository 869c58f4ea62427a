import type { StandardSchemaV1 } from '@standard-schema/spec';
import { expect } from 'chai';
import { z } from 'zod';
import { InvalidOptionError, SchemaError } from '../../src/queue/errors.js';
import { defineMessage, validate } from '../../src/queue/message.js';
import { preview } from '../../src/shared/text.js';
import { rejection, thrown } from '../support/failures.js';

/** A schema made by hand: numbers as text in, numbers out. */
function handMade(
  answer: (value: unknown) => StandardSchemaV1.Result<number> | Promise<StandardSchemaV1.Result<number>>,
): StandardSchemaV1<string, number> {
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
      'a message type must be a string that is not empty and without lone surrogates, got ""',
    );
    for (const type of [undefined, null, 5, {}, 'mail\ud800'])
      thrown(() => defineMessage(type as unknown as string), InvalidOptionError);
  });

  it('refuses a schema that does not implement it', () => {
    for (const schema of [{}, { '~standard': { version: 2 } }, 5, 'schema']) {
      expect(
        thrown(() => defineMessage('a', schema as unknown as StandardSchemaV1), InvalidOptionError).message,
      ).to.equal(`the schema of "a" must implement Standard Schema 1, got ${preview(schema)}`);
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

  it('is checked at once where the schema answers at once', () => {
    const Order = defineMessage('order', z.object({ price: z.number() }));
    expect(validate(Order, { price: 1 })).to.deep.equal({ price: 1 });
    thrown(() => validate(Order, {}), SchemaError);
  });

  it('is waited for where the schema answers with a promise', async () => {
    const later = z.string().refine(async (text) => text === 'right');
    const Later = defineMessage('later', later);
    expect(await validate(Later, 'right')).to.equal('right');
    await rejection(Promise.resolve(validate(Later, 'wrong')), SchemaError);
  });

  it('is refused with every issue and the path to it', () => {
    const Order = defineMessage(
      'order',
      z.object({
        items: z.array(z.object({ price: z.number() })),
        note: z.string(),
        by: z.record(z.string(), z.int()),
      }),
    );
    const data = { items: [{ price: 1 }, { price: 'x' }], by: { 'a.b': 1.5 } };
    const error = thrown(() => validate(Order, data), SchemaError);
    expect(error).to.include({ type: 'order', code: 'SCHEMA' });
    expect(error.issues.map(({ path }) => path)).to.deep.equal(['items.1.price', 'note', 'by.a.b']);
    expect(error.message).to.match(
      /^cannot accept the data of a message of type "order": it does not fit its schema: items\.1\.price: .+; note: .+; by\.a\.b: /,
    );
  });

  it('is refused with paths of segments, keys and symbols, and with none for the data as a whole', () => {
    const issues: StandardSchemaV1.Issue[] = [
      { message: 'a', path: [{ key: 'to' }, 0, { key: Symbol('s') }] },
      { message: 'b' },
      { message: 'c', path: [] },
      { message: 'd', path: [Symbol('t'), { key: 1 }] },
    ];
    const Count = defineMessage(
      'count',
      handMade(() => ({ issues })),
    );
    expect(thrown(() => validate(Count, ''), SchemaError).issues).to.deep.equal([
      { message: 'a', path: 'to.0.Symbol(s)' },
      { message: 'b', path: '' },
      { message: 'c', path: '' },
      { message: 'd', path: 'Symbol(t).1' },
    ]);
  });

  it('is refused with the first issues of many, each cut, and with all of them as issues', () => {
    const issues = Array.from({ length: 5000 }, () => ({ message: 'x'.repeat(5000), path: ['y'.repeat(5000)] }));
    const Count = defineMessage(
      'count',
      handMade(() => ({ issues })),
    );
    const error = thrown(() => validate(Count, ''), SchemaError);
    expect(error.message).to.match(/; and 4990 more$/);
    expect(error.message.length).to.be.below(4000);
    expect(error.issues).to.have.length(5000);
  });

  describe('whose schema fails itself', () => {
    const broken = new Error('no database');

    async function failure(answer: Parameters<typeof handMade>[0]): Promise<Error> {
      const Count = defineMessage('count', handMade(answer));
      const error = await rejection((async () => validate(Count, '5'))(), Error);
      expect(error, 'nobody knows whether the data fits').not.to.be.instanceOf(SchemaError);
      return error;
    }

    it('has that error, now or later: it says nothing of the data', async () => {
      const throwing = (): never => {
        throw broken;
      };
      for (const answer of [throwing, () => Promise.reject(broken) as never]) {
        expect(await failure(answer)).to.equal(broken);
      }
    });

    it('has an error when the schema answers with nothing, now or later', async () => {
      for (const answer of [() => undefined, async () => undefined]) {
        expect(await failure(answer as never)).to.be.instanceOf(TypeError);
      }
    });
  });
});

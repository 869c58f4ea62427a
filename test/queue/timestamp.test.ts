import { expect } from 'chai';
import fc from 'fast-check';
import { parseTimestamp } from '../../src/queue/timestamp.js';

describe('A timestamp as in RFC 3339', () => {
  it('is read in any of its forms', () => {
    for (const [text, means] of [
      ['2026-01-02T03:04:05Z', '2026-01-02T03:04:05.000Z'],
      ['2026-01-02t03:04:05.5z', '2026-01-02T03:04:05.500Z'],
      ['2026-01-02 03:04:05-01:30', '2026-01-02T04:34:05.000Z'],
      ['2026-01-02 03:04:05.123456789+00:00', '2026-01-02T03:04:05.123Z'],
      ['2026-01-02T03:04:05.9999Z', '2026-01-02T03:04:05.999Z'],
      ['2026-01-02T03:04:05-00:00', '2026-01-02T03:04:05.000Z'],
      ['2024-02-29T23:59:59+23:59', '2024-02-29T00:00:59.000Z'],
      ['2000-02-29T00:00:00Z', '2000-02-29T00:00:00.000Z'],
      ['0001-01-01T00:00:00Z', '0001-01-01T00:00:00.000Z'],
    ] as const) {
      expect(parseTimestamp(text)?.toISOString(), text).to.equal(means);
    }
  });

  it('may name a leap second, which becomes the next', () => {
    expect(parseTimestamp('2016-12-31T23:59:60Z')?.toISOString()).to.equal('2017-01-01T00:00:00.000Z');
    expect(parseTimestamp('2017-01-01T05:29:60.5+05:30')?.toISOString()).to.equal('2017-01-01T00:00:00.500Z');
    expect(parseTimestamp('2016-12-31T12:59:60Z')).to.equal(undefined);
  });

  it('is refused where there is no such date, time or zone: nothing is rolled over', () => {
    for (const text of [
      '2024-02-30T00:00:00Z',
      '2023-02-29T00:00:00Z',
      '1900-02-29T00:00:00Z',
      '2024-04-31T00:00:00Z',
      '2024-00-01T00:00:00Z',
      '2024-13-01T00:00:00Z',
      '2024-01-00T00:00:00Z',
      '2024-01-32T00:00:00Z',
      '2024-01-01T24:00:00Z',
      '2024-01-01T00:60:00Z',
      '2024-01-01T00:00:61Z',
      '2024-01-01T00:00:00+24:00',
      '2024-01-01T00:00:00+01:60',
      '2024-01-01T00:00:00+0100',
      '2024-01-01T00:00:00',
      '2024-01-01T00:00:00.Z',
      '2024-01-01T00:00Z',
      '2024-1-01T00:00:00Z',
      '2024-01-01_00:00:00Z',
      ' 2024-01-01T00:00:00Z',
      '2024-01-01T00:00:00Z\n',
      '٢٠٢٤-01-01T00:00:00Z',
      '',
    ]) {
      expect(parseTimestamp(text), text).to.equal(undefined);
    }
  });

  it('is read as Date reads what Date has written', () => {
    fc.assert(
      fc.property(
        fc.date({ noInvalidDate: true, min: new Date('0000-01-01T00:00:00Z'), max: new Date(253_402_300_799_999) }),
        (date) => {
          expect(parseTimestamp(date.toISOString())).to.deep.equal(date);
        },
      ),
    );
  });
});

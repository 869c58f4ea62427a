/** RFC 3339: date, time and zone. Unlike what `Date` reads, it has a zone, and no 24th hour. */
const TIMESTAMP =
  /^(\d{4})-(\d\d)-(\d\d)[Tt ]([01]\d|2[0-3]):([0-5]\d):([0-5]\d|60)(\.\d+)?([Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;

/** As `Date.toISOString` writes it, up to the 28th of a month: what `Date` reads rightly. Nearly all are so. */
const COMMON = /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{3}Z$/;

/** The moment that a timestamp as in RFC 3339 names, to the millisecond; undefined where there is none such. */
export function parseTimestamp(text: string): Date | undefined {
  if (COMMON.test(text)) return new Date(text);
  const [, year, month, day, hour, minute, second, fraction = '', zone = ''] = TIMESTAMP.exec(text) ?? [];
  if (Number(day) < 1 || Number(day) > daysIn(Number(year), Number(month))) return undefined;
  // Date knows no leap seconds, and reads every other form in ways of its own.
  const isLeap = second === '60';
  const date = new Date(
    `${year}-${month}-${day}T${hour}:${minute}:${isLeap ? '59' : second}${fraction.slice(0, 4)}${zone.toUpperCase()}`,
  );
  if (Number.isNaN(date.getTime())) return undefined;
  if (!isLeap) return date;
  const isLastOfDay = date.getUTCHours() === 23 && date.getUTCMinutes() === 59;
  return isLastOfDay ? new Date(date.getTime() + 1000) : undefined;
}

/** @returns NaN for a month that there is not */
function daysIn(year: number, month: number): number {
  if (!(month >= 1 && month <= 12)) return Number.NaN;
  const isLeapYear = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  return month === 2 ? (isLeapYear ? 29 : 28) : [4, 6, 9, 11].includes(month) ? 30 : 31;
}

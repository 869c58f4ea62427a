// Errors in the words of the command line: options as they are typed, one grammar, no password.
import type { Command } from 'commander';
import { listOf } from '../shared/options.js';
import { escapeText, maskUrl, preview } from '../shared/text.js';

/** Shorter ones would be found in ordinary words. */
const SHORTEST_PASSWORD = 4;

/** A message about a command: its options as they are typed, and no password. */
export function reword(message: string, command: Command | undefined, urls: readonly string[]): string {
  return withoutPasswords(optionsAsTyped(message, command), urls);
}

/** `slotTimeout must be …` as `--slot-timeout must be …`. */
function optionsAsTyped(message: string, command: Command | undefined): string {
  const [start = '', quoted] = /^`?(\w{1,40})`?(?= )/.exec(message) ?? [];
  const option = command?.options.find((one) =>
    [one.attributeName(), `${one.attributeName()}s`].includes(quoted ?? ''),
  );
  return option?.long ? option.long + message.slice(start.length) : message;
}

/** Commander's messages, each with what becomes of its parts. */
const SENTENCES: readonly (readonly [pattern: RegExp, sentence: (...parts: string[]) => string])[] = [
  [/^option '(\S+)[^']*' argument '(.*)' is invalid\. (.*)$/s, (option, value, rule) => mustBe(option, value, rule)],
  [
    /^command-argument value '(.*)' is invalid for argument '(\S+)'\. (.*)$/s,
    (value, name, rule) => mustBe(`<${name}>`, value, rule),
  ],
  [/^missing required argument '(\S+)'$/, (name) => `<${name}> must be given, got none`],
  [/^required option '(\S+)[^']*' not specified$/, (option) => `${option} must be given, got none`],
  [/^option '(\S+)[^']*' argument missing$/, (option) => `${option} must have a value, got none`],
  [
    /^option '(\S+)[^']*' cannot be used with option '(\S+)[^']*'$/,
    (option, other) => `cannot use ${option} together with ${other}`,
  ],
  [/^unknown (option|command) '(.*?)'(?:\s+\(D(id you mean .*\?)\))?$/s, unknown],
  [
    /^too many arguments for '(.*)'\. Expected (\d+) arguments? but got (\d+)\.$/s,
    (name, most, given) =>
      `the arguments of ${name} must be ${most === '0' ? 'none' : `at most ${most}`}, got ${given}`,
  ],
];

/** Commander's message in our grammar: `<what> must be <rule>, got <value>`. */
export function rewordCommander(message: string): string {
  for (const [pattern, sentence] of SENTENCES) {
    const found = pattern.exec(message);
    if (found !== null) return sentence(...found.slice(1));
  }
  return message;
}

function mustBe(what = '', value = '', rule = ''): string {
  const [, choices] = /^Allowed choices are (.*)\.$/.exec(rule) ?? [];
  return `${what} must be ${choices === undefined ? rule : listOf(choices.split(', '))}, got ${preview(value)}`;
}

function unknown(what = '', name = '', suggestion?: string): string {
  return `unknown ${what} ${preview(name)}${suggestion === undefined ? '' : ` (d${escapeText(suggestion)})`}`;
}

/** Whatever part of the URLs an engine has put into its message. */
function withoutPasswords(message: string, urls: readonly string[]): string {
  let masked = message;
  for (const url of urls) {
    masked = masked.replaceAll(url, maskUrl(url));
    for (const password of passwordsIn(url)) masked = masked.replaceAll(password, '***');
  }
  return masked;
}

/** As they stand in the URL, and decoded. */
function passwordsIn(url: string): string[] {
  const start = url.indexOf('//') + 2;
  const at = url.lastIndexOf('@');
  const colon = url.indexOf(':', start);
  if (start === 1 || at < start || colon < 0 || colon > at) return [];
  const password = url.slice(colon + 1, at);
  return [password, decoded(password)].filter(({ length }) => length >= SHORTEST_PASSWORD);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

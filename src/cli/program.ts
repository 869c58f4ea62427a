import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { COMMANDS, type CommandEntry, REPLACED } from './commands.js';
import { EXIT, errorLine, exitCodeOf, UsageError } from './errors.js';
import { DEFAULT_URL } from './options.js';
import { painter } from './output/colour.js';
import type { Output, Sink } from './output/output.js';
import { reword, rewordCommander } from './wording.js';

/** Lines of help are not longer, however wide the terminal is. */
const HELP_WIDTH = 100;

const ABOUT =
  'Defers work: publish a message now, and a worker hands it to the slots (functions) that your modules connected ' +
  'to its type. Which engine keeps the messages is one URL.';

const MORE = `
Engines:
  ${DEFAULT_URL.padEnd(28)}  the default: a file, no server
  beanstalkd://127.0.0.1:11300  a beanstalkd server; with TLS beanstalkds://,
${' '.repeat(32)}through a socket beanstalkd+unix:///path
  Each takes ?prefix=staging- where several installations share an engine.

Environment:
  HARICOT_URL                   the engine, where --url does not name one
  NO_COLOR=1, FORCE_COLOR=1     no colours, or colours without a terminal too
  DEBUG=haricot:*               internals; never the data of a message

Example, in two terminals:
  haricot work mail --slots ./slots.js
  haricot publish mail mail.send '{"to":"a@b.example"}'

Ids are arguments, a count is --limit <n>, everything is --all.
Exit code: 0 done, 1 failed, 2 wrong usage.
See haricot <command> --help for the rest.`;

/** Parses the arguments and runs the command that they name. @returns the exit code; errors are on standard error */
export async function run(args: readonly string[], output: Output): Promise<number> {
  // Not from the parsed options: the error may be one of parsing them.
  const json = args.includes('--json');
  const program = programFor(output, json);
  let called: Command | undefined;
  program.hook('preAction', (_, command) => {
    called = command;
  });
  const fail = (error: unknown): number => {
    const inWords = (message: string): string => reword(message, called, urlsIn(args));
    output.stderr.write(`${errorLine(error, json, inWords)}\n`);
    return exitCodeOf(error);
  };
  try {
    await program.parseAsync(asOption(args), { from: 'user' });
    return EXIT.ok;
  } catch (error) {
    if (!(error instanceof CommanderError)) return fail(error);
    if (error.exitCode === 0) return EXIT.ok;
    // Without a command it has shown its help.
    if (error.code === 'commander.help' && !json) return EXIT.wrongUsage;
    return fail(usageError(error, args));
  }
}

/** `help work` is `work --help`: Commander's own help command would not load the command. */
function asOption(args: readonly string[]): readonly string[] {
  const [first, name] = args;
  if (first !== 'help') return args;
  if (name === undefined) return ['--help'];
  return isCommand(name) ? [name, '--help'] : [name];
}

function isCommand(name: string): boolean {
  return COMMANDS.some((entry) => entry.name === name);
}

/** The engines' URLs, which may have passwords in them, however they were given. */
function urlsIn(args: readonly string[]): string[] {
  const given = args.flatMap((arg, index) => {
    const [, value] = /^--(?:to-)?url(?:=(.*))?$/s.exec(arg) ?? [null, null];
    return value === null ? [] : [value ?? args[index + 1] ?? ''];
  });
  return [...given, process.env['HARICOT_URL'] ?? ''].filter(Boolean);
}

function usageError({ code, message }: CommanderError, args: readonly string[]): UsageError {
  if (code === 'commander.help') return new UsageError('a command must be given, got none (see haricot --help)');
  const text = rewordCommander(message.replace(/^error: /, ''));
  if (text.includes('(did you mean')) return new UsageError(text);
  const name = code === 'commander.unknownCommand' ? undefined : args.find(isCommand);
  return new UsageError(`${text} (see haricot ${name === undefined ? '' : `${name} `}--help)`);
}

function programFor(output: Output, json: boolean): Command {
  const program = new Command('haricot')
    .usage('<command> [options]')
    .description(ABOUT)
    .option('--url <url>', `the engine that keeps the messages (default: HARICOT_URL, or ${DEFAULT_URL})`)
    .option('--json', 'print a JSON object a line, errors too')
    .version(version(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .addHelpText('after', MORE)
    .helpCommand(false)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => writeHelp(output.stdout, text),
      writeErr: (text) => json || writeHelp(output.stderr, text),
      // Told by `run`, in the same way as every other error.
      outputError: () => {},
      getOutHelpWidth: () => widthOf(output.stdout),
      getErrHelpWidth: () => widthOf(output.stderr),
    })
    .configureHelp({
      showGlobalOptions: true,
      minWidthToWrap: 20,
      visibleGlobalOptions: (command) => command.parent?.options.filter(({ long }) => long !== '--version') ?? [],
      subcommandTerm: (command) => `${command.name()} ${usageOf(command)}`.trimEnd(),
    });
  for (const entry of COMMANDS) addCommand(program, entry, output);
  for (const [name, instead] of Object.entries(REPLACED)) addReplaced(program, name, instead);
  return program;
}

function addCommand(program: Command, { name, summary, group, load }: CommandEntry, output: Output): void {
  program.command(name).summary(summary).helpGroup(`${group}:`).helpOption('-h, --help', 'print this help');
  program.hook('preSubcommand', async (_, command) => {
    if (command.name() === name) (await load())(command, output);
  });
}

/** A command that there is no more, which says what to use instead. */
function addReplaced(program: Command, name: string, instead: string): void {
  program
    .command(name, { hidden: true })
    .helpOption(false)
    .allowUnknownOption()
    .allowExcessArguments()
    .action(() => {
      throw new UsageError(`unknown command "${name}"; ${instead}`);
    });
}

function usageOf(command: Command): string {
  return COMMANDS.find(({ name }) => name === command.name())?.usage ?? '';
}

/** Titles, such as `Options:`, stand out. */
function writeHelp(sink: Sink, text: string): void {
  const paint = painter(sink);
  sink.write(text.replace(/^[A-Z][^:\n]*:(?=$| haricot )/gm, (title) => paint('bold', title)));
}

function widthOf({ isTTY, columns = 80 }: Sink): number {
  return isTTY ? Math.min(columns, HELP_WIDTH) : 80;
}

function version(): string {
  const file = new URL('../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { painter } from './colour.js';
import { COMMANDS, type CommandEntry } from './commands.js';
import { EXIT, errorLine, exitCodeOf, UsageError } from './errors.js';
import { DEFAULT_URL } from './global-options.js';
import { ABOUT, MORE } from './help.js';
import type { Output, Sink } from './output.js';
import { reword } from './wording.js';

/** Lines of help are not longer, however wide the terminal is. */
const HELP_WIDTH = 100;

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
    // Told nothing at all, it has shown its help.
    if (error.code === 'commander.help' && !json) return EXIT.wrongUsage;
    return fail(usageError(error, args));
  }
}

/** `help work` is `work --help`: Commander's own help command would not load the command. */
function asOption(args: readonly string[]): readonly string[] {
  const [first, name] = args;
  if (first !== 'help') return args;
  if (name === undefined) return ['--help'];
  return COMMANDS.some((entry) => entry.name === name) ? [name, '--help'] : [name];
}

/** The engine's URL, which may have a password in it, however it was given. */
function urlsIn(args: readonly string[]): string[] {
  const given = args.filter((arg, index) => args[index - 1] === '--url' || arg.startsWith('--url='));
  return [...given.map((arg) => arg.replace(/^--url=/, '')), process.env['HARICOT_URL'] ?? ''].filter(Boolean);
}

function usageError({ code, message }: CommanderError, args: readonly string[]): UsageError {
  if (code === 'commander.help') return new UsageError('a command must be given, got none (see haricot --help)');
  const text = message.replace(/^error: /, '');
  if (text.includes('Did you mean')) return new UsageError(text);
  const command = code === 'commander.unknownCommand' ? undefined : COMMANDS.find(({ name }) => args.includes(name));
  return new UsageError(`${text} (see haricot ${command ? `${command.name} ` : ''}--help)`);
}

function programFor(output: Output, json: boolean): Command {
  const program = new Command('haricot')
    .usage('<command> [options]')
    .description(ABOUT)
    .option('--url <url>', `the engine that keeps the messages (default: HARICOT_URL, or ${DEFAULT_URL})`)
    .option('--json', 'a JSON object a line, errors too')
    .version(version())
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
  return program;
}

function addCommand(program: Command, { name, summary, group, load }: CommandEntry, output: Output): void {
  program.command(name).summary(summary).helpGroup(`${group}:`);
  program.hook('preSubcommand', async (_, command) => {
    if (command.name() === name) (await load())(command, output);
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

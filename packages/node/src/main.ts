/**
 * `causeway start` and `causeway config`, without what a command line adds around them.
 *
 * Exit codes: 0 stopped as asked, 1 ran and failed, 2 wrong use or configuration.
 */
import { CausewayError } from '@causeway/protocol';
import { describeConfig } from './config.js';
import { readConfig } from './config-sources.js';
import { createLogger } from './logger.js';
import { startNode } from './node.js';
import { SETTINGS } from './settings.js';

/** A stop that hangs, on a disk that does not answer for instance, ends here. Milliseconds. */
const STOP_TIMEOUT_MS = 9_500;

export interface Surroundings {
  readonly env: NodeJS.ProcessEnv;
  /** For a person: problems with the configuration. */
  readonly complain: (text: string) => void;
}

/**
 * Runs a node until SIGTERM or SIGINT; resolves with the exit code, which the caller exits with. A second signal
 * exits the process at once.
 */
export async function runStart(args: readonly string[], { env, complain }: Surroundings): Promise<number> {
  const config = configOr(complain, () => readConfig(args, env));
  if (config === undefined) return 2;
  const logger = createLogger({ region: config.region, level: config.logLevel });
  const fatal = (error: unknown) => {
    logger.error({ err: error }, 'a fault of the node itself; it ends, start it again');
    logger.flush();
    process.exit(1);
  };
  process.on('uncaughtException', fatal);
  process.on('unhandledRejection', fatal);
  const signal = nextSignal();
  try {
    const node = await startNode(config, logger);
    const name = await Promise.race([signal, node.left.then(() => undefined)]);
    logger.info({ signal: name }, name === undefined ? 'left the cluster: stopping' : 'stopping');
    void (name === undefined ? signal : nextSignal()).then(() => process.exit(1));
    setTimeout(() => process.exit(0), STOP_TIMEOUT_MS).unref();
    await node.close();
    return 0;
  } catch (error) {
    const code = error instanceof CausewayError ? error.code : 'CAUSEWAY_INTERNAL';
    logger.error({ err: error, code }, 'the node did not start');
    complain(error instanceof Error ? error.message : String(error));
    return code === 'CAUSEWAY_BAD_CONFIG' ? 2 : 1;
  } finally {
    logger.flush();
  }
}

/** What `causeway config` prints: the settings in force, as a file that --config takes. */
export function runConfig(
  args: readonly string[],
  { env, complain }: Surroundings,
  print: (text: string) => void,
): number {
  const config = configOr(complain, () => readConfig(args, env));
  if (config === undefined) return 2;
  print(JSON.stringify(describeConfig(config), undefined, 2));
  return 0;
}

/** The flags of both, one a line, for --help. */
export function describeFlags(): string {
  const lines = Object.values(SETTINGS).map(({ flag, value, variable, fallback, help }) => [
    `--${flag}${value === undefined ? '' : ` ${value}`}`,
    variable,
    `${help} (${fallback})`,
  ]);
  lines.push(['--config FILE', 'CAUSEWAY_CONFIG', 'JSON with these names in camelCase (none)']);
  const widths = [0, 1].map((column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  return lines
    .map(
      ([flag = '', variable = '', help = '']) =>
        `  ${flag.padEnd(widths[0] ?? 0)}  ${variable.padEnd(widths[1] ?? 0)}  ${help}`,
    )
    .join('\n');
}

function nextSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    const taken = (signal: NodeJS.Signals) => {
      process.off('SIGTERM', taken);
      process.off('SIGINT', taken);
      resolve(signal);
    };
    process.on('SIGTERM', taken);
    process.on('SIGINT', taken);
  });
}

function configOr<T>(complain: (text: string) => void, read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof CausewayError)) throw error;
    complain(error.message);
    return undefined;
  }
}
